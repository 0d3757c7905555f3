"""Writing a building to the tables: what is there already keeps its id."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Table, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.building.model import BuildingPlan, DevicePlan
from insula.store.tables import Beacon, Building, Device, Gateway, KnxNode, Room, Site, ZwaveNode
from insula.store.values import put_value

Key = tuple[str, str]
"""A device's gateway and source."""
_ROOM = ("number", "floor", "name", "hand_hold_s", "empty_hold_s")
RULES = "rules"
"""The named value that holds the rules of a file."""


async def write_plan(connection: AsyncConnection, plan: BuildingPlan) -> None:
    building = await _write_building(connection, plan)
    await put_value(connection, RULES, msgspec.to_builtins(plan.rules))
    await _replace(
        connection,
        Gateway,
        (
            {"id": gateway.id, "type": gateway.type, "is_default": gateway.default, "options": gateway.options}
            for gateway in plan.gateways
        ),
    )
    rooms = await _write_rooms(connection, plan, building)
    await _replace(
        connection,
        Beacon,
        (
            {**msgspec.structs.asdict(beacon), "room": rooms[room.number]}
            for room in plan.rooms
            for beacon in room.beacons
        ),
    )
    ids = await _write_devices(connection, plan, rooms)
    await _write_nodes(connection, plan, ids)
    numbers = {room.number for room in plan.rooms}
    gone = [{"gone": id_} for number, id_ in rooms.items() if number not in numbers]
    if gone:
        await connection.execute(delete(Room).where(Room.c.id == bindparam("gone")), gone)


async def _replace(connection: AsyncConnection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    await connection.execute(delete(table))
    await _insert(connection, table, rows)


async def _insert(connection: AsyncConnection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    values = [dict(row) for row in rows]
    if values:
        await connection.execute(insert(table), values)


async def _write_building(connection: AsyncConnection, plan: BuildingPlan) -> int:
    """One building a database so far; the id of its row."""
    values = msgspec.structs.asdict(plan.settings)
    row = (await connection.execute(select(Building.c.id, Building.c.site))).first()
    if row is not None:
        await connection.execute(update(Site).where(Site.c.id == row.site).values(name=plan.site))
        await connection.execute(update(Building).where(Building.c.id == row.id).values(values))
        return int(row.id)
    await connection.execute(insert(Site).values(name=plan.site))
    site = select(Site.c.id).where(Site.c.name == plan.site).scalar_subquery()
    await connection.execute(insert(Building).values(site=site, **values))
    return int((await connection.execute(select(Building.c.id))).scalar_one())


async def _write_rooms(connection: AsyncConnection, plan: BuildingPlan, building: int) -> dict[int, int]:
    """Number to id, of the plan's rooms and of those that are to go."""
    before = await _room_ids(connection)
    rows = [
        {"building": building, "tags": list(room.tags), **{field: getattr(room, field) for field in _ROOM}}
        for room in plan.rooms
    ]
    await _insert(connection, Room, (row for row in rows if row["number"] not in before))
    changed = [{"id_": before[row["number"]], **row} for row in rows if row["number"] in before]
    if changed:
        statement = update(Room).where(Room.c.id == bindparam("id_"))
        values = {name: bindparam(name, type_=Room.c[name].type) for name in ("tags", *_ROOM[1:])}
        await connection.execute(statement.values(values), changed)
    return await _room_ids(connection)


async def _room_ids(connection: AsyncConnection) -> dict[int, int]:
    return {row.number: row.id for row in await connection.execute(select(Room.c.number, Room.c.id))}


async def _write_devices(connection: AsyncConnection, plan: BuildingPlan, rooms: Mapping[int, int]) -> dict[Key, int]:
    """Ids of the plan's devices. One that the plan does not name keeps its row without a room."""
    before = await _device_ids(connection)
    await connection.execute(update(Device).values(room=None))
    rows = [
        _device_row(device, rooms[room.number], place)
        for room in plan.rooms
        for place, device in enumerate(room.devices)
    ]
    await _insert(connection, Device, (row for row in rows if (row["gateway"], row["source"]) not in before))
    changed = [
        {"id_": before[row["gateway"], row["source"]], **row}
        for row in rows
        if (row["gateway"], row["source"]) in before
    ]
    if changed:
        columns = ("room", "kind", "place", "points", "options")
        values = {name: bindparam(name, type_=Device.c[name].type) for name in columns}
        await connection.execute(update(Device).where(Device.c.id == bindparam("id_")).values(values), changed)
    return await _device_ids(connection)


def _device_row(device: DevicePlan, room: int, place: int) -> dict[str, Any]:
    return {
        "room": room,
        "kind": device.type,
        "gateway": device.gateway_id,
        "source": device.source,
        "place": place,
        "points": msgspec.to_builtins(device.points),
        "options": device.options,
    }


async def _device_ids(connection: AsyncConnection) -> dict[Key, int]:
    rows = await connection.execute(select(Device.c.gateway, Device.c.source, Device.c.id))
    return {(gateway, source): id_ for gateway, source, id_ in rows}


async def _write_nodes(connection: AsyncConnection, plan: BuildingPlan, ids: Mapping[Key, int]) -> None:
    devices = [(ids[device.gateway_id, device.source], device) for room in plan.rooms for device in room.devices]
    in_a_room = select(Device.c.id).where(Device.c.room.is_not(None))
    for table, protocol, fields in (
        (KnxNode, "knx", ("kind", "bloc", "floor", "name")),
        (ZwaveNode, "zwave", ("kind", "node_id", "name")),
    ):
        await connection.execute(delete(table).where(table.c.device.in_(in_a_room)))
        rows = (
            {"device": id_, **{field: getattr(device, field) for field in fields}}
            for id_, device in devices
            if device.type == protocol
        )
        await _insert(connection, table, rows)
