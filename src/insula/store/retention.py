"""What is past its time in Log, its roll-ups and the events, and since when there is still something."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Table, bindparam, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.building.rollup import HOUR_MS
from insula.store.tables import (
    AlertEvent,
    CommandResult,
    Decision,
    Heard,
    Log,
    LogDays,
    LogFiveMinutes,
    LogHours,
    Move,
    Series,
)
from insula.store.values import get_value, put_value

DAY_MS = 24 * HOUR_MS
KEPT_SINCE = "history.kept_since"
"""The setting that says, by tier, before which time (ms) everything may be gone."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A table that is kept for a time of its own. ``step_ms``: so much of a series is deleted at once, at most: a
    hundred rows or two, when a value is stored every few minutes."""

    name: str
    table: Table
    time: "Column[int]"
    step_ms: int


RAW = Kept("raw", Log, Log.c.timestamp, 6 * HOUR_MS)
KEPT = (
    RAW,
    Kept("five_minutes", LogFiveMinutes, LogFiveMinutes.c.start, DAY_MS),
    Kept("hours", LogHours, LogHours.c.start, 10 * DAY_MS),
    Kept("days", LogDays, LogDays.c.start, 200 * DAY_MS),
)
EVENTS = (Decision, CommandResult, Move, AlertEvent, Heard)
"""Kept as long as Log."""


@dataclass(frozen=True, slots=True)
class Oldest:
    """A series and its oldest row in a table (ms); ``upto``: it is rolled up so far."""

    device: int
    reason: str
    upto: int
    oldest: int


async def oldest_rows(connection: AsyncConnection, kept: Kept, before: int) -> list[Oldest]:
    """The series that have something older than ``before`` (ms): one look at the primary key each."""
    key = kept.table.c
    of_series = (key.device == Series.c.device) & (key.reason == Series.c.reason)
    oldest = select(func.min(kept.time)).where(of_series).scalar_subquery()
    found = select(Series.c.device, Series.c.reason, Series.c.upto, oldest.label("oldest")).subquery()
    return [Oldest(*row) for row in await connection.execute(select(found).where(found.c.oldest < before))]


async def delete_rows(connection: AsyncConnection, kept: Kept, cuts: Mapping[tuple[int, str], int]) -> int:
    """Of each series what is older than its cut (ms); how many rows that were."""
    key = kept.table.c
    statement = delete(kept.table).where(
        key.device == bindparam("of"), key.reason == bindparam("named"), kept.time < bindparam("cut")
    )
    values = [{"of": device, "named": reason, "cut": cut} for (device, reason), cut in cuts.items()]
    return (await connection.execute(statement, values)).rowcount


async def delete_events(connection: AsyncConnection, table: Table, before: int, limit: int) -> int:
    """The oldest rows that are older than ``before`` (ms), about ``limit`` of them; how many they were."""
    beyond = select(table.c.timestamp).where(table.c.timestamp < before).order_by(table.c.timestamp)
    cut = await connection.scalar(beyond.offset(limit).limit(1))
    # Rows of one time go together, so that each step ends further than it began.
    within = table.c.timestamp < before if cut is None else table.c.timestamp <= cut
    return (await connection.execute(delete(table).where(within))).rowcount


async def kept_since(connection: AsyncConnection) -> dict[str, int]:
    """By tier, the time (ms) before which it may have been deleted; a tier that is not named is whole."""
    return dict(await get_value(connection, KEPT_SINCE) or {})


async def keep_since(connection: AsyncConnection, cuts: Mapping[str, int], names: Sequence[str]) -> None:
    """To be said before anything is deleted: whoever asks then looks into a tier that still has it."""
    before = await kept_since(connection)
    after = {name: max(before.get(name, 0), cuts.get(name, 0)) for name in names}
    if after != before:
        await put_value(connection, KEPT_SINCE, after)
