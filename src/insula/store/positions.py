"""How far a reader has got, moved by compare-and-set in the transaction that stores what it read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.bus.port import Partition
from insula.errors import InsulaError
from insula.store.tables import Position


class PositionMoved(InsulaError):
    """Another reader has taken over one of these partitions: roll back, and begin again from what is stored."""

    retry = True


@dataclass(frozen=True, slots=True)
class Stored:
    """``offset`` of the next record, in the run of the bus with that id (empty for Kafka)."""

    run: str
    offset: int


async def load_positions(connection: AsyncConnection, reader: str) -> dict[Partition, Stored]:
    rows = await connection.execute(
        select(Position.c.topic, Position.c.partition, Position.c.run, Position.c.offset).where(
            Position.c.reader == reader
        )
    )
    return {(topic, partition): Stored(run, offset) for topic, partition, run, offset in rows}


_MOVE = (
    update(Position)
    .where(
        Position.c.reader == bindparam("of"),
        Position.c.topic == bindparam("in"),
        Position.c.partition == bindparam("at"),
    )
    .where(Position.c.run == bindparam("old_run"), Position.c.offset == bindparam("old_offset"))
    .values(run=bindparam("new_run"), offset=bindparam("new_offset"))
)


async def move_positions(
    connection: AsyncConnection,
    reader: str,
    before: Mapping[Partition, Stored],
    after: Mapping[Partition, Stored],
) -> None:
    """From ``before`` (a partition that it does not name: not stored so far) to ``after``. Raises PositionMoved."""
    await _store_first(connection, reader, {place: after[place] for place in sorted(after.keys() - before.keys())})
    moves = [
        {
            "of": reader,
            "in": topic,
            "at": partition,
            "old_run": before[topic, partition].run,
            "old_offset": before[topic, partition].offset,
            "new_run": after[topic, partition].run,
            "new_offset": after[topic, partition].offset,
        }
        for topic, partition in sorted(after.keys() & before.keys())
    ]
    if moves and (await connection.execute(_MOVE, moves)).rowcount != len(moves):
        raise PositionMoved(_names(after))


async def _store_first(connection: AsyncConnection, reader: str, after: Mapping[Partition, Stored]) -> None:
    rows = [
        {"reader": reader, "topic": topic, "partition": partition, "run": new.run, "offset": new.offset}
        for (topic, partition), new in after.items()
    ]
    try:
        if rows:
            await connection.execute(insert(Position), rows)
    except IntegrityError as error:
        raise PositionMoved(_names(after)) from error


def _names(places: Iterable[Partition]) -> str:
    return ", ".join(f"{topic}/{partition}" for topic, partition in places)
