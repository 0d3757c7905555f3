"""Hands off: which rooms are only observed. A room has the building's mode, unless it was given one of its own; who
sets the building's or a floor's sets that of all its rooms."""

from typing import Any

import msgspec
from sqlalchemy import Select, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.building.model import BuildingPlan
from insula.messages import Mode, RoomRecord
from insula.store.audit import Entry, note
from insula.store.changes import add_change
from insula.store.devices import to_struct
from insula.store.engine import Store
from insula.store.tables import Building, Room, RoomMode
from insula.store.values import get_value, put_value

MODE = "mode"
"""The named value that holds the building's mode."""


class Scope(msgspec.Struct, frozen=True):
    """A room or a floor by its number; neither: the whole building."""

    room: int | None = None
    floor: int | None = None

    def holds(self, room: RoomRecord) -> bool:
        if self.room is not None:
            return room.number == self.room
        return self.floor is None or room.floor == self.floor

    def __str__(self) -> str:
        if self.room is not None:
            return f"room {self.room}"
        return "the building" if self.floor is None else f"floor {self.floor}"


async def set_mode(
    store: Store, mode: Mode, scope: Scope, by: str, at: int, entry: Entry | None = None
) -> list[RoomRecord]:
    """Give the rooms of the scope this mode; they, as they are then. ``at``: ms, real time; ``entry``: of the audit.
    Empty: there is no such room or floor, and nothing was changed."""
    async with store.write(alone=True) as connection:
        rooms = [room for room in await read_rooms(connection) if scope.holds(room)]
        if not rooms and scope != Scope():
            return []
        await _write(connection, mode, scope, [room.room_id for room in rooms])
        await note(connection, entry)
        await add_change(connection, f"mode: {scope} {mode}, by {by or 'somebody'}", at)
    return [msgspec.structs.replace(room, mode=mode) for room in rooms]


async def building_mode(connection: AsyncConnection) -> Mode:
    """Of the rooms that have none of their own. A building that was there before there were modes is active."""
    mode: Mode = msgspec.convert(await get_value(connection, MODE) or "active", Mode)
    return mode


async def own_modes(connection: AsyncConnection) -> dict[int, Mode]:
    """By room's id, of those that were given one of their own."""
    return {row.room: row.mode for row in await connection.execute(select(RoomMode))}


async def write_modes(connection: AsyncConnection, plan: BuildingPlan, default: Mode) -> None:
    """As the plan says; ``default``: of a building of which it says nothing."""
    await put_value(connection, MODE, plan.mode or default)
    await connection.execute(delete(RoomMode))
    ids = {row.number: row.id for row in await connection.execute(select(Room.c.number, Room.c.id))}
    own = [{"room": ids[room.number], "mode": room.mode} for room in plan.rooms if room.mode is not None]
    if own:
        await connection.execute(insert(RoomMode), own)


async def read_rooms(connection: AsyncConnection) -> list[RoomRecord]:
    """What topic ``state`` says of each room."""
    mode = await building_mode(connection)
    records = [to_struct(row, RoomRecord) for row in await connection.execute(_rooms())]
    own = await own_modes(connection)
    return [msgspec.structs.replace(record, mode=own.get(record.room_id, mode)) for record in records]


def _rooms() -> Select[Any]:
    columns = (Room.c.id.label("room_id"), Room.c.number, Room.c.name, Room.c.floor, Building.c.name.label("building"))
    own = (Room.c.tags, Room.c.hand_hold_s, Room.c.empty_hold_s)
    return select(*columns, *own).join_from(Room, Building, Room.c.building == Building.c.id).order_by(Room.c.id)


async def _write(connection: AsyncConnection, mode: Mode, scope: Scope, rooms: list[int]) -> None:
    if scope == Scope():
        await connection.execute(delete(RoomMode))
        await put_value(connection, MODE, mode)
        return
    await connection.execute(delete(RoomMode).where(RoomMode.c.room.in_(rooms)))
    await connection.execute(insert(RoomMode), [{"room": room, "mode": mode} for room in rooms])
