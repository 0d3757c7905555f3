"""Table Log: what was measured, and what is asked of it."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import astuple
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.building.statistics import Sample, mean
from insula.bus.wire import READINGS
from insula.points import role
from insula.store.tables import Beacon, Device, Log

REASONS = {action.point: action.reason for action in READINGS}
"""The reason that 2020 gave a role's values in Log; other roles go by their name."""


class LogRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``timestamp``: when it was measured, ms UTC (building's clock); ``value`` in the unit of its role."""

    timestamp: int
    value: float
    reason: str
    device: int


def reason_of(role_name: str) -> str:
    return REASONS.get(role_name, role_name)


_AT_ONCE = (4000, 1000, 250, 60, 15, 4, 1)
"""Rows of one statement on SQLite, which takes 32,766 values. Few lengths: the driver keeps each of them prepared."""
_by_key = attrgetter("device", "reason", "timestamp")
_encode = msgspec.json.Encoder().encode


async def add_log(connection: AsyncConnection, rows: Iterable[LogRow]) -> None:
    """Store these; of two of one moment (same device, reason and time) the later counts: a change may come just after
    an old value was said once more.

    In the order of the table's key: on MariaDB each device is locked until the end, and an import locks them in this
    order too. Hundreds of rows a statement: the driver's ``executemany`` asks for Python's lock anew for each row,
    which costs up to 5 ms while another thread works.
    """
    ordered = sorted(rows, key=_by_key)
    if not ordered:
        return
    if connection.dialect.name == "sqlite":
        for part in _parts(ordered):
            await connection.exec_driver_sql(_sqlite(len(part)), tuple(chain.from_iterable(map(astuple, part))))
    else:
        for begin in range(0, len(ordered), _AT_ONCE[0]):
            await connection.exec_driver_sql(_mysql(ordered[begin : begin + _AT_ONCE[0]]))


def _parts(rows: list[LogRow]) -> Iterator[list[LogRow]]:
    """In the known lengths; the last row is repeated until the last part has one, to no effect."""
    for begin in range(0, len(rows), _AT_ONCE[0]):
        part = rows[begin : begin + _AT_ONCE[0]]
        length = min(length for length in _AT_ONCE if length >= len(part))
        yield part + part[-1:] * (length - len(part))


@cache
def _sqlite(length: int) -> str:
    places = ",".join(["(?,?,?,?)"] * length)
    insert = f'INSERT INTO "Log" (timestamp, value, reason, device) VALUES {places}'
    return f"{insert} ON CONFLICT DO UPDATE SET value = excluded.value"


def _mysql(rows: list[LogRow]) -> str:
    """The rows in the text itself, which the driver would write row by row: JSON's numbers and strings are SQL's too.
    Not INSERT IGNORE: that passes over a device that is not there, too."""
    values = _encode(rows).decode()[2:-2].replace("],[", "),(")
    insert = f"INSERT INTO `Log` (timestamp, value, reason, device) VALUES ({values})"
    return f"{insert} ON DUPLICATE KEY UPDATE value = VALUES(value)"


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
