"""The building in the tables: read as a plan, and brought to a new one by an import."""

import time

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.building.changes import PlanChange, with_modes
from insula.building.changes import difference as difference
from insula.building.export import export_text
from insula.building.model import BeaconPlan, BuildingPlan, DevicePlan, GatewayPlan, RoomPlan
from insula.building.rules import load_ruleset
from insula.building.rules_text import export_ruleset
from insula.errors import RuleError
from insula.messages import BuildingSettings, Mode, RuleSet
from insula.store.audit import Entry, note
from insula.store.changes import add_change
from insula.store.devices import device_rows, to_struct
from insula.store.engine import Store
from insula.store.hands import building_mode, own_modes, write_modes
from insula.store.importing import RULES, write_plan
from insula.store.rule_versions import Version, add_version, edited_rules, find_version, forget_edit
from insula.store.tables import Beacon, Building, Device, Gateway, Room, Site
from insula.store.values import get_value


async def stored_plan(store: Store) -> BuildingPlan:
    """The building as it is now; without a site, gateways or rooms before the first import."""
    async with store.read() as connection:
        return await read_plan(connection)


async def import_plan(
    store: Store, plan: BuildingPlan, at: int | None = None, *, mode: Mode = "active", entry: Entry | None = None
) -> list[PlanChange]:
    """Bring the building to ``plan`` in one transaction, with a row for the directory; the changes made.

    Devices are known again by gateway and source: they keep their ids. ``at``: ms, real time; None: now. ``mode``: of a
    building that was not there before, if the plan says nothing of it. Rules that the plan changes are in force in
    place of those edited by hand. ``entry``: of the audit.
    """
    async with store.write(alone=True) as connection:
        await note(connection, entry)
        return await bring_plan(connection, plan, time.time_ns() // 1_000_000 if at is None else at, mode)


async def bring_plan(connection: AsyncConnection, plan: BuildingPlan, at: int, mode: Mode) -> list[PlanChange]:
    """As ``import_plan``, in a write that is ``alone``."""
    current = await read_plan(connection)
    changes = difference(plan, current)
    if changes:
        await write_plan(connection, plan)
        await write_modes(connection, with_modes(plan, current), mode)
        if not current.site or (plan.settings.rules, plan.rules) != (current.settings.rules, current.rules):
            await _bring_rules(connection, plan, at)
        await add_change(connection, f"import: {len(changes)} changes", at)
    return changes


async def _bring_rules(connection: AsyncConnection, plan: BuildingPlan, at: int) -> None:
    """A set of another version of this program is told by the directory, if there is none of that name."""
    await forget_edit(connection)
    try:
        ruleset = plan.rules or load_ruleset(plan.settings.rules)
    except RuleError:
        return
    await add_version(connection, ruleset, export_ruleset(ruleset), "import", at)


async def export_plan(store: Store) -> str:
    """The building as the text of a building file; empty before the first import."""
    plan = await stored_plan(store)
    return export_text(plan) if plan.site else ""


async def read_plan(connection: AsyncConnection) -> BuildingPlan:
    query = select(Site.c.name.label("site_name"), Building).join_from(Building, Site, Building.c.site == Site.c.id)
    row = (await connection.execute(query)).first()
    if row is None:
        return BuildingPlan(site="")
    settings = to_struct(row, BuildingSettings)
    return BuildingPlan(
        site=row.site_name,
        mode=await building_mode(connection),
        settings=settings,
        rules=await read_rules(connection),
        gateways=await read_gateways(connection),
        rooms=await _rooms(connection),
    )


async def read_gateways(connection: AsyncConnection) -> tuple[GatewayPlan, ...]:
    """All gateways, by id."""
    rows = await connection.execute(select(Gateway).order_by(Gateway.c.id))
    return tuple(GatewayPlan(id=row.id, type=row.type, default=row.is_default, options=row.options) for row in rows)


async def read_settings(connection: AsyncConnection) -> BuildingSettings:
    """What topic ``state`` says of the building; the defaults before the first import."""
    row = (await connection.execute(select(Building))).first()
    return BuildingSettings() if row is None else to_struct(row, BuildingSettings)


async def read_rules(connection: AsyncConnection) -> RuleSet | None:
    """The rules of a file, as they were at the last import; None if the building has a set that comes with Insula."""
    return msgspec.convert(await get_value(connection, RULES), RuleSet | None)


async def _rooms(connection: AsyncConnection) -> tuple[RoomPlan, ...]:
    devices: dict[int, list[DevicePlan]] = {}
    for row in await connection.execute(device_rows().order_by(None).order_by(Device.c.room, Device.c.place)):
        devices.setdefault(row.room_id, []).append(to_struct(row, DevicePlan))
    beacons: dict[int, list[BeaconPlan]] = {}
    for row in await connection.execute(select(Beacon).order_by(Beacon.c.id)):
        beacons.setdefault(row.room, []).append(BeaconPlan(uuid=row.uuid, major=row.major, minor=row.minor))
    modes = await own_modes(connection)
    return tuple(
        RoomPlan(
            number=row.number,
            floor=row.floor,
            name=row.name,
            tags=tuple(row.tags),
            mode=modes.get(row.id),
            hand_hold_s=row.hand_hold_s,
            empty_hold_s=row.empty_hold_s,
            beacons=tuple(beacons.get(row.id, ())),
            devices=tuple(devices.get(row.id, ())),
        )
        for row in await connection.execute(select(Room).order_by(Room.c.id))
    )


async def rules_in_force(store: Store) -> Version:
    """Edited by hand, or else the building file's. Raises RuleError when it names a set that does not exist."""
    async with store.read() as connection:
        edited = await edited_rules(connection)
        if edited is not None:
            return edited
        ruleset = await read_rules(connection) or load_ruleset((await read_settings(connection)).rules)
        known = await find_version(connection, ruleset.version)
    return known or Version(0, ruleset, export_ruleset(ruleset), "", 0)
