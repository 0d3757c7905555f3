"""The demo building with fake field buses below and HTTP above: what the flow tests of the API live in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from insula.api.app import Api, create_api
from insula.api.commands import ANSWER_WITHIN_S
from insula.building.demo import demo_building
from insula.building.file import parse_plan
from insula.building.rules import load_ruleset
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import ManualClock, settle
from insula.directory.directory import Directory
from insula.gateways.fake import FakeFieldBus
from insula.gateways.run import GatewayRunner
from insula.messages import DeviceRecord
from insula.recorder.recorder import Recorder
from insula.store.building import import_plan
from insula.store.engine import Store
from insula.store.tables import Log

UUID = "b9407f30-f5f8-466e-aff9-25556b57fe6d"
ROOM_1 = {"uuid": UUID, "major": "17644", "minor": "12302"}
ROOM_2 = {"uuid": UUID, "major": "17644", "minor": "31456"}


@dataclass
class House:
    """``knx`` and ``zwave`` are the far sides of the demo's two gateways."""

    clock: ManualClock
    store: Store
    channel: Channel
    knx: FakeFieldBus
    zwave: FakeFieldBus
    api: Api
    http: httpx.AsyncClient
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def device(self, room_number: int, point: str) -> DeviceRecord:
        """The device of that room which has that point."""
        return next(d for d in self.channel.devices if d.room_number == room_number and d.point(point))

    def bus_of(self, device: DeviceRecord) -> FakeFieldBus:
        return self.knx if device.type == "knx" else self.zwave

    async def measure(self, room_number: int, point: str, value: float) -> DeviceRecord:
        """The device of that room reports a value, and all parts have heard of it."""
        device = self.device(room_number, point)
        self.bus_of(device).press(device.device_id, point, value)
        await settle()
        return device

    async def recorded(self, value: float) -> None:
        """Log holds that value: the database writes in a thread of its own."""
        async with asyncio.timeout(10):
            while not await self._in_log(value):
                await self.clock.advance(0.5)

    async def _in_log(self, value: float) -> bool:
        async with self.store.read() as connection:
            return await connection.scalar(select(Log.c.device).where(Log.c.value == value).limit(1)) is not None

    async def get(self, route: str, beacon: Mapping[str, str] = ROOM_1, **query: object) -> httpx.Response:
        async with asyncio.timeout(20):
            return await self.http.get(route, params={**beacon} | {key: str(value) for key, value in query.items()})

    async def get_late(self, route: str, **query: object) -> httpx.Response:
        """The answer to a request that no gateway answers in time; the database writes it down in a thread first."""
        request = asyncio.create_task(self.get(route, **query))
        async with asyncio.timeout(10):
            while not self.api.commands._waiting:
                await asyncio.sleep(0)
        await settle(200)
        assert not request.done()
        await self.clock.advance(ANSWER_WITHIN_S)
        return await request

    async def in_the_end(self, asking: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
        """The answer to a request that waits for what does not come. Time goes on until it is there: before it waits,
        the database writes in a thread, and how long that takes nobody knows."""
        request = asyncio.create_task(asking)
        async with asyncio.timeout(20):
            while not request.done():
                await self.clock.advance(0.5)
        return request.result()


def console(api: Api) -> dict[str, str]:
    """Of requests from this machine's command line."""
    return {"Authorization": f"Bearer {api.people.console}"}


@asynccontextmanager
async def house(
    folder: Path, clock: ManualClock, text: str | None = None, lay: Callable[[Store], Awaitable[None]] | None = None
) -> AsyncIterator[House]:
    """The building of that file (default: the demo's), imported, or as ``lay`` puts it into the database; its parts
    running and connected."""
    store = Store(f"sqlite:///{folder / 'insula.db'}")
    await store.start()
    if lay is not None:
        await lay(store)
    else:
        await import_plan(store, parse_plan(text or demo_building()))
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    api = create_api(channel, store, clock)
    knx, zwave = FakeFieldBus(), FakeFieldBus(concurrent=8)
    transport = httpx.ASGITransport(app=api.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://insula", headers=console(api)) as http:
        it = House(clock, store, channel, knx, zwave, api, http)
        await api.places.load()
        it.tasks = [asyncio.create_task(work, name=name) for name, work in _parts(it)]
        await asyncio.wait_for(_ready(it), 10)
        try:
            yield it
        finally:
            for task in it.tasks:
                task.cancel()
            await asyncio.gather(*it.tasks, return_exceptions=True)
    await bus.stop()
    await store.stop()


def _parts(it: House) -> list[tuple[str, Coroutine[Any, Any, None]]]:
    return [
        ("devices", it.channel.follow_devices()),
        ("api", it.api.run()),
        ("recorder", Recorder(it.channel, it.store, it.clock, run="test").run()),
        ("knx", GatewayRunner("knx", "knx", it.knx, it.channel, it.clock).run()),
        ("zwave", GatewayRunner("zwave", "zwave", it.zwave, it.channel, it.clock).run()),
        ("directory", Directory(it.channel, it.store, it.clock, rules=load_ruleset).run()),
    ]


async def _ready(it: House) -> None:
    """The gateways serve the devices; and who the console is has been looked up, with the rights that the directory
    tells: no later request waits for the database to know it."""
    await it.channel.devices.complete()
    while not (it.knx.served and it.zwave.served) or it.api.board.rights < 0:
        await asyncio.sleep(0)
    await it.http.get("/api/v1/session")
    await settle()
