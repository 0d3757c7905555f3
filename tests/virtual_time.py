"""Time that passes only when nobody has anything left to do: hours in milliseconds, the same each time."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from insula.clock import LOOK_AGAIN_S, SystemClock

Answer = TypeVar("Answer")


class _Selector(selectors.SelectSelector):
    """Has no events: waiting for them is what makes time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        self.elapsed += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop without sockets, whose time is virtual."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.elapsed


class HostClock(SystemClock):
    """A machine's clock on virtual time, which somebody may set."""

    def __init__(self, start: int) -> None:
        self.start = start
        self._loop_time: Callable[[], float] = asyncio.get_running_loop().time
        self._sleepers: set[asyncio.Future[None]] = set()
        self._set: set[asyncio.Future[None]] = set()
        super().__init__()

    def real(self) -> int:
        return self.start + round(self._loop_time() * 1000)

    async def set(self, seconds: float) -> None:
        """Forwards or back; all notice it as they do with a real one."""
        self.start += round(seconds * 1000)
        await asyncio.sleep(LOOK_AGAIN_S)
        for waiting in (*self._sleepers, *self._set):
            _wake(waiting)

    async def sleep_until(self, moment: int) -> None:
        """As the real one, but it does not look twice a second: ``set`` wakes it."""
        loop = asyncio.get_running_loop()
        while (left := moment - self.now()) > 0:
            woken = loop.create_future()
            self._sleepers.add(woken)
            timer = loop.call_later(left / 1000, _wake, woken)
            try:
                await woken
            finally:
                timer.cancel()
                self._sleepers.discard(woken)

    async def was_set(self) -> None:
        told = asyncio.get_running_loop().create_future()
        self._set.add(told)
        try:
            await told
        finally:
            self._set.discard(told)


def _wake(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """What ``asyncio.run`` does, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
