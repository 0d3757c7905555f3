"""From a sensor's message on Kafka to the rule's command, through a controller of its own process; and the same two
hops through a bare process, on the same broker. The two take turns; each figure is of the medians of the turns.
"""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import msgspec
from confluent_kafka import OFFSET_END, Message
from confluent_kafka.admin import AdminClient, NewTopic

from bench.campus import Campus, campus
from bench.echo import batch, consumer, producer
from bench.machine import percentile
from insula.building.state import SETTLE_MS
from insula.bus.kafka_poller import record_of
from insula.bus.port import Outgoing
from insula.bus.topics import KNX, PARTITIONS, partition_of
from insula.messages import BusMessage, Command, CommandResult, DeviceRecord, Health

ROOMS = 500
TURNS = 6
"""Of each; the first is for warming up."""
INTERVAL_S = 0.01
THERE, BACK = "there", "back"
COMMAND = b"percentage_radiator"
PATIENCE_S = 20
REST_S = 1.0
"""Between a turn's answers and the next turn."""


class _Caused(msgspec.Struct):
    id: str
    origin: dict[str, str] = {}


def measure() -> dict[str, float]:
    """Milliseconds, and ours over the bare process's."""
    return asyncio.run(_measure())


async def _measure() -> dict[str, float]:
    async with campus(ROOMS) as at:
        with _bare(at.servers), _Turns(at.servers) as turns, at.part("controller") as controller:
            await at.health("controller", controller.began, _all_rooms)
            return await _take_turns(at, turns)


async def _take_turns(at: Campus, turns: "_Turns") -> dict[str, float]:
    await at.quiet()
    await asyncio.sleep(SETTLE_MS / 1000)
    ours, bare = [], []
    sensors = [device for device in at.devices if device.point("motion")]
    for turn in range(TURNS):
        bare.append(await asyncio.to_thread(turns.take, _motion(at, sensors, turn), THERE))
        heard = await asyncio.to_thread(turns.take, _motion(at, sensors, turn))
        ours.append(heard)
        await _answer(at, [message for _, message in heard])
    return _figures(*([[took for took, _ in turn] for turn in turns[1:]] for turns in (ours, bare)))


def _all_rooms(seen: list[Health]) -> bool:
    return bool(seen) and seen[-1].counters["rooms"] == ROOMS


def _motion(at: Campus, sensors: list[DeviceRecord], turn: int) -> list[Outgoing]:
    """Somebody comes into every room, or leaves it."""
    return [at.channel.codec.encode(at.reading(sensor, "motion", float(turn % 2 == 0))) for sensor in sensors]


async def _answer(at: Campus, heard: list[Message]) -> None:
    """As the gateway would: each was carried out, and the device has come to where it was sent."""
    answers: list[BusMessage] = []
    for message in heard:
        command = at.channel.codec.decode(record_of(message))
        assert isinstance(command, Command)
        device = at.channel.devices.get(command.device_id)
        answers.append(CommandResult(at=at.clock.real(), command=command, outcome="done"))
        answers.append(at.reading(device, command.point, command.value))
    await at.channel.send(*answers)
    await asyncio.sleep(REST_S)


def _figures(ours: list[list[float]], bare: list[list[float]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        own, other = (median(percentile(turn, part) for turn in turns) for turns in (ours, bare))
        figures |= {f"kafka_rule_{name}_ms": own * 1e3, f"kafka_echo_{name}_ms": other * 1e3}
        figures[f"kafka_rule_{name}_vs_echo"] = own / other
    return figures


@contextmanager
def _bare(servers: str) -> Iterator[None]:
    admin = AdminClient({"bootstrap.servers": servers})
    for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in (THERE, BACK)]).values():
        made.result()
    process = subprocess.Popen([sys.executable, "-m", "bench.echo", servers, THERE, BACK, str(PARTITIONS)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


class _Turns:
    """Sends a turn's messages, and hears what comes of them on a thread of its own."""

    def __init__(self, servers: str) -> None:
        self._servers = servers

    def __enter__(self) -> "_Turns":
        self._out = producer(self._servers)
        self._into = consumer(self._servers, [BACK, KNX.name], PARTITIONS, OFFSET_END)
        return self

    def __exit__(self, *_: object) -> None:
        self._out.flush(1)
        self._into.close()

    def take(self, outgoing: list[Outgoing], to: str | None = None) -> list[tuple[float, Message]]:
        """What came of each, and how many seconds that took. Raises TimeoutError when one brought nothing."""
        heard: list[tuple[float, Message]] = []
        thread = threading.Thread(target=self._collect, args=[len(outgoing), heard])
        thread.start()
        sent = self._send(outgoing, to)
        thread.join()
        if len(heard) < len(outgoing):
            raise TimeoutError(f"{len(heard)} of {len(outgoing)} messages brought something")
        return [(at - sent[_cause(message)], message) for at, message in heard]

    def _send(self, outgoing: list[Outgoing], to: str | None) -> dict[str, float]:
        ids = [msgspec.json.decode(record.value or b"", type=_Caused).id for record in outgoing]
        sent: dict[str, float] = {}
        due = time.perf_counter() + 0.5
        for id_, record in zip(ids, outgoing, strict=True):
            due += INTERVAL_S
            time.sleep(max(0.0, due - time.perf_counter()))
            sent[id_] = time.perf_counter()
            place = partition_of(record.topic, record.spread or 0)
            self._out.produce(to or record.topic, record.value, record.key, place, headers=list(record.headers.items()))
            self._out.poll(0)
        return sent

    def _collect(self, count: int, heard: list[tuple[float, Message]]) -> None:
        end = time.perf_counter() + count * INTERVAL_S + PATIENCE_S
        while len(heard) < count and time.perf_counter() < end:
            messages = batch(self._into)
            now = time.perf_counter()
            heard += [(now, message) for message in messages if message.topic() == BACK or message.key() == COMMAND]


def _cause(message: Message) -> str:
    caused = msgspec.json.decode(message.value() or b"", type=_Caused)
    return caused.id if message.topic() == BACK else caused.origin["cause"]
