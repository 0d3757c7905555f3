"""The roll-ups of Log: their tables, and how far each series has got.

A series is the values of one reason of one device. ``Series.upto`` is the one mark of its progress: each window of
any tier that ends by then is stored, and final; what is newer is in the finer tier, and in Log.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Table, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.building.rollup import FIVE_MINUTES, HOURS, LocalDays, Rollup, Windows
from insula.building.statistics import Sample
from insula.errors import Unavailable
from insula.points import ROLES, Role
from insula.store.building import read_settings
from insula.store.log import reason_of
from insula.store.tables import Device, Log, LogDays, LogFiveMinutes, LogHours, Series

ROLE_OF = {reason_of(name): role for name, role in ROLES.items()}
LONGEST_HOLD_MS = max(int(role.fresh_s * 1000) for role in ROLES.values())
"""For so long, at most, a value counts after it was measured."""

SERIES_AT_ONCE = 500

Key = tuple[int, str]
"""A series: device and reason."""


class SeriesMoved(Unavailable):
    """Another process has rolled these up in the meantime: nothing was stored."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One table of roll-ups and its windows. ``name``: as in the settings."""

    name: str
    table: Table
    windows: Windows

    def floor(self, at: int) -> int:
        return self.windows.window(at)[0]


def tiers(zone: ZoneInfo) -> tuple[Tier, Tier, Tier]:
    """Five minutes, hours, and days of the building's place: the finest first."""
    return (
        Tier("five_minutes", LogFiveMinutes, FIVE_MINUTES),
        Tier("hours", LogHours, HOURS),
        Tier("days", LogDays, LocalDays(zone)),
    )


async def zone_of(connection: AsyncConnection) -> ZoneInfo:
    return ZoneInfo((await read_settings(connection)).time_zone)


def hold_ms(reason: str) -> int:
    """How long a value of this reason counts after it was measured."""
    role: Role | None = ROLE_OF.get(reason)
    return LONGEST_HOLD_MS if role is None else int(role.fresh_s * 1000)


# --- series


@dataclass(frozen=True, slots=True)
class SeriesState:
    """``first``: the oldest sample that may still count after ``upto``; ``newest``: the last one so far (ms)."""

    device: int
    reason: str
    upto: int
    first: int | None
    newest: int | None


async def list_series(connection: AsyncConnection, now: int) -> AsyncIterator[SeriesState]:
    """Every series, with what Log has of it up to ``now``: two looks at its primary key each."""
    of_series = (Log.c.device == Series.c.device) & (Log.c.reason == Series.c.reason)
    relevant = of_series & (Log.c.timestamp > Series.c.upto - LONGEST_HOLD_MS) & (Log.c.timestamp <= now)
    first = select(func.min(Log.c.timestamp)).where(relevant).scalar_subquery()
    newest = select(func.max(Log.c.timestamp)).where(relevant).scalar_subquery()
    query = select(Series.c.device, Series.c.reason, Series.c.upto, first, newest)
    async with connection.stream(query.execution_options(yield_per=SERIES_AT_ONCE)) as found:
        async for rows in found.partitions():
            for row in rows:
                yield SeriesState(*row)


async def known_series(connection: AsyncConnection) -> set[Key]:
    """The points of every device that ever was."""
    rows = await connection.execute(select(Device.c.id, Device.c.points))
    return {(device, reason_of(point["role"])) for device, points in rows for point in points}


async def logged_series(connection: AsyncConnection) -> set[Key]:
    """What is in Log, found by leaps over its primary key: at the start, for what no device names any more."""
    found: set[Key] = set()
    device, reason = -1, ""
    while True:
        following = select(func.min(Log.c.reason)).where(Log.c.device == device, Log.c.reason > reason)
        reason = await connection.scalar(following) or ""
        if reason:
            found.add((device, reason))
            continue
        device = await connection.scalar(select(func.min(Log.c.device)).where(Log.c.device > device))
        if device is None:
            return found


