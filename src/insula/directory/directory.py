"""The database as every other part sees it: devices on topic ``db``; settings, gateways and rules on ``state``."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.bus.channel import END_OF_DEVICES, Channel
from insula.bus.keys import gateway_key
from insula.bus.port import Outgoing
from insula.clock import Clock
from insula.errors import InputError, Unavailable
from insula.messages import BuildingSettings, DeviceRecord, GatewayRecord, Health, RuleSet
from insula.store.building import read_gateways, read_settings
from insula.store.changes import latest_change
from insula.store.devices import list_devices, removed_devices
from insula.store.engine import Store
from insula.store.state import load_state

log = structlog.get_logger("insula.directory")

DB = ("db", 0)
GATEWAY = gateway_key("")
HEALTH_S = 5.0


@dataclass(frozen=True, slots=True)
class View:
    """The building at one change of the database. ``removed``: devices that were in it before;
    ``former_gateways``: ids that topic ``state`` may still hold."""

    change: int
    settings: BuildingSettings
    gateways: tuple[GatewayRecord, ...]
    former_gateways: frozenset[str]
    devices: tuple[DeviceRecord, ...]
    removed: frozenset[int]


class Directory:
    """Publishes the building at start and after each change. ``rules``: a set of rules by its name, raises
    InputError; ``poll_s``: how often it looks for changes (real time)."""

    def __init__(
        self,
        channel: Channel,
        store: Store,
        clock: Clock,
        *,
        rules: Callable[[str], RuleSet],
        poll_s: float = 0.5,
        instance: str = "1",
    ) -> None:
        self._channel = channel
        self._store = store
        self._clock = clock
        self._rules = rules
        self._poll_s = poll_s
        self._instance = instance
        self._published: View | None = None
        self._why = ""
        self._failure = ""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._report_health())
            while True:
                try:
                    await self.look()
                    self._failure = ""
                except Unavailable as error:
                    self._failure = str(error)
                    log.error("not published; trying again", why=str(error))
                await self._clock.real_sleep(self._poll_s)

    async def look(self) -> None:
        """Publish the building if it has changed since the last time."""
        async with self._store.read() as connection:
            change = await latest_change(connection)
            if self._published is not None and self._published.change == change:
                return
            view = await self._view(connection, change)
        await self._publish(view)
        self._published = view
        log.info("building published", devices=len(view.devices), gateways=len(view.gateways), change=change)

    async def _view(self, connection: AsyncConnection, change: int) -> View:
        gateways = [GatewayRecord(**msgspec.structs.asdict(plan)) for plan in await read_gateways(connection)]
        kept = {key.removeprefix(GATEWAY) for key in await load_state(connection) if key.startswith(GATEWAY)}
        before = {gateway.id for gateway in self._published.gateways} if self._published is not None else set()
        return View(
            change=change,
            settings=await read_settings(connection),
            gateways=tuple(gateways),
            former_gateways=frozenset((kept | before) - {gateway.id for gateway in gateways}),
            devices=tuple(await list_devices(connection)),
            removed=frozenset(await removed_devices(connection)),
        )

    async def _publish(self, view: View) -> None:
        await self._channel.send(view.settings, *self._rules_of(view.settings), *view.gateways)
        for gateway_id in view.former_gateways:
            await self._channel.forget("state", gateway_key(gateway_id))
        await self._publish_devices(view)

    def _rules_of(self, settings: BuildingSettings) -> list[RuleSet]:
        """None when the set cannot be used: the rules that are in force stay so."""
        self._why = ""
        try:
            return [self._rules(settings.rules)]
        except InputError as error:
            self._why = f"rules {settings.rules}: {error}"
            log.error("rules not published", name=settings.rules, why=str(error))
            return []

    async def _publish_devices(self, view: View) -> None:
        """The full list, the marker, tombstones; then all that was before the list goes.

        Consumers of 2020 stop at the marker and choke on a tombstone before it.
        """
        bus = self._channel.bus
        first = (await bus.end_positions([DB[0]]))[DB]
        await self._channel.send(*view.devices)
        gone = [Outgoing("db", str(device_id), None) for device_id in sorted(view.removed)]
        await bus.publish([Outgoing("db", END_OF_DEVICES, b"{}"), *gone])
        await bus.delete_before({DB: first})

    async def _report_health(self) -> None:
        while True:
            view, why = self._published, self._failure or self._why
            await self._channel.send(
                Health(
                    part="directory",
                    instance=self._instance,
                    at=self._clock.real(),
                    status="degraded" if why else "ok",
                    why=why,
                    counters={"devices": len(view.devices), "change": view.change} if view is not None else {},
                )
            )
            await self._clock.real_sleep(HEALTH_S)
