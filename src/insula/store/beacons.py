"""Beacons, and the rooms they name."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.store.tables import Beacon, Room


@dataclass(frozen=True, slots=True)
class BeaconRow:
    """``uuid`` in lower case; uuid, major and minor together name the room."""

    uuid: str
    major: int
    minor: int
    room_id: int
    room_number: int


def _beacons() -> Select[Any]:
    columns = (Beacon.c.uuid, Beacon.c.major, Beacon.c.minor, Room.c.id, Room.c.number)
    return select(*columns).join_from(Beacon, Room, Beacon.c.room == Room.c.id)


async def list_beacons(connection: AsyncConnection) -> list[BeaconRow]:
    """All of them, in the order of the building file."""
    rows = await connection.execute(_beacons().order_by(Beacon.c.id))
    return [BeaconRow(*row) for row in rows]


async def find_beacon(connection: AsyncConnection, uuid: str, major: int, minor: int) -> BeaconRow | None:
    """The beacon of that name with its room; None if there is none."""
    named = (Beacon.c.uuid == uuid.lower()) & (Beacon.c.major == major) & (Beacon.c.minor == minor)
    row = (await connection.execute(_beacons().where(named))).first()
    return None if row is None else BeaconRow(*row)
