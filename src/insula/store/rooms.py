"""Rooms, and which room a device of 2020's names is in."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.store.tables import Device, Gateway, KnxNode, Room


@dataclass(frozen=True, slots=True)
class RoomRow:
    id: int
    number: int
    floor: int
    name: str


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
