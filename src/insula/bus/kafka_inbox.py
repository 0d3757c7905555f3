"""Between a consumer's thread, which fills it, and the event loop, which empties it."""

import asyncio
from collections.abc import Collection, Sequence
from threading import Event, Lock

from insula.bus.backlog import Backlog
from insula.bus.port import Partition, Record


class Inbox:
    """``full``: from so many records on, the thread is to wait until half of them are taken."""

    def __init__(self, backlog: Backlog, full: int) -> None:
        self._backlog = backlog
        self._full = full
        self._lock = Lock()
        self._room = Event()
        self._room.set()
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._backlog)

    @property
    def full(self) -> bool:
        return not self._room.is_set()

    # --- the consumer's thread

    def put(self, records: Sequence[Record]) -> None:
        with self._lock:
            for record in records:
                self._backlog.push(record)
            if len(self._backlog) >= self._full:
                self._room.clear()
        self._loop.call_soon_threadsafe(self.wake)

    def wait_for_room(self, seconds: float) -> bool:
        return self._room.wait(seconds)

    # --- the event loop

    def take(self, limit: int) -> list[Record]:
        with self._lock:
            records = self._backlog.take(limit)
            if len(self._backlog) <= self._full // 2:
                self._room.set()
        return records

    def discard(self, partitions: Collection[Partition]) -> None:
        with self._lock:
            self._backlog.discard(partitions)
            if len(self._backlog) <= self._full // 2:
                self._room.set()

    async def wait(self) -> None:
        """Until something was put, or ``wake`` called."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def release(self) -> None:
        """Nobody takes any more: neither side is to wait."""
        self._room.set()
        self.wake()
