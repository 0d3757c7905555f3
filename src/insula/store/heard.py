"""What the controller hears beside what Log and the results hold: values that become stale, rules, rooms, lessons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.store import tables

START, QUALITY, LEASE_END = "start", "quality", "lease_end"
"""Keys of what is not on topic ``state``: a process with all parts began; a value counts less or more than before;
somebody wanted a lease over."""


@dataclass(frozen=True, slots=True)
class HeardIn:
    """``timestamp``: when (ms, building's clock); ``key``: of topic ``state``, or one of those above; ``value``: as on
    the bus, empty: a tombstone; ``room_id``: None: it is of the whole building."""

    id: str
    timestamp: int
    key: str
    value: bytes
    room_id: int | None = None


def heard_row(heard: HeardIn) -> dict[str, Any]:
    return {
        "id": heard.id,
        "timestamp": heard.timestamp,
        "key": heard.key,
        "room": heard.room_id,
        "value": heard.value,
    }


async def heard_between(connection: AsyncConnection, start: int, end: int) -> list[HeardIn]:
    """``start <= timestamp < end`` (ms), in order; and before them, for each key of topic ``state``, the last value
    that it had at ``start``."""
    table = tables.Heard
    of_state = table.c.key.notin_((START, QUALITY, LEASE_END))
    latest = (
        select(table.c.key, func.max(table.c.timestamp).label("at"))
        .where(table.c.timestamp < start, of_state)
        .group_by(table.c.key)
        .subquery()
    )
    before = select(table).join(latest, (table.c.key == latest.c.key) & (table.c.timestamp == latest.c.at))
    within = select(table).where(table.c.timestamp >= start, table.c.timestamp < end)
    return [
        *_read((await connection.execute(before.order_by(table.c.place))).all()),
        *_read((await connection.execute(within.order_by(table.c.timestamp, table.c.place))).all()),
    ]


def _read(rows: Sequence[Any]) -> list[HeardIn]:
    return [HeardIn(row.id, row.timestamp, row.key, bytes(row.value), row.room) for row in rows]
