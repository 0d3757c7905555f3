"""Results and decisions: what was asked of the building, why, and what became of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, Subquery, Table, and_, exists, insert, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.messages import Command, CommandResult, Decision, Origin
from insula.store import tables
from insula.store.alerts import AlertIn, alert_row
from insula.store.heard import HeardIn, heard_row
from insula.store.moves import Move, MoveIn, move_row, moves_of

ID_LENGTH = 64
TEXT_LENGTH = 200
REASON_LENGTH = 500


@dataclass(frozen=True, slots=True)
class ResultIn:
    """A result, when its command was sent (ms, building's clock), and the room of its device, if that is known."""

    result: CommandResult
    timestamp: int
    room_id: int | None


@dataclass(frozen=True, slots=True)
class DecisionIn:
    """A decision, and when it was made (ms, building's clock)."""

    decision: Decision
    timestamp: int


EventIn = ResultIn | DecisionIn | MoveIn | AlertIn | HeardIn


@dataclass(frozen=True, slots=True)
class Why:
    """One command: when it was sent (ms, building's clock), the decision behind it (None: not the controller's), and
    its results (none: nobody has answered). Or one press at the wall, which has neither: ``command_id`` is its id.
    ``moves``: what the device told because of it, in order of time."""

    timestamp: int
    command_id: str
    decision: Decision | None
    results: tuple[CommandResult, ...]
    moves: tuple[Move, ...] = ()

    @property
    def command(self) -> Command | None:
        """As its result repeats it; None as long as there is none."""
        return self.results[0].command if self.results else None


Place = tuple[int, str]
"""Where a page ended: the timestamp and the command's id of its last row."""


@dataclass(frozen=True, slots=True)
class Page:
    """``after``: what to ask for as ``before`` to get the next page; None: this was the last."""

    rows: tuple[Why, ...]
    after: Place | None


# --- in


async def add_events(connection: AsyncConnection, events: Iterable[EventIn]) -> None:
    """Store these; one whose id is there already is passed over."""
    rows_of: dict[Table, list[dict[str, Any]]] = {}
    for event in events:
        table, row = _row(event)
        rows_of.setdefault(table, []).append(row)
    for table, rows in rows_of.items():
        statement = insert(table).prefix_with("OR IGNORE", dialect="sqlite").prefix_with("IGNORE", dialect="mysql")
        await connection.execute(statement, rows)


def _row(event: EventIn) -> tuple[Table, dict[str, Any]]:
    match event:
        case ResultIn():
            return tables.CommandResult, _result_row(event)
        case MoveIn():
            return tables.Move, move_row(event)
        case AlertIn():
            return tables.AlertEvent, alert_row(event)
        case HeardIn():
            return tables.Heard, heard_row(event)
    return tables.Decision, _decision_row(event)


def stored_id(value: str) -> str:
    """Others may send longer ids than ours: the same one always becomes the same."""
    return value if len(value) <= ID_LENGTH else blake2b(value.encode(), digest_size=ID_LENGTH // 2).hexdigest()


def _result_row(event: ResultIn) -> dict[str, Any]:
    result, command = event.result, event.result.command
    return {
        "id": stored_id(result.id),
        "timestamp": event.timestamp,
        "at": result.at,
        "room": event.room_id,
        "device": command.device_id,
        "gateway": command.gateway_id[:ID_LENGTH],
        "point": command.point[:ID_LENGTH],
        "value": command.value,
        "command": stored_id(command.id),
        "command_at": command.at,
        "command_class": command.class_,
        "expires_at": command.expires_at,
        "origin_kind": command.origin.kind,
        "origin_name": command.origin.name[:TEXT_LENGTH],
        "origin_cause": command.origin.cause[:TEXT_LENGTH],
        "outcome": result.outcome,
        "reason": result.reason[:REASON_LENGTH],
    }


def _decision_row(event: DecisionIn) -> dict[str, Any]:
    decision = event.decision
    return {
        "id": stored_id(decision.id),
        "timestamp": event.timestamp,
        "at": decision.at,
        "room": decision.room_id,
        "device": decision.device_id,
        "point": decision.point[:ID_LENGTH],
        "value": decision.value,
        "rule": decision.rule[:TEXT_LENGTH],
        "version": decision.version[:TEXT_LENGTH],
        "command": stored_id(decision.command_id),
        "cause": decision.trigger[:TEXT_LENGTH],
        "seen": decision.values,
        "lost": list(decision.lost),
        "because": decision.because,
        "observed": decision.observed,
        "shadow": decision.shadow,
    }


# --- out


async def why(
    connection: AsyncConnection,
    start: int,
    end: int,
    *,
    device_ids: Sequence[int] | None = None,
    room_id: int | None = None,
    limit: int = 50,
    before: Place | None = None,
) -> Page:
    """What was asked of these devices, or of this room, with ``start <= timestamp < end`` (ms), newest first."""

    def wanted(table: Table) -> ColumnElement[bool]:
        within = and_(table.c.timestamp >= start, table.c.timestamp < end)
        if device_ids is not None:
            within = and_(within, table.c.device.in_(device_ids))
        if room_id is not None:
            within = and_(within, table.c.room == room_id)
        if before is not None:
            at, command = before
            earlier = or_(table.c.timestamp < at, and_(table.c.timestamp == at, _id_of(table) < command))
            within = and_(within, table.c.timestamp <= at, earlier)
        return within

    moved = and_(wanted(tables.Move), tables.Move.c.begins)
    query = _newest(wanted(tables.Decision), wanted(tables.CommandResult), moved, limit + 1)
    places = [(row.timestamp, row.command) for row in await connection.execute(query)]
    found = await _joined(connection, places[:limit])
    return Page(found, places[limit - 1] if len(places) > limit else None)


async def decisions_between(connection: AsyncConnection, start: int, end: int) -> list[Decision]:
    """Of the rules in force, ``start <= time < end`` (ms, building's clock), in order."""
    table = tables.Decision
    query = select(table).where(table.c.timestamp >= start, table.c.timestamp < end, ~table.c.shadow)
    return [_decision(row) for row in await connection.execute(query.order_by(table.c.timestamp, table.c.id))]


async def results_between(
    connection: AsyncConnection, start: int, end: int
) -> list[tuple[int, int | None, CommandResult]]:
    """By the time of their command, ``start <= time < end`` (ms, building's clock), in order: that time, the room and
    the result."""
    table = tables.CommandResult
    query = select(table).where(table.c.timestamp >= start, table.c.timestamp < end)
    rows = await connection.execute(query.order_by(table.c.timestamp, table.c.at))
    return [(row.timestamp, row.room, read_result(row)) for row in rows]


def _id_of(table: Table) -> "Column[str]":
    """What ties its rows to what was asked: a command's id, or that of a press."""
    return table.c.cause if table is tables.Move else table.c.command


def _newest(
    decisions: ColumnElement[bool], results: ColumnElement[bool], moves: ColumnElement[bool], limit: int
) -> Select[Any]:
    """Timestamp and id of commands: those with a decision by it, the others (by hand) by their first result; and of
    presses at the wall."""
    result, other = tables.CommandResult, tables.CommandResult.alias()
    decided = exists(tables.Decision.c.id).where(tables.Decision.c.command == result.c.command)
    again = exists(other.c.id).where(other.c.command == result.c.command, other.c.id < result.c.id)
    parts = (
        _part(tables.Decision, decisions, limit),
        _part(result, and_(results, ~decided, ~again), limit),
        _part(tables.Move, moves, limit),
    )
    both = union_all(*(select(part) for part in parts)).subquery()
    return select(both).order_by(both.c.timestamp.desc(), both.c.command.desc()).limit(limit)


def _part(table: Table, wanted: ColumnElement[bool], limit: int) -> Subquery:
    id_ = _id_of(table)
    query = select(table.c.timestamp, id_.label("command")).where(wanted)
    return query.order_by(table.c.timestamp.desc(), id_.desc()).limit(limit).subquery()


async def _joined(connection: AsyncConnection, places: Sequence[Place]) -> tuple[Why, ...]:
    ids = [command for _, command in places]
    decisions: dict[str, Decision] = {}
    for row in await connection.execute(select(tables.Decision).where(tables.Decision.c.command.in_(ids))):
        decisions[row.command] = _decision(row)
    results: dict[str, list[CommandResult]] = {}
    query = select(tables.CommandResult).where(tables.CommandResult.c.command.in_(ids))
    for row in await connection.execute(query.order_by(tables.CommandResult.c.at)):
        results.setdefault(row.command, []).append(read_result(row))
    moves = await moves_of(connection, ids)
    return tuple(
        Why(at, id_, decisions.get(id_), tuple(results.get(id_, ())), tuple(moves.get(id_, ()))) for at, id_ in places
    )


def _decision(row: Row[Any]) -> Decision:
    return Decision(
        id=row.id,
        at=row.at,
        decided_at=row.timestamp,
        room_id=row.room,
        device_id=row.device,
        point=row.point,
        value=row.value,
        rule=row.rule,
        version=row.version,
        command_id=row.command,
        trigger=row.cause,
        values=row.seen,
        lost=tuple(row.lost),
        because=row.because,
        observed=row.observed,
        shadow=row.shadow,
    )


def read_result(row: Row[Any]) -> CommandResult:
    command = Command(
        id=row.command,
        at=row.command_at,
        device_id=row.device,
        gateway_id=row.gateway,
        point=row.point,
        value=row.value,
        class_=row.command_class,
        expires_at=row.expires_at,
        origin=Origin(kind=row.origin_kind, name=row.origin_name, cause=row.origin_cause),
    )
    return CommandResult(id=row.id, at=row.at, command=command, outcome=row.outcome, reason=row.reason)