async def add_series(connection: AsyncConnection, keys: Iterable[Key]) -> None:
    """Those that are not there yet, with nothing rolled up."""
    there = {(device, reason) for device, reason in await connection.execute(select(Series.c.device, Series.c.reason))}
    rows = [{"device": device, "reason": reason, "upto": 0} for device, reason in sorted(set(keys) - there)]
    if rows:
        await connection.execute(insert(Series), rows)


async def move_series(connection: AsyncConnection, reason: str, moves: Mapping[int, tuple[int, int]]) -> None:
    """By device: ``upto`` from the first number to the second. Raises SeriesMoved when it is not at the first."""
    query = select(Series.c.device, Series.c.upto).where(Series.c.reason == reason, Series.c.device.in_(moves))
    found = {row.device: row.upto for row in await connection.execute(query.with_for_update())}
    if found != {device: before for device, (before, _) in moves.items()}:
        raise SeriesMoved(f"{reason} of {len(moves)} devices")
    statement = update(Series).where(Series.c.reason == reason, Series.c.device == bindparam("of"))
    await connection.execute(
        statement.values(upto=bindparam("to")), [{"of": device, "to": after} for device, (_, after) in moves.items()]
    )


# --- samples and roll-ups


async def read_samples(
    connection: AsyncConnection, devices: Sequence[int], reason: str, start: int, end: int
) -> dict[int, list[Sample]]:
    """By device, in order of time: ``start <= timestamp < end`` (ms)."""
    query = (
        select(Log.c.device, Log.c.timestamp, Log.c.value)
        .where(Log.c.device.in_(devices), Log.c.reason == reason, Log.c.timestamp >= start, Log.c.timestamp < end)
        .order_by(Log.c.device, Log.c.timestamp)
    )
    found: dict[int, list[Sample]] = {}
    for device, at, value in await connection.execute(query):
        found.setdefault(device, []).append(Sample(at, value))
    return found


async def read_rollups(
    connection: AsyncConnection, table: Table, devices: Sequence[int], reason: str, start: int, end: int
) -> dict[int, list[Rollup]]:
    """By device, in order of time: windows with ``start <= window.start < end`` (ms)."""
    key = table.c
    query = (
        select(key.device, key.start, key.mean, key.minimum, key.maximum, key.last, key.known)
        .where(key.device.in_(devices), key.reason == reason, key.start >= start, key.start < end)
        .order_by(key.device, key.start)
    )
    found: dict[int, list[Rollup]] = {}
    for device, *values in await connection.execute(query):
        found.setdefault(device, []).append(Rollup(*values))
    return found


@dataclass(frozen=True, slots=True)
class Replacement:
    """The windows of one series with ``start <= window.start < end`` (ms): these, and no others."""

    device: int
    start: int
    end: int
    rollups: Sequence[Rollup]


async def replace_rollups(
    connection: AsyncConnection, table: Table, reason: str, replacements: Sequence[Replacement]
) -> None:
    """Doing it twice is doing it once."""
    if not replacements:
        return
    within = (table.c.start >= bindparam("from_")) & (table.c.start < bindparam("to"))
    spans = [{"of": one.device, "from_": one.start, "to": one.end} for one in replacements]
    await connection.execute(
        delete(table).where(table.c.device == bindparam("of"), table.c.reason == reason, within), spans
    )
    rows = [_row(one.device, reason, rollup) for one in replacements for rollup in one.rollups]
    if rows:
        await connection.execute(insert(table), rows)


def _row(device: int, reason: str, rollup: Rollup) -> dict[str, Any]:
    return {
        "device": device,
        "reason": reason,
        "start": rollup.start,
        "mean": rollup.mean,
        "minimum": rollup.minimum,
        "maximum": rollup.maximum,
        "last": rollup.last,
        "known": rollup.known,
    }
