"""The database as every other part sees it: devices on topic ``db``; settings, gateways and rules on ``state``."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.building.rules import is_file
from insula.bus.channel import END_OF_DEVICES, Channel
from insula.bus.health import tell_health
from insula.bus.keys import SHADOW_KEY, gateway_key, room_key
from insula.bus.port import Outgoing
from insula.clock import Clock
from insula.errors import InputError, Unavailable
from insula.messages import (
    BuildingSettings,
    DeviceRecord,
    GatewayRecord,
    Health,
    RightsVersion,
    RoomRecord,
    RuleSet,
    ShadowRules,
)
from insula.store.building import read_gateways, read_rules, read_settings
from insula.store.changes import latest_change
from insula.store.devices import list_devices, removed_devices
from insula.store.engine import Store
from insula.store.hands import read_rooms
from insula.store.permissions import rights_version
from insula.store.rule_versions import edited_rules, shadow_rules
from insula.store.state import load_state

log = structlog.get_logger("insula.directory")

DB = ("db", 0)
OURS = (gateway_key(""), "room/", SHADOW_KEY)
"""Keys of topic ``state`` that are gone with what they are of."""


@dataclass(frozen=True, slots=True)
class View:
    """The building at one change of the database. ``edited``: rules that were put in force by hand; ``rules``: those
    of a file; ``shadow``: those that are only tried; ``removed``: devices that were in it before; ``former``: keys that
    topic ``state`` may still hold."""

    change: int
    settings: BuildingSettings
    edited: RuleSet | None
    rules: RuleSet | None
    shadow: ShadowRules | None
    rooms: tuple[RoomRecord, ...]
    gateways: tuple[GatewayRecord, ...]
    former: frozenset[str]
    devices: tuple[DeviceRecord, ...]
    removed: frozenset[int]
    rights: RightsVersion

    @property
    def keys(self) -> frozenset[str]:
        """Those of its gateways, rooms and shadow rules on topic ``state``."""
        shadow = () if self.shadow is None else (SHADOW_KEY,)
        rooms = (room_key(room.room_id) for room in self.rooms)
        return frozenset((*shadow, *rooms, *(gateway_key(gateway.id) for gateway in self.gateways)))


class Directory:
    """Publishes the building at start and after each change. ``rules``: a set that comes with Insula by its
    name, raises InputError; ``poll_s``: how often it looks for changes (real time)."""

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
        self._end = 0
        """Where ``db`` ends if nobody else writes on it."""
        self._why = ""
        self._failure = ""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(tell_health(self._channel, self._clock, self._health))
            while True:
                try:
                    await self.look()
                    self._failure = ""
                except Unavailable as error:
                    self._failure = str(error)
                    log.error("not published; trying again", why=str(error))
                await self._clock.real_sleep(self._poll_s)

    async def look(self) -> None:
        """Publish the building if it has changed since the last time, or if somebody else has written on ``db``: a
        directory that was halted in the middle may have gone on with an old list after ours."""
        async with self._store.read() as connection:
            change = await latest_change(connection)
            unchanged = self._published is not None and self._published.change == change
            if unchanged and (await self._channel.bus.end_positions([DB[0]]))[DB] == self._end:
                return
            view = await self._view(connection, change)
        await self._publish(view)
        self._published = view
        log.info("building published", devices=len(view.devices), gateways=len(view.gateways), change=change)

    async def _view(self, connection: AsyncConnection, change: int) -> View:
        gateways = [GatewayRecord(**msgspec.structs.asdict(plan)) for plan in await read_gateways(connection)]
        kept = {key for key in await load_state(connection) if key.startswith(OURS)}
        before = self._published.keys if self._published is not None else frozenset()
        edited = await edited_rules(connection)
        shadow = await shadow_rules(connection)
        view = View(
            change=change,
            settings=await read_settings(connection),
            edited=edited.ruleset if edited is not None else None,
            rules=await read_rules(connection),
            shadow=ShadowRules(ruleset=shadow.ruleset) if shadow is not None else None,
            rooms=tuple(await read_rooms(connection)),
            gateways=tuple(gateways),
            former=frozenset(),
            devices=tuple(await list_devices(connection)),
            removed=frozenset(await removed_devices(connection)),
            rights=RightsVersion(version=await rights_version(connection)),
        )
        return replace(view, former=frozenset(kept | before) - view.keys)

    async def _publish(self, view: View) -> None:
        """Rooms go first: nobody may drive one before it is known that it is only observed."""
        shadow = () if view.shadow is None else (view.shadow,)
        rules = (*self._rules_of(view), *shadow)
        await self._channel.send(*view.rooms, view.settings, view.rights, *rules, *view.gateways)
        for key in view.former:
            await self._channel.forget("state", key)
        if not await self._devices_stand(view):
            await self._publish_devices(view)

    async def _devices_stand(self, view: View) -> bool:
        """Whether the list on ``db`` is ours, and as it is to be."""
        before = self._published
        if before is None or (before.devices, before.removed) != (view.devices, view.removed):
            return False
        return (await self._channel.bus.end_positions([DB[0]]))[DB] == self._end

    def _rules_of(self, view: View) -> list[RuleSet]:
        """None when the set cannot be used: the rules that are in force stay so."""
        self._why = ""
        try:
            return [self._ruleset(view)]
        except InputError as error:
            self._why = f"rules {view.settings.rules}: {error}"
            log.error("rules not published", name=view.settings.rules, why=str(error))
            return []

    def _ruleset(self, view: View) -> RuleSet:
        """A set that comes with Insula is taken from this program, which may be newer than the last import."""
        if view.edited is not None:
            return view.edited
        if not is_file(view.settings.rules):
            return self._rules(view.settings.rules)
        if view.rules is None:
            raise InputError("not in the database: import the building file again")
        return view.rules

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
        self._end = first + len(view.devices) + 1 + len(gone)

    async def _health(self) -> Health:
        view, why = self._published, self._failure or self._why
        return Health(
            part="directory",
            instance=self._instance,
            at=self._clock.real(),
            status="degraded" if why else "ok",
            why=why,
            counters={"devices": len(view.devices), "change": view.change} if view is not None else {},
        )
