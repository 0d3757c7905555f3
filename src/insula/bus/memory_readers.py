"""The two kinds of members that the in-memory bus has: readers, and shares without data."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from insula.bus.backlog import Backlog, Lossless, is_resend
from insula.bus.group import Group, Share
from insula.bus.partition import Log
from insula.bus.port import Partition, Positions, Record, Start
from insula.errors import Unavailable

if TYPE_CHECKING:
    from insula.bus.memory import MemoryBus

log = structlog.get_logger("insula.bus")

RETRY_S = 1.0
"""After a callback of a membership has failed, it is tried again (real time)."""


class MemorySubscription:
    """A reader of the in-memory bus (port.Subscription)."""

    def __init__(self, bus: "MemoryBus", name: str, start: Start, backlog: Backlog) -> None:
        self.name = name
        self.task: asyncio.Task[object] | None = None
        """Who takes the batches."""
        self._bus = bus
        self._start = start
        self._backlog = backlog
        self._limit = bus.full
        self._positions: dict[Partition, int] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._share: Share
        self._group: Group

    @property
    def untaken(self) -> int:
        return len(self._backlog)

    async def open(self, share: Share, group: Group) -> None:
        self._share, self._group = share, group
        group.add(share)
        try:
            await share.settle(group)
        except BaseException:
            await self.close()
            raise

    async def batch(self, limit: int = 1000) -> Sequence[Record]:
        self.task = asyncio.current_task()
        while True:
            if self._closed:
                raise Unavailable(f"reader {self.name} is closed")
            if self._share.unsettled:
                await self._share.settle(self._group)
            elif len(self._backlog):
                return self._take(limit)
            else:
                await self._wait()

    def _take(self, limit: int) -> list[Record]:
        records = self._backlog.take(limit)
        positions = self._positions
        for record in records:
            positions[record.topic, record.partition] = record.offset + 1
        if len(self._backlog) < self._limit:
            self._bus.mark(self, full=False)
        return records

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def positions(self) -> Positions:
        return dict(self._positions)

    async def follow(self, partitions: Sequence[Partition], since: int) -> Positions:
        logs = {place: self._bus.logs[place] for place in partitions if place not in self._share.held}
        self._share.held.update(logs)
        self.begin(list(logs), {place: kept.offset_at(since) for place, kept in logs.items()})
        self.wake()
        return {place: kept.end for place, kept in logs.items()}

    async def leave(self, partitions: Sequence[Partition]) -> None:
        held = self._share.held.intersection(partitions)
        self._share.held -= held
        self.end(sorted(held))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._share.leave(self._group)
        self._bus.forget(self)
        self.wake()

    # --- what the bus and the group call

    def push(self, record: Record) -> None:
        if len(self._backlog) >= self._limit and is_resend(record) and isinstance(self._backlog, Lossless):
            self._bus.count_dropped(1)
            return
        self._backlog.push(record)
        if len(self._backlog) >= self._limit:
            self._bus.mark(self, full=True)
        if self._waiter is not None:
            self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def shed(self) -> None:
        self._bus.count_dropped(self._backlog.shed())
        if len(self._backlog) < self._limit:
            self._bus.mark(self, full=False)

    def begin(self, partitions: Sequence[Partition], positions: Positions) -> None:
        for place in partitions:
            kept = self._bus.logs[place]
            first = min(max(positions.get(place, self._first(place, kept)), kept.begin), kept.end)
            self._positions[place] = first
            for record in kept.since(first):
                self._backlog.push(record)
        self._limit = self._bus.full + len(self._backlog)
        self._bus.flow(self, partitions)

    def _first(self, place: Partition, kept: Log) -> int:
        if self._start == "beginning":
            return kept.begin
        return self._start.get(place, kept.begin) if isinstance(self._start, Mapping) else kept.end

    def end(self, partitions: Sequence[Partition]) -> Positions:
        self._bus.halt(self, partitions)
        self._backlog.discard(frozenset(partitions))
        return {place: self._positions.pop(place) for place in partitions}


class MemoryMembership:
    """A share without data (port.Membership): a task of its own tells the member of changes."""

    def __init__(self, bus: "MemoryBus") -> None:
        self.changed = asyncio.Event()
        self._bus = bus
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._share: Share
        self._group: Group

    async def open(self, share: Share, group: Group) -> None:
        self._share, self._group = share, group
        group.add(share)
        try:
            await share.settle(group)
        except BaseException:
            await self.close()
            raise
        self._task = asyncio.create_task(self._run())

    def certain(self) -> bool:
        """The members are one process: what stands still, stands still for all of them."""
        return True

    async def _run(self) -> None:
        while True:
            await self.changed.wait()
            self.changed.clear()
            try:
                await self._share.settle(self._group)
            except Exception:
                log.exception("a group member's callback failed")
                await self._bus.clock.real_sleep(RETRY_S)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._share.leave(self._group)
        self._bus.forget(self)
