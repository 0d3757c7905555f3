"""The gateways of 10,000 rooms as one process: arguments ``SERVERS DATABASE_URL``. Each second it prints how
many readings it has put there so far: one JSON object a line."""

import asyncio
import json
import sys
import time
from collections.abc import Iterable

from confluent_kafka import Producer

from bench.traffic import Traffic
from insula.bus.codec import Codec
from insula.bus.devices import DeviceIndex
from insula.bus.topics import partition_of
from insula.garbage import search_seldom
from insula.messages import BusMessage
from insula.store.devices import list_devices
from insula.store.engine import Store

TICK_S = 0.02
COMMANDS_S = 100


async def load(url: str) -> DeviceIndex:
    store = Store(url)
    await store.start()
    index = DeviceIndex()
    async with store.read() as connection:
        for device in await list_devices(connection):
            index.put(device)
    await store.stop()
    return index


class Load:
    def __init__(self, servers: str, index: DeviceIndex) -> None:
        self._codec = Codec(index)
        self._producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 0})
        self._traffic = Traffic(list(index))

    def start(self) -> None:
        """Every point once, not faster than twice the load."""
        messages = list(self._traffic.first(_now()))
        step = round(2 * self._traffic.readings_s * TICK_S)
        for begin in range(0, len(messages), step):
            self._send(messages[begin : begin + step])
            time.sleep(TICK_S)

    def run(self) -> None:
        """As many readings each second as planned, for ever; or fewer, if it does not keep up."""
        began, sent, commanded, told = time.monotonic(), 0, 0, 0
        while True:
            passed = time.monotonic() - began
            due, commands = round(passed * self._traffic.readings_s) - sent, round(passed * COMMANDS_S) - commanded
            due = min(due, round(5 * self._traffic.readings_s * TICK_S))
            self._send(self._traffic.next(_now(), due))
            self._send(self._traffic.commands(_now(), commands))
            sent, commanded = sent + due, commanded + commands
            if passed > told:
                told += 1
                sys.stdout.write(json.dumps({"sent": sent, "cpu_s": time.process_time()}) + "\n")
                sys.stdout.flush()
            time.sleep(TICK_S)

    def _send(self, messages: Iterable[BusMessage]) -> None:
        for message in messages:
            record = self._codec.encode(message)
            partition = -1 if record.spread is None else partition_of(record.topic, record.spread)
            headers = list(record.headers.items())
            self._producer.produce(record.topic, record.value, record.key.encode(), partition, headers=headers)
        self._producer.poll(0)


def _now() -> int:
    return time.time_ns() // 1_000_000


def main(servers: str, url: str) -> None:
    traffic = Load(servers, asyncio.run(load(url)))
    search_seldom()
    traffic.start()
    traffic.run()


main(*sys.argv[1:])
