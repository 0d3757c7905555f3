"""The bus of a single process: same promises as Kafka's, kept in memory. It stays small: it is no broker.

A record is put at the end of its partition's log, for those who come later, and in the backlog of each reader.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from zlib import crc32

from insula.bus.backlog import Latest, Lossless
from insula.bus.group import Group, Share
from insula.bus.memory_readers import MemoryMembership, MemorySubscription
from insula.bus.partition import CompactedLog, Log, RetainedLog
from insula.bus.port import MAX_RECORD, Assigned, Outgoing, Partition, Positions, Record, Revoked, Slow, Start, size_of
from insula.bus.topics import TOPICS
from insula.clock import Clock
from insula.errors import RecordTooLarge, Unavailable


class MemoryBus:
    """``keep``, ``keep_bytes``: records kept a partition of a topic that is not compacted, and their bytes at most.
    ``full``: records that a reader may leave untaken before publishing waits for it (what it starts with is not
    counted)."""

    def __init__(self, clock: Clock, *, keep: int = 10_000, keep_bytes: int = 4_000_000, full: int = 100_000) -> None:
        self.full = full
        self.logs: dict[Partition, Log] = {
            (topic.name, number): CompactedLog() if topic.compacted else RetainedLog(keep, keep_bytes)
            for topic in TOPICS.values()
            for number in range(topic.partitions)
        }
        self.clock = clock
        self._flows: dict[Partition, tuple[MemorySubscription, ...]] = dict.fromkeys(self.logs, ())
        self._groups: dict[str, Group] = {}
        self._readers: list[MemorySubscription] = []
        self._memberships: list[MemoryMembership] = []
        self._full: set[MemorySubscription] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._dropped = 0
        self._stopped = False

    async def start(self) -> None:
        self._stopped = False

    async def stop(self) -> None:
        self._stopped = True
        for reader in tuple(self._readers):
            await reader.close()
        for membership in tuple(self._memberships):
            await membership.close()
        self._make_way()

    # --- publishing

    async def publish(self, records: Iterable[Outgoing]) -> None:
        for outgoing in records:
            if (size := size_of(outgoing)) > MAX_RECORD:
                raise RecordTooLarge(f"a record of {size} bytes; {MAX_RECORD} is the most")
            place = self._place(outgoing)
            if self._full or self._stopped:
                await self._wait_for_room(place, outgoing)
            record = Record(
                outgoing.topic,
                place[1],
                self.logs[place].end,
                outgoing.key,
                outgoing.value,
                outgoing.headers,
                self.clock.real(),
            )
            self.logs[place].append(record)
            for reader in self._flows[place]:
                reader.push(record)

    @staticmethod
    def _place(outgoing: Outgoing) -> Partition:
        spread = crc32(outgoing.key.encode()) if outgoing.spread is None else outgoing.spread
        return outgoing.topic, spread % TOPICS[outgoing.topic].partitions

    async def _wait_for_room(self, place: Partition, outgoing: Outgoing) -> None:
        while not self._has_room(place, outgoing):
            room = asyncio.get_running_loop().create_future()
            self._waiting.append(room)
            await room
        if self._stopped:
            raise Unavailable("the bus has stopped")

    def _has_room(self, place: Partition, outgoing: Outgoing) -> bool:
        for reader in self._full.intersection(self._flows[place]):
            reader.shed()
        full = self._full.intersection(self._flows[place])
        if not full or self._stopped or outgoing.headers.get("resend") == "1":
            return True
        task = asyncio.current_task()
        return any(reader.task is task for reader in self._full)

    def _make_way(self) -> None:
        waiting, self._waiting = self._waiting, []
        for room in waiting:
            if not room.done():
                room.set_result(None)

    # --- reading

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
    ) -> MemorySubscription:
        self._check_running()
        subscription = MemorySubscription(self, name, start, Latest() if slow == "latest" else Lossless())
        share = Share(
            () if start == "nowhere" else topics,
            assigned=assigned,
            revoked=revoked,
            begin=subscription.begin,
            end=subscription.end,
            changed=subscription.wake,
        )
        self._readers.append(subscription)
        await subscription.open(share, self._group(group))
        return subscription

    async def join(self, group: str, topic: str, *, assigned: Assigned, revoked: Revoked) -> MemoryMembership:
        self._check_running()
        membership = MemoryMembership(self)
        share = Share(
            [topic],
            assigned=assigned,
            revoked=revoked,
            begin=lambda partitions, positions: None,
            end=lambda partitions: {},
            changed=membership.changed.set,
        )
        self._memberships.append(membership)
        await membership.open(share, self._group(group))
        return membership

    def _check_running(self) -> None:
        if self._stopped:
            raise Unavailable("the bus has stopped")

    def _group(self, name: str | None) -> Group:
        """Who names no group is one alone. A group without members is forgotten."""
        if name is None:
            return Group()
        self._groups = {name: group for name, group in self._groups.items() if group.members}
        return self._groups.setdefault(name, Group())

    def flow(self, reader: MemorySubscription, partitions: Iterable[Partition]) -> None:
        for place in partitions:
            self._flows[place] = (*self._flows[place], reader)

    def halt(self, reader: MemorySubscription, partitions: Iterable[Partition]) -> None:
        for place in partitions:
            self._flows[place] = tuple(other for other in self._flows[place] if other is not reader)

    def forget(self, reader: MemorySubscription | MemoryMembership) -> None:
        if isinstance(reader, MemoryMembership):
            self._memberships.remove(reader)
        else:
            self._readers.remove(reader)
            self.mark(reader, full=False)

    # --- what the bus knows

    async def end_positions(self, topics: Sequence[str]) -> dict[Partition, int]:
        return {place: kept.end for place, kept in self.logs.items() if place[0] in topics}

    async def delete_before(self, positions: Positions) -> None:
        for place, offset in positions.items():
            self.logs[place].delete_before(offset)

    def slow_readers(self) -> Mapping[str, int]:
        return {reader.name: reader.untaken for reader in self._full}

    def dropped(self) -> int:
        return self._dropped

    def clock_offset_ms(self) -> int:
        return 0

    def mark(self, reader: MemorySubscription, *, full: bool) -> None:
        if full:
            self._full.add(reader)
        elif reader in self._full:
            self._full.discard(reader)
            self._make_way()

    def count_dropped(self, number: int) -> None:
        self._dropped += number
