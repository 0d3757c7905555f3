"""The sensors, as a process: readings put on the topics as gateways write them, until SIGTERM.

Arguments ``SERVERS RATE FILE``. In the file is a line for each new reading whose fate is known: ``acked`` or
``unsure``, device, reason, measured at, value. One of five is a re-send of what its point said last.
"""

import asyncio
import signal
import sys
from collections.abc import Iterator
from itertools import count, cycle
from typing import TextIO

import msgspec

from bench.faults.building import MEASURED
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.kafka import KafkaBus
from insula.clock import SystemClock
from insula.errors import Unavailable
from insula.logs import configure
from insula.messages import DeviceRecord, Reading
from insula.settings import LogSettings
from insula.store.log import reason_of

ROLES = {"temperature": -50.0, "humidity": 0.0}
"""Each with the lowest of its values: there are 100,000, 0.001 apart."""
TICK_S = 0.05
AGAIN = 5


class Sensors:
    """Every point in turn. ``lot`` is what they say now."""

    def __init__(self, devices: list[DeviceRecord], clock: SystemClock) -> None:
        self._clock = clock
        self._points: Iterator[tuple[DeviceRecord, str]] = cycle(
            [(device, role) for device in devices for role in ROLES]
        )
        self._last: dict[tuple[int, str], Reading] = {}
        self._numbers = count()

    def lot(self, size: int) -> list[Reading]:
        return [self._next() for _ in range(size)]

    def _next(self) -> Reading:
        device, role = next(self._points)
        number, now = next(self._numbers), self._clock.now()
        last = self._last.get((device.device_id, role))
        if last is not None and (number % AGAIN == 0 or last.measured_at >= now):
            return msgspec.structs.replace(last, at=self._clock.real(), resend=True)
        reading = Reading(
            at=self._clock.real(),
            device_id=device.device_id,
            gateway_id=device.gateway_id,
            point=role,
            value=round(ROLES[role] + number % 100_000 / 1000, 3),
            measured_at=now,
            changed_at=now,
        )
        self._last[device.device_id, role] = reading
        return reading


async def send(channel: Channel, lot: list[Reading], file: TextIO) -> None:
    try:
        await channel.send(*lot)
        fate = "acked"
    except Unavailable:
        fate = "unsure"
    file.writelines(
        f"{fate}\t{one.device_id}\t{reason_of(one.point)}\t{one.measured_at}\t{one.value!r}\n"
        for one in lot
        if not one.resend
    )


async def produce(channel: Channel, rate: float, file: TextIO, ending: asyncio.Event) -> None:
    clock = SystemClock()
    devices = [device for device in channel.devices if device.gateway_id == MEASURED]
    sensors = Sensors(devices, clock)
    loop = asyncio.get_running_loop()
    due, sent = loop.time(), 0.0
    async with asyncio.TaskGroup() as tasks:
        while not ending.is_set():
            due += TICK_S
            await asyncio.sleep(max(0.0, due - loop.time()))
            whole = round(sent + rate * TICK_S) - round(sent)
            sent += rate * TICK_S
            tasks.create_task(send(channel, sensors.lot(whole), file))


async def main(servers: str, rate: float, file: TextIO) -> None:
    configure(LogSettings(level="warning"))
    bus = KafkaBus({"bootstrap.servers": servers}, SystemClock())
    await bus.start()
    channel, ending = Channel(bus, DeviceIndex()), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    following = asyncio.create_task(channel.follow_devices())
    await channel.devices.complete()
    await produce(channel, rate, file, ending)
    following.cancel()
    await asyncio.wait([following])
    await bus.stop()


if __name__ == "__main__":
    with open(sys.argv[3], "a") as lines:
        asyncio.run(main(sys.argv[1], float(sys.argv[2]), lines))
