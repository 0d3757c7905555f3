"""The only place that joins parts: what runs in a process, and in which order it starts."""

import asyncio
import fcntl
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from msgspec.structs import asdict

from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.port import Bus
from insula.clock import Clock, SystemClock
from insula.console import CONSOLE_FILE, console
from insula.errors import InputError, Unavailable
from insula.garbage import search_seldom
from insula.heartbeat import beating
from insula.messages import new_id
from insula.parts import MAKERS, Part
from insula.retry import begin_again
from insula.settings import Settings

if TYPE_CHECKING:  # a part that needs no database, or no HTTP, loads nothing of it
    from insula.api.provider import Provider
    from insula.api.radio import Radio
    from insula.store.engine import Store

log = structlog.get_logger("insula")

STORED = {"directory", "recorder", "history", "api"}
"""These alone need the database; and the in-memory bus, which begins from what was stored."""
PARTS = ("directory", "recorder", "history", "knx", "zwave", "controller", "alerts", "api")
"""In one process they start in this order; none needs it."""


@dataclass
class Installation:
    """One process with its bus and its database. ``ready`` is set once its parts run, and the API's HTTP answers."""

    settings: Settings
    clock: Clock
    database: "Store | None"
    """None: none of its parts needs it."""
    bus: Bus
    channel: Channel
    run_id: str = field(default_factory=new_id)
    """Positions on the bus mean something in this run of it alone; for Kafka: in this cluster."""
    http: socket.socket | None = None
    """Listening already, if the API is among the parts."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    new_admin: str = ""
    """The password of the administrator that was made at this start and given one; to be said once, in no log."""

    @property
    def store(self) -> "Store":
        if self.database is None:
            raise RuntimeError("these parts have no database")
        return self.database

    @property
    def port(self) -> int:
        return int(self.http.getsockname()[1]) if self.http is not None else 0

    @property
    def instance(self) -> str:
        """The name of this process in /health, among those of the same part."""
        return self.settings.instance or ("1" if self.settings.bus.kind == "memory" else socket.gethostname())

    def make(self, name: str) -> Part:
        """The part of that name; only its own modules are imported."""
        return _MAKERS[name](self)

    def address(self) -> str:
        """Where the API answers; empty: not here."""
        host = f"[{self.settings.api.host}]" if ":" in self.settings.api.host else self.settings.api.host
        return f"http://{host}:{self.port}" if self.port else ""

    async def _run_part(self, name: str) -> None:
        await self.make(name).run()

    async def run(self, parts: Collection[str] = PARTS) -> None:
        """Run these parts until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(begin_again("devices", self.channel.follow_devices, self.clock), name="devices")
            if self.settings.bus.kind == "memory":
                from insula.store.state import replay_state

                await replay_state(self.store, self.channel)
            for name in parts:
                tasks.create_task(begin_again(name, partial(self._run_part, name), self.clock), name=name)
            if "api" not in parts:
                self.ready.set()


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator["Store"]:
    """The database of these settings, migrated if need be; closed at the end."""
    from insula.store.engine import Store

    Path(settings.data).mkdir(parents=True, exist_ok=True)
    store = Store(settings.database_url)
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """The in-memory bus is for one process: a second one on this folder would drive the same devices. Unavailable."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"another Insula runs on {folder}") from None
        yield


@contextmanager
def listening(settings: Settings, parts: Iterable[str] = PARTS) -> Iterator[socket.socket | None]:
    """The API's socket, before anything else is begun. Raises InputError if its port is taken."""
    sock = None
    if "api" in parts:
        from insula.http import listen

        sock = listen(settings.api.host, settings.api.port)
    try:
        yield sock
    finally:
        if sock is not None:
            sock.close()


