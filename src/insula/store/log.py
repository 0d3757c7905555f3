"""Table Log: what was measured, and what is asked of it."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.building.statistics import Sample, mean
from insula.bus.wire import READINGS
from insula.points import role
from insula.store.tables import Beacon, Device, Log

REASONS = {action.point: action.reason for action in READINGS}
"""The reason that 2020 gave a role's values in Log; other roles go by their name."""


class LogRow(NamedTuple):
    """``timestamp``: when it was measured, ms UTC (building's clock); ``value`` in the unit of its role. A tuple:
    drivers take it as it is."""

    timestamp: int
    value: float
    reason: str
    device: int


def reason_of(role_name: str) -> str:
    return REASONS.get(role_name, role_name)


_INSERT = {
    "sqlite": """INSERT OR IGNORE INTO "Log" (timestamp, value, reason, device) VALUES (?, ?, ?, ?)""",
    # Not INSERT IGNORE: that passes over a device that is not there, too.
    "mysql": "INSERT INTO `Log` (timestamp, value, reason, device) VALUES (%s, %s, %s, %s) "
    "ON DUPLICATE KEY UPDATE device = device",
}
"""Many rows at once by the driver's own means: five times as fast as by an expression of SQLAlchemy's."""
_by_device = attrgetter("device")


async def add_log(connection: AsyncConnection, rows: Iterable[LogRow]) -> None:
    """Store these; a row that is there already (same device, reason and time) is passed over.

    In the order of devices: each is locked on MariaDB until the end, and an import locks them in this order too.
    """
    ordered = sorted(rows, key=_by_device)
    if ordered:
        await connection.exec_driver_sql(_INSERT[connection.dialect.name], ordered)


def _log(start: int, end: int) -> Select[Any]:
    columns = (Log.c.timestamp, Log.c.value, Log.c.reason, Log.c.device)
    return select(*columns).where(Log.c.timestamp >= start, Log.c.timestamp < end).order_by(Log.c.timestamp)


async def log_of_devices(
    connection: AsyncConnection, devices: Sequence[int], start: int, end: int, role_name: str | None = None
) -> list[LogRow]:
    """Rows of these devices with ``start <= timestamp < end`` (ms), in order; of one role if it is named."""
    query = _log(start, end).where(Log.c.device.in_(devices))
    if role_name is not None:
        query = query.where(Log.c.reason == reason_of(role_name))
    return [LogRow(*row) for row in await connection.execute(query)]


async def log_of_beacon(
    connection: AsyncConnection, uuid: str, major: int, minor: int, start: int = 0, end: int = 2**62
) -> list[LogRow]:
    """Rows of all devices of the beacon's room, in order."""
    query = (
        _log(start, end)
        .join(Device, Device.c.id == Log.c.device)
        .join(Beacon, Beacon.c.room == Device.c.room)
        .where(Beacon.c.uuid == uuid.lower(), Beacon.c.major == major, Beacon.c.minor == minor)
    )
    return [LogRow(*row) for row in await connection.execute(query)]


async def mean_of_room(connection: AsyncConnection, room_id: int, role_name: str, start: int, end: int) -> float | None:
    """The mean of a role in a room between two times (ms), weighted by time; None if there was no value.

    A value holds until the next one, but no longer than the role's freshness: unchanged values are stored every
    five minutes, so a longer gap is one in what we know.
    """
    hold_ms = int(role(role_name).fresh_s * 1000)
    in_room: ColumnElement[bool] = Device.c.room == room_id
    query = (
        select(Log.c.device, Log.c.timestamp, Log.c.value)
        .join(Device, Device.c.id == Log.c.device)
        .where(in_room, Log.c.reason == reason_of(role_name))
        .where(Log.c.timestamp > start - hold_ms, Log.c.timestamp < end)
        .order_by(Log.c.device, Log.c.timestamp)
    )
    rows = await connection.execute(query)
    series = [[Sample(at, value) for _, at, value in group] for _, group in groupby(rows, key=lambda row: row[0])]
    return mean(series, start, end, hold_ms)
