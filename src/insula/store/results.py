"""What became of commands, of now and before: one by one, or page by page."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, and_, case, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.messages import CommandResult, OriginKind, Outcome
from insula.store.events import read_result, stored_id
from insula.store.tables import CommandResult as Results
from insula.store.tables import Device

Place = tuple[int, str]
"""When the last one of a page was commanded (ms, building's clock), and the result's id."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """``start <= time < end`` (ms, building's clock); None and empty ones match all. ``rooms``: ids, of which the
    device is in one now; ``by``: the origin's name."""

    start: int
    end: int
    rooms: frozenset[int] | None = None
    device: int | None = None
    outcome: Outcome | None = None
    origin: OriginKind | None = None
    by: str = ""


async def list_results(
    connection: AsyncConnection, wanted: Wanted, limit: int, after: Place | None = None
) -> list[tuple[int, CommandResult]]:
    """The newest first, each with its time; at most ``limit``, of those before ``after``."""
    query = select(Results).where(_wanted(wanted), true() if after is None else _before(after))
    rows = await connection.execute(query.order_by(Results.c.timestamp.desc(), Results.c.id.desc()).limit(limit))
    return [(row.timestamp, read_result(row)) for row in rows]


async def results_of(connection: AsyncConnection, command_ids: Sequence[str]) -> dict[str, CommandResult]:
    """By command's id; the last of each."""
    known = {stored_id(command_id): command_id for command_id in command_ids}
    query = select(Results).where(Results.c.command.in_(known)).order_by(Results.c.at)
    return {known[row.command]: read_result(row) for row in await connection.execute(query)}


async def count_done(
    connection: AsyncConnection, devices: Sequence[int], start: int, end: int
) -> dict[int, tuple[int, int]]:
    """By device, how many commands were done, ``start <= time < end`` (ms, building's clock): by rules, by hand."""
    table = Results.c
    by_rule = func.sum(case((table.origin_kind == "rule", 1), else_=0))
    query = select(table.device, by_rule, func.count()).where(
        table.device.in_(devices), table.timestamp >= start, table.timestamp < end, table.outcome == "done"
    )
    rows = await connection.execute(query.group_by(table.device))
    return {device: (int(rules), all_ - int(rules)) for device, rules, all_ in rows}


def _wanted(wanted: Wanted) -> ColumnElement[bool]:
    table = Results.c
    found: ColumnElement[bool] = and_(table.timestamp >= wanted.start, table.timestamp < wanted.end)
    for column, value in (
        (table.device, wanted.device),
        (table.outcome, wanted.outcome),
        (table.origin_kind, wanted.origin),
        (table.origin_name, wanted.by or None),
    ):
        found = found if value is None else and_(found, column == value)
    if wanted.rooms is not None:
        there = select(Device.c.id).where(Device.c.room.in_(wanted.rooms))
        found = and_(found, table.device.in_(there))
    return found


def _before(after: Place) -> ColumnElement[bool]:
    at, id_ = after
    table = Results.c
    return and_(table.timestamp <= at, or_(table.timestamp < at, table.id < id_))
