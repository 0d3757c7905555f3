"""The only place that joins parts: what runs in a process, and in which order it starts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog

from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import Clock, SystemClock
from insula.gateways.port import FieldBus
from insula.http import listen, serve
from insula.messages import GatewayRecord, new_id
from insula.settings import Settings
from insula.store.engine import Store

log = structlog.get_logger("insula")

PARTS = ("directory", "recorder", "history", "knx", "zwave", "controller", "api")
"""In one process they start in this order; none needs it."""


class Part(Protocol):
    async def run(self) -> None: ...


@dataclass
class Installation:
    """One process with its bus and its database. ``ready`` is set once HTTP answers."""

    settings: Settings
    clock: Clock
    store: Store
    bus: MemoryBus
    channel: Channel
    run_id: str = field(default_factory=new_id)
    port: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def make(self, name: str) -> Part:
        """The part of that name; only its own modules are imported."""
        return _MAKERS[name](self)

    async def run(self, parts: Iterable[str] = PARTS) -> None:
        """Run these parts until cancelled."""
        from insula.store.state import replay_state

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.channel.follow_devices(), name="devices")
            await replay_state(self.store, self.channel)
            for name in parts:
                tasks.create_task(self.make(name).run(), name=name)


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The database of these settings, migrated if need be; closed at the end."""
    Path(settings.data).mkdir(parents=True, exist_ok=True)
    store = Store(settings.database_url)
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


@asynccontextmanager
async def installation(settings: Settings, clock: Clock) -> AsyncIterator[Installation]:
    """The bus and the database, started; stopped at the end."""
    async with open_store(settings) as store:
        bus = MemoryBus(clock)
        await bus.start()
        try:
            yield Installation(settings, clock, store, bus, Channel(bus, DeviceIndex()))
        finally:
            await bus.stop()


async def run_parts(settings: Settings, parts: Iterable[str], ready: Callable[[Installation], None]) -> None:
    """Run these parts of the building until cancelled; ``ready`` is called once HTTP answers."""
    clock = SystemClock(settings.clock.speed, settings.clock.start_ms())
    async with installation(settings, clock) as at, asyncio.TaskGroup() as tasks:
        tasks.create_task(at.run(parts), name="parts")
        await at.ready.wait()
        ready(at)


# --- the parts


def _directory(at: Installation) -> Part:
    from insula.building.rules import load_ruleset
    from insula.directory.directory import Directory

    return Directory(at.channel, at.store, at.clock, rules=load_ruleset)


def _recorder(at: Installation) -> Part:
    from insula.recorder.recorder import Recorder

    return Recorder(at.channel, at.store, at.clock, every_s=at.settings.recorder.every_s, run=at.run_id)


def _history(at: Installation) -> Part:
    from insula.recorder.history import History

    return History(at.channel, at.store, at.clock, at.settings.history.by_tier())


def _controller(at: Installation) -> Part:
    from insula.controller.controller import Controller

    return Controller(at.channel, at.clock)


def _knx(at: Installation) -> Part:
    from insula.gateways.knx.gateway import KnxGateway
    from insula.gateways.supervisor import GatewaySupervisor

    def make(record: GatewayRecord) -> FieldBus:
        return KnxGateway(record.options, at.clock)

    return GatewaySupervisor("knx", make, at.channel, at.clock)


def _zwave(at: Installation) -> Part:
    from insula.gateways.supervisor import GatewaySupervisor
    from insula.gateways.zwave.gateway import ZwaveGateway

    def make(record: GatewayRecord) -> FieldBus:
        return ZwaveGateway(record.options, at.clock)

    return GatewaySupervisor("zwave", make, at.channel, at.clock)


def _api(at: Installation) -> Part:
    from insula.api.app import create_api

    return ApiServer(at, create_api(at.channel, at.store, at.clock))


@dataclass
class ApiServer:
    at: Installation
    api: Any

    async def run(self) -> None:
        await self.api.places.load()
        sock = listen(self.at.settings.api.host, self.at.settings.api.port)
        self.at.port = sock.getsockname()[1]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.api.run(), name="api")
            tasks.create_task(serve(self.api.app, sock, self.at.ready.set), name="http")


_MAKERS: dict[str, Callable[[Installation], Part]] = {
    "directory": _directory,
    "recorder": _recorder,
    "history": _history,
    "knx": _knx,
    "zwave": _zwave,
    "controller": _controller,
    "api": _api,
}
