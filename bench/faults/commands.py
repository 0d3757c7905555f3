"""The people, as a process: commands through the API and straight on the topics, until SIGTERM.

Arguments ``SERVERS RATE FILE BUILDING URL...``. A device never gets the same value twice. In the file is a line for
each: how (``api``, ``topic``, ``2020``), fate (``accepted``, ``answered``, ``unsure``), device, point, value.
"""

import asyncio
import random
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TextIO

import aiohttp
import msgspec

from bench.faults.building import beacons
from insula.building.file import load_plan
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.kafka import KafkaBus
from insula.bus.port import Outgoing
from insula.clock import SystemClock
from insula.errors import Unavailable
from insula.logs import configure
from insula.messages import COMMAND_LIFE_MS, Command, DeviceRecord, Origin
from insula.settings import LogSettings

POINTS = {"blind": "position", "lamp": "level"}
ROUTES = {"blind": "percentage_blinds", "lamp": "percentage_dimmers"}
KEYS = {"blind": "percentage_blinds", "lamp": "dimmers_set_level"}
PATIENCE_S = 20


@dataclass(frozen=True, slots=True)
class Wish:
    device: DeviceRecord
    value: int


def wishes(devices: list[DeviceRecord], seed: int) -> Iterator[Wish]:
    """Every value of every device, once: 1 to 98, which a dimmer's level can be too."""
    chance = random.Random(seed)
    values = list(range(1, 99))
    chance.shuffle(values)
    for value in values:
        chance.shuffle(devices)
        yield from (Wish(device, value) for device in devices)


class People:
    def __init__(self, channel: Channel, http: aiohttp.ClientSession, urls: list[str], queries: dict[int, str]) -> None:
        self._channel = channel
        self._http = http
        self._urls = cycle(urls)
        self._queries = queries
        self._clock = SystemClock()

    async def by_api(self, wish: Wish) -> str:
        device = wish.device
        where = f"{next(self._urls)}/{ROUTES[device.kind]}?{self._queries[device.room_number]}"
        try:
            async with self._http.get(f"{where}&percentage={wish.value}") as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return "unsure"
        return {200: "answered", 202: "accepted", 503: "unsure", 500: "unsure"}.get(answer.status, "answered")

    async def by_topic(self, wish: Wish) -> str:
        at = self._clock.real()
        device = wish.device
        command = Command(
            at=at,
            device_id=device.device_id,
            gateway_id=device.gateway_id,
            point=POINTS[device.kind],
            value=wish.value,
            expires_at=at + COMMAND_LIFE_MS,
            origin=Origin(kind="user", name="faults"),
        )
        return await self._published(self._channel.codec.encode(command))

    async def as_in_2020(self, wish: Wish) -> str:
        device = wish.device
        name = {"bloc": device.bloc, "floor": device.floor} if device.type == "knx" else {"node_id": device.node_id}
        value = msgspec.json.encode({**name, "percentage": str(wish.value)})
        return await self._published(Outgoing(device.type, KEYS[device.kind], value))

    async def _published(self, record: Outgoing) -> str:
        try:
            await self._channel.bus.publish([record])
        except Unavailable:
            return "unsure"
        return "accepted"

    async def give(self, number: int, wish: Wish, file: TextIO) -> None:
        how, way = (
            ("api", self.by_api),
            ("topic", self.by_topic),
            ("api", self.by_api),
            ("2020", self.as_in_2020),
        )[number % 4]
        fate = await way(wish)
        file.write(f"{how} {fate} {wish.device.device_id} {POINTS[wish.device.kind]} {wish.value}\n")


async def main(servers: str, rate: float, file: TextIO, building: Path, urls: list[str]) -> None:
    configure(LogSettings(level="warning"))
    bus = KafkaBus({"bootstrap.servers": servers}, SystemClock())
    await bus.start()
    channel, ending = Channel(bus, DeviceIndex()), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    following = asyncio.create_task(channel.follow_devices())
    await channel.devices.complete()
    devices = sorted((one for one in channel.devices if one.kind in POINTS), key=lambda one: one.device_id)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as tasks:
        people = People(channel, http, urls, beacons(load_plan(building)))
        for number, wish in enumerate(wishes(devices, 1)):
            if ending.is_set():
                break
            tasks.create_task(people.give(number, wish, file))
            await asyncio.sleep(1 / rate)
    following.cancel()
    await asyncio.wait([following])
    await bus.stop()


if __name__ == "__main__":
    with open(sys.argv[3], "a", buffering=1) as lines:
        asyncio.run(main(sys.argv[1], float(sys.argv[2]), lines, Path(sys.argv[4]), sys.argv[5:]))
