"""How far a reader has got, moved by compare-and-set in the transaction that stores what it read."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.bus.port import Partition
from insula.errors import InsulaError
from insula.store.tables import Position


class PositionMoved(InsulaError):
    """Another reader has taken over this partition: roll back, and begin again from what is stored."""

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


async def move_positions(
    connection: AsyncConnection,
    reader: str,
    before: Mapping[Partition, Stored],
    after: Mapping[Partition, Stored],
) -> None:
    """From ``before`` (a partition that it does not name: not stored so far) to ``after``. Raises PositionMoved."""
    for (topic, partition), new in after.items():
        old = before.get((topic, partition))
        if old is None:
            await _first(connection, reader, topic, partition, new)
            continue
        names = (Position.c.reader == reader) & (Position.c.topic == topic) & (Position.c.partition == partition)
        same = (Position.c.run == old.run) & (Position.c.offset == old.offset)
        moved = await connection.execute(update(Position).where(names & same).values(run=new.run, offset=new.offset))
        if moved.rowcount != 1:
            raise PositionMoved(f"{topic}/{partition}")


async def _first(connection: AsyncConnection, reader: str, topic: str, partition: int, new: Stored) -> None:
    row = {"reader": reader, "topic": topic, "partition": partition, "run": new.run, "offset": new.offset}
    try:
        await connection.execute(insert(Position), row)
    except IntegrityError as error:
        raise PositionMoved(f"{topic}/{partition}") from error
