"""When to look again: one heap of moments, on either of the clock's two times."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Moments(Generic[Key]):
    """For each key the earliest moment (ms) asked for since it last came due."""

    def __init__(self, now: Callable[[], int], sleep_until: Callable[[int], Awaitable[None]]) -> None:
        self._now = now
        self._sleep_until = sleep_until
        self._heap: list[tuple[int, int, Key]] = []
        self._due: dict[Key, int] = {}
        self._count = 0
        self._earlier = asyncio.Event()

    def add(self, moment: int, key: Key) -> None:
        if moment >= self._due.get(key, moment + 1):
            return
        self._due[key] = moment
        self._count += 1
        heapq.heappush(self._heap, (moment, self._count, key))
        if self._heap[0][1] == self._count:
            self._earlier.set()

    async def due(self) -> list[tuple[int, Key]]:
        """Waits for the first moment; gives each that is reached, with its key."""
        while not (reached := self.reached()):
            self._earlier.clear()
            await self._wait()
        return reached

    def first(self) -> int | None:
        """The first moment that is asked for; None: there is none."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def reached(self) -> list[tuple[int, Key]]:
        """Those that have come by now, each with its key."""
        reached = []
        while self._heap and self._heap[0][0] <= self._now():
            moment, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == moment:
                del self._due[key]
                reached.append((moment, key))
        return reached

    async def _wait(self) -> None:
        """Until the first moment is reached, or an earlier one was added."""
        waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._earlier.wait())]
        if self._heap:
            waits.append(asyncio.ensure_future(self._sleep_until(self._heap[0][0])))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
