"""Two times: the building's, which may run fast or be set by a test, and the real one.

Measured times, rules, leases, freshness, Log and re-sends follow ``now``; ``at``, expiry, HTTP waits, back-off
and the telegram limit follow ``real`` and ``real_sleep``.
"""

import asyncio
import heapq
import time
from typing import Protocol

LOOK_AGAIN_S = 0.5
"""Somebody may set the machine's clock meanwhile: who sleeps notices within so long (real time)."""
SET_BY_S = 0.5
"""A clock that is corrected by less in one go was not set: machines that are told the time do that all day."""


class Clock(Protocol):
    """Times in whole milliseconds since 1970 UTC; durations in seconds."""

    def now(self) -> int:
        """The building's time."""

    def real(self) -> int: ...

    def building(self, real: int) -> int:
        """The building's time at a moment ``real`` of the real one."""

    async def sleep_until(self, moment: int) -> None:
        """Until the building's time is ``moment``; returns at once if it is past."""

    async def sleep(self, seconds: float) -> None:
        """For so many seconds of the building's time."""

    async def real_sleep(self, seconds: float) -> None: ...

    async def was_set(self) -> None:
        """Until somebody sets it, forwards or back."""


class SystemClock:
    """The machine's clock. The building's time was ``epoch`` at the real moment ``anchor`` (both ms; None: now) and
    runs ``speed`` times as fast: processes given the same three share one time."""

    def __init__(self, speed: float = 1.0, epoch: int | None = None, anchor: int | None = None) -> None:
        self.speed = speed
        self.anchor = self.real() if anchor is None else anchor
        self.epoch = self.anchor if epoch is None else epoch

    def now(self) -> int:
        return self.building(self.real())

    def real(self) -> int:
        return time.time_ns() // 1_000_000

    def building(self, real: int) -> int:
        return self.epoch + int((real - self.anchor) * self.speed)

    async def sleep_until(self, moment: int) -> None:
        while (left := moment - self.now()) > 0:
            await asyncio.sleep(min(left / 1000 / self.speed, LOOK_AGAIN_S))

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.now() + round(seconds * 1000))

    async def real_sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def was_set(self) -> None:
        ahead, before = _ahead_s(), _ahead_s()
        while abs(ahead - before) < SET_BY_S:
            await asyncio.sleep(LOOK_AGAIN_S)
            ahead, before = _ahead_s(), ahead


def _ahead_s() -> float:
    """How far the machine's clock is ahead of the one that nobody can set."""
    return time.time() - time.monotonic()


class ManualClock:
    """A clock that stands until told to go on: for tests and rehearsals. Both of its times advance together."""

    def __init__(self, start: int = 1_767_225_600_000) -> None:
        self._now = start
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0
        self._set = asyncio.Event()

    def now(self) -> int:
        return self._now

    def real(self) -> int:
        return self._now

    def building(self, real: int) -> int:
        return real

    async def sleep_until(self, moment: int) -> None:
        if moment <= self._now:
            await asyncio.sleep(0)
            return
        self._count += 1
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (moment, self._count, future))
        await future

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self._now + round(seconds * 1000))

    async def real_sleep(self, seconds: float) -> None:
        await self.sleep(seconds)

    async def was_set(self) -> None:
        await self._set.wait()

    async def advance(self, seconds: float) -> None:
        """Go on by ``seconds``, waking each sleeper at its moment and letting what it wakes settle."""
        end = self._now + round(seconds * 1000)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now = max(self._now, self._sleepers[0][0])
            if self._wake():
                await settle()
        self._now = end
        await settle()

    async def step(self, seconds: float) -> None:
        """Somebody sets the clock, forwards or back: nothing has happened in between."""
        self._now += round(seconds * 1000)
        self._wake()
        self._set.set()
        self._set.clear()
        await settle()

    def _wake(self) -> bool:
        """Those whose moment has come, in the order in which they went to sleep; whether there were any."""
        woken = False
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
                woken = True
        return woken


async def settle(rounds: int = 30) -> None:
    """Let every task that can run do so (a bounded number of rounds of the loop)."""
    for _ in range(rounds):
        await asyncio.sleep(0)
