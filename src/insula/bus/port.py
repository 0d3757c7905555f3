"""The bus as Insula sees it: records in order in partitions, kept as bytes.

Two implementations: ``memory.py`` (one process) and Apache Kafka. Both pass tests/contracts/test_bus.py.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

Partition = tuple[str, int]
"""(topic, partition number)"""
Positions = Mapping[Partition, int]
"""The offset of the next record to read, a partition each."""
Start = Literal["beginning", "end", "nowhere"] | Positions
"""Where a reader begins; partitions that a mapping does not name begin at their beginning. An offset outside of what is
kept begins at the nearest record that is. ``nowhere``: it reads the partitions that it is told to follow."""
Slow = Literal["lossless", "latest"]


def reached(positions: Positions, end: Positions) -> bool:
    return all(positions.get(place, 0) >= offset for place, offset in end.items())


MAX_RECORD = 1_048_576
"""Bytes of a record's key, value and headers: what Kafka takes by default (its ``message.max.bytes``, less framing)."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as read. ``at``: when it was produced (ms, real time); ``value`` None: a tombstone."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None
    headers: Mapping[str, str] = {}
    at: int = 0

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """One record to publish. ``spread``: what chooses the partition (the room's id); None: by the key's hash.

    Headers the bus itself reads: ``point`` (``<device_id>/<role>``: what ``latest`` keeps one record of) and
    ``resend`` (``1``: nothing new, the first to be dropped by a full in-memory queue).
    """

    topic: str
    key: str
    value: bytes | None
    headers: Mapping[str, str] = {}
    spread: int | None = None


def size_of(record: Record | Outgoing) -> int:
    """In bytes: its key, value and headers."""
    headers = sum(len(name.encode()) + len(value.encode()) for name, value in record.headers.items())
    return len(record.key.encode()) + len(record.value or b"") + headers


Assigned = Callable[[Sequence[Partition]], Awaitable[Positions | None]]
"""Called before the first record of newly assigned partitions; may answer where to begin in them. What it does not name
begins where the group's former member stopped, as far as the bus knows, else at ``start``."""
Revoked = Callable[[Sequence[Partition]], Awaitable[None]]
"""Called after the last record of partitions that go to another member, and before that member's ``assigned``. Not
called by ``close``: who closes knows."""


class Subscription(Protocol):
    """A reader. ``lossless``: every record, in order a partition; ``latest``: as lossless, but of readings not yet
    taken only the newest of each point is kept, so that it is bounded by the number of points. A re-send that took
    the place of a reading not yet taken comes without its header ``resend``: it is news to this reader.

    A group's callbacks run inside ``batch`` (the first ``assigned`` inside ``subscribe``), so that all records given
    before have been dealt with by then; a member that does not call ``batch`` keeps its partitions."""

    async def batch(self, limit: int = 1000) -> Sequence[Record]:
        """Waits for at least one record, then gives what is there, ``limit`` at most. For one task at a time. Raises
        Unavailable when the subscription was closed or the bus stopped."""

    def positions(self) -> Positions:
        """After the last record that ``batch`` gave, a partition each."""

    async def follow(self, partitions: Sequence[Partition], since: int) -> Positions:
        """For who began ``nowhere``: read these too, from the first record that was produced at ``since`` (ms, real
        time) or later. Answers where the ends are of those it did not read yet: it has read what was there when its
        positions have come so far."""

    async def leave(self, partitions: Sequence[Partition]) -> None:
        """No more records of these."""

    async def close(self) -> None: ...


class Membership(Protocol):
    """A share of a topic's partitions without its data: who decides for which rooms, who drives a gateway."""

    def certain(self) -> bool:
        """Whether what it was assigned and has not been revoked is its own beyond doubt, also right after the process
        stood still. False for a while when the bus has not confirmed it lately; it may turn out to be so still."""

    async def close(self) -> None: ...


class Bus(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Ends all readers and memberships: who waits in ``batch`` or ``publish`` gets Unavailable."""

    async def publish(self, records: Iterable[Outgoing]) -> None:
        """Returns when the bus has them all, in order a partition. Waits while a reader is full; but not in the task
        that takes a full reader's batches, which nobody else could empty. Raises Unavailable, and RecordTooLarge
        (those before it are on the bus)."""

    async def subscribe(
        self,
        topics: Sequence[str],
        *,
        name: str,
        start: Start = "end",
        slow: Slow = "lossless",
        group: str | None = None,
        assigned: Assigned | None = None,
        revoked: Revoked | None = None,
    ) -> Subscription:
        """Read ``topics``; with ``group`` the members divide the partitions. When this returns, a record
        published afterwards is seen even with ``start="end"``."""

    async def join(self, group: str, topic: str, *, assigned: Assigned, revoked: Revoked) -> Membership:
        """Take a share of the partitions of ``topic`` without reading them."""

    async def end_positions(self, topics: Sequence[str]) -> dict[Partition, int]:
        """The offset that the next record of each partition will get: a reader there has them all."""

    async def delete_before(self, positions: Positions) -> None:
        """Drop all records before these offsets."""

    def slow_readers(self) -> Mapping[str, int]:
        """Readers that hold publishing up now, each with the number of records it has not taken."""

    def dropped(self) -> int:
        """Unchanged re-sends dropped for slow readers since the start."""

    def clock_offset_ms(self) -> int:
        """How far this host's clock is ahead of the bus's (ms); 0 until it is known, or if they are one."""
