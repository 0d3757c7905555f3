"""Rooms, and which room a device of 2020's names is in."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.store.tables import Building, Device, Gateway, KnxNode, Room, Site


@dataclass(frozen=True, slots=True)
class RoomRow:
    id: int
    number: int
    floor: int
    name: str


@dataclass(frozen=True, slots=True)
class Located:
    """In which building of which site a room is."""

    site_id: int
    site: str
    building_id: int
    building: str


async def room_locations(connection: AsyncConnection) -> dict[int, Located]:
    """By the room's id."""
    query = (
        select(Room.c.id, Site.c.id, Site.c.name, Building.c.id, Building.c.name)
        .join_from(Room, Building, Room.c.building == Building.c.id)
        .join(Site, Site.c.id == Building.c.site)
    )
    return {room: Located(*where) for room, *where in await connection.execute(query)}


def _rooms() -> Select[Any]:
    return select(Room.c.id, Room.c.number, Room.c.floor, Room.c.name)


async def list_rooms(connection: AsyncConnection) -> list[RoomRow]:
    """All rooms, by floor and number."""
    return [RoomRow(*row) for row in await connection.execute(_rooms().order_by(Room.c.floor, Room.c.number))]


async def find_room(connection: AsyncConnection, number: int) -> RoomRow | None:
    """The room of that number; None if there is none."""
    row = (await connection.execute(_rooms().where(Room.c.number == number))).first()
    return None if row is None else RoomRow(*row)


async def room_of_knx(connection: AsyncConnection, kind: str, bloc: int, floor: int) -> RoomRow | None:
    """The room of the default KNX gateway's device with this name of 2020; None if there is none."""
    query = (
        _rooms()
        .join(Device, Device.c.room == Room.c.id)
        .join(KnxNode, KnxNode.c.device == Device.c.id)
        .join(Gateway, Gateway.c.id == Device.c.gateway)
        .where(Gateway.c.is_default, KnxNode.c.kind == kind, KnxNode.c.bloc == bloc, KnxNode.c.floor == floor)
    )
    row = (await connection.execute(query)).first()
    return None if row is None else RoomRow(*row)