@asynccontextmanager
async def installation(
    settings: Settings, clock: Clock, http: socket.socket | None = None, parts: Collection[str] = PARTS
) -> AsyncIterator[Installation]:
    """The bus and, if one of these parts needs it, the database, started; stopped at the end."""
    in_memory = settings.bus.kind == "memory"
    alone = only_one(Path(settings.data)) if in_memory else nullcontext()
    stored = in_memory or not STORED.isdisjoint(parts)
    opened = open_store(settings) if stored else nullcontext()
    with alone:
        async with opened as store, open_bus(settings, clock) as (bus, run_id):
            yield Installation(settings, clock, store, bus, Channel(bus, DeviceIndex()), run_id, http)


@asynccontextmanager
async def open_bus(settings: Settings, clock: Clock) -> AsyncIterator[tuple[Bus, str]]:
    """The bus of these settings, once it is there, and the id of its run; stopped at the end."""
    if settings.bus.kind == "memory":
        from insula.bus.memory import MemoryBus

        bus: Bus = MemoryBus(clock)
        await bus.start()
        run_id = new_id()
    else:
        from insula.bus.kafka import KafkaBus

        bus = kafka = KafkaBus(settings.bus.client(), clock, session_timeout_s=settings.bus.session_timeout_s)
        await kafka.start()
        run_id = kafka.cluster_id
    try:
        yield bus, run_id
    finally:
        await bus.stop()


async def run_parts(settings: Settings, parts: Collection[str], ready: Callable[[Installation], None]) -> None:
    """Run these parts of the building until cancelled; ``ready`` is called once they run, and HTTP answers.
    InputError for a clock that would go back at the next start."""
    epoch, anchor = settings.clock.start()
    if anchor is None and (epoch is not None or settings.clock.speed != 1):
        raise InputError(
            "clock.epoch: give BUILDING@REAL, as `insula simulate` prints it: a restart goes on from there"
        )
    clock = SystemClock(settings.clock.speed, epoch, anchor)
    with listening(settings, parts) as http:
        async with (
            beating(settings.heartbeat) as heart,
            installation(settings, clock, http, parts) as at,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(at.run(parts), name="parts")
            await at.ready.wait()
            heart.ready = True
            search_seldom()
            ready(at)


# --- the API, which listens already


def _api(at: Installation) -> Part:
    from insula.access.presence import PresenceLimits
    from insula.api.app import create_api
    from insula.api.live.door import Limits
    from insula.api.options import ApiOptions

    settings, of = at.settings, at.settings.presence
    options = ApiOptions(
        open_legacy=settings.legacy_routes == "open",
        metrics_readers=settings.api.metrics_readers,
        presence=PresenceLimits(round(of.lease_s * 1000), round(of.guest_minutes * 60_000), of.audit_rooms),
        providers=_providers(at) if settings.openid else (),
        public_url=settings.api.public_url,
        live=Limits(settings.api.live_per_person, settings.api.live_per_address),
        origins=settings.api.origins,
        radio=_radio,
    )
    return ApiServer(at, create_api(at.channel, at.store, at.clock, at.instance, options))


def _providers(at: Installation) -> "list[Provider]":
    from insula.api.provider import Provider, ProviderSettings

    named = at.settings.openid.items()
    return [Provider(ProviderSettings(name=name, **asdict(of)), at.clock) for name, of in named]


def _radio() -> "Radio":
    from insula.gateways.zwave import inclusion

    return inclusion


@dataclass
class ApiServer:
    at: Installation
    api: Any

    async def run(self) -> None:
        await self.api.places.load()
        await self._first_admin()
        file = Path(self.at.settings.data) / CONSOLE_FILE
        with console(file, self.at.address(), self.api.people.console):
            await self._serve()

    async def _serve(self) -> None:
        from insula.http import serve

        assert self.at.http is not None, "the API listens before its part is made"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.api.run(), name="api")
            tasks.create_task(serve(self.api.asgi, self.at.http, self.at.ready.set), name="http")

    async def _first_admin(self) -> None:
        from insula.store.first_admin import first_admin

        given = self.at.settings.admin_password
        made = await first_admin(self.at.store, self.at.clock, given)
        self.at.new_admin = made if made != given else ""


_MAKERS: dict[str, Callable[[Installation], Part]] = {**MAKERS, "api": _api}
