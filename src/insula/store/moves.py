"""What devices told of their moves: that a command arrived, or that somebody drove them at the wall."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.messages import Origin, Reading
from insula.store import tables

ID_LENGTH, TEXT_LENGTH = 64, 200


@dataclass(frozen=True, slots=True)
class MoveIn:
    """``begins``: it is the first that is heard of a press at the wall."""

    reading: Reading
    room_id: int | None
    begins: bool


@dataclass(frozen=True, slots=True)
class Move:
    """A device told that a point has this value (ms, building's clock). ``origin``: of the reading."""

    timestamp: int
    device_id: int
    point: str
    value: float
    origin: Origin


@dataclass(frozen=True, slots=True)
class MoveRow:
    """A move with the id of its reading and its room."""

    id: str
    room_id: int | None
    move: Move


def move_row(move: MoveIn) -> dict[str, Any]:
    reading = move.reading
    return {
        "id": reading.id[:ID_LENGTH],
        "timestamp": reading.measured_at,
        "room": move.room_id,
        "device": reading.device_id,
        "point": reading.point[:ID_LENGTH],
        "value": reading.value,
        "cause": (reading.origin.cause or reading.id)[:ID_LENGTH],
        "begins": move.begins,
        "origin_kind": reading.origin.kind,
        "origin_name": reading.origin.name[:TEXT_LENGTH],
    }


async def moves_of(connection: AsyncConnection, causes: Sequence[str]) -> dict[str, list[Move]]:
    """By command or press, what was told because of it, in order of time."""
    table = tables.Move
    found: dict[str, list[Move]] = {}
    for row in await connection.execute(select(table).where(table.c.cause.in_(causes)).order_by(table.c.timestamp)):
        origin = Origin(kind=row.origin_kind, name=row.origin_name, cause=row.cause)
        found.setdefault(row.cause, []).append(Move(row.timestamp, row.device, row.point, row.value, origin))
    return found


async def moves_between(connection: AsyncConnection, start: int, end: int) -> list[MoveRow]:
    """``start <= timestamp < end`` (ms), in order."""
    table = tables.Move
    query = select(table).where(table.c.timestamp >= start, table.c.timestamp < end).order_by(table.c.timestamp)
    found = []
    for row in await connection.execute(query):
        origin = Origin(kind=row.origin_kind, name=row.origin_name, cause=row.cause)
        found.append(MoveRow(row.id, row.room, Move(row.timestamp, row.device, row.point, row.value, origin)))
    return found
