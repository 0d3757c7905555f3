"""Commands that wait for their turn on a slow field bus: the newest of each point, the most urgent first. Pure."""

import heapq
import math
from collections.abc import Callable, Container
from dataclasses import dataclass

from insula.messages import RANK, Command
from insula.points import role

Target = tuple[int, str]
"""A device and the role that a command changes: ``move`` and ``stop`` change ``position``."""


def target_of(command: Command) -> Target:
    return command.device_id, role(command.point).target


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """``repeat``: nobody's command but the cyclic repetition of the last one; nobody gets a result."""

    command: Command
    repeat: bool = False

    @property
    def urgency(self) -> tuple[bool, int, int]:
        """Sorts before what is less urgent: a stop, then by hand, then rules by rank, then repetitions."""
        by_hand = self.command.origin.by_hand and not self.repeat
        return self.command.point != "stop", (2 if self.repeat else 0 if by_hand else 1), -RANK[self.command.class_]


class PendingQueue:
    """At most one command a target."""

    def __init__(self) -> None:
        self._waiting: dict[Target, Waiting] = {}
        self._heap: list[tuple[tuple[bool, int, int], int, int, Waiting]] = []
        self._places: dict[Target, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def get(self, target: Target) -> Waiting | None:
        return self._waiting.get(target)

    def put(self, waiting: Waiting) -> Waiting | None:
        """Returns what it replaces. Of equal urgency it takes over the place too: a slider that is being moved
        would never come to its turn otherwise."""
        target = target_of(waiting.command)
        replaced = self._waiting.get(target)
        self._count += 1
        if replaced is None or replaced.urgency != waiting.urgency:
            self._places[target] = self._count
        self._waiting[target] = waiting
        heapq.heappush(self._heap, (waiting.urgency, self._places[target], self._count, waiting))
        self._tidy()
        return replaced

    def take(self, busy: Container[int] = ()) -> Waiting | None:
        """The most urgent one whose device is not ``busy``; None if there is none."""
        passed_over = []
        taken = None
        while self._heap and taken is None:
            entry = heapq.heappop(self._heap)
            waiting = entry[-1]
            if self._waiting.get(target_of(waiting.command)) is not waiting:
                continue
            if waiting.command.device_id in busy:
                passed_over.append(entry)
            else:
                taken = waiting
        for entry in passed_over:
            heapq.heappush(self._heap, entry)
        if taken is not None:
            self._forget(target_of(taken.command))
        return taken

    def remove(self, unwanted: Callable[[Command], bool]) -> list[Waiting]:
        """Takes out every one whose command is ``unwanted``."""
        removed = [waiting for waiting in self._waiting.values() if unwanted(waiting.command)]
        for waiting in removed:
            self._forget(target_of(waiting.command))
        self._tidy()
        return removed

    def _forget(self, target: Target) -> None:
        del self._waiting[target], self._places[target]

    def _tidy(self) -> None:
        """Replaced ones stay in the heap until they come up; this bounds them."""
        if len(self._heap) > 2 * len(self._waiting) + 32:
            self._heap = [entry for entry in self._heap if self._waiting.get(target_of(entry[-1].command)) is entry[-1]]
            heapq.heapify(self._heap)


class TokenBucket:
    """At most ``burst`` + ``rate`` · t telegrams in any t seconds; ``rate`` 0: no limit. Times in ms, real."""

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1000 / rate if rate > 0 else 0.0
        self._slack = self._interval * (max(1, burst) - 1)
        self._full_at = 0.0
        self._last = 0

    def wait_ms(self, now: int) -> int:
        """Milliseconds until the next telegram may be sent, 0: now."""
        if now < self._last:  # the machine's clock was set back
            self._full_at -= self._last - now
        self._last = now
        return max(0, math.ceil(self._full_at - self._slack - now))

    def take(self, now: int) -> bool:
        """Spend a token; False if there is none."""
        if self.wait_ms(now):
            return False
        self._full_at = max(self._full_at, now) + self._interval
        return True
