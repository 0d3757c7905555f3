"""Roll-ups: what a point's values came to in each window of time, from its samples or from finer roll-ups."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Protocol
from zoneinfo import ZoneInfo

from insula.building.statistics import Sample
from insula.points import Role

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Rollup:
    """One window: its ``start`` (ms), and of what held in it the ``mean`` weighted by time (of a role that is 0 or 1:
    the share of the time at 1), the least, the greatest and the last. ``known``: for so many ms there was a value."""

    start: int
    mean: float
    minimum: float
    maximum: float
    last: float
    known: int

    def value(self, role: Role) -> float:
        """The one number to show: the last where a mean means nothing (a meter, a mode)."""
        return self.last if role.average in ("last", "none") else self.mean


class Windows(Protocol):
    """How time is cut: every moment (ms) is in one window."""

    def window(self, at: int) -> tuple[int, int]:
        """Start and end (not in it) of the window that ``at`` is in."""


@dataclass(frozen=True, slots=True)
class Even:
    """Windows of ``width`` ms, counted from 1970 UTC."""

    width: int

    def window(self, at: int) -> tuple[int, int]:
        start = at - at % self.width
        return start, start + self.width


@dataclass(frozen=True, slots=True)
class LocalDays:
    """Windows of so many days of a place; one with a change to or from summer time has an hour less or more."""

    zone: ZoneInfo
    count: int = 1

    def window(self, at: int) -> tuple[int, int]:
        day = datetime.fromtimestamp(at / 1000, self.zone).date()
        first = date.fromordinal(day.toordinal() - day.toordinal() % self.count)
        return self._midnight(first), self._midnight(first + timedelta(days=self.count))

    def _midnight(self, day: date) -> int:
        return round(datetime.combine(day, time(), self.zone).astimezone(UTC).timestamp() * 1000)


FIVE_MINUTES = Even(5 * MINUTE_MS)
HOURS = Even(HOUR_MS)


class _Sum:
    """A window while it is added up."""

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.area = 0.0
        self.known = 0
        self.minimum = float("inf")
        self.maximum = float("-inf")
        self.last = 0.0

    def held(self, value: float, duration: int) -> None:
        self.area += value * duration
        self.known += duration
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)
        self.last = value

    def add(self, part: Rollup) -> None:
        self.area += part.mean * part.known
        self.known += part.known
        self.minimum = min(self.minimum, part.minimum)
        self.maximum = max(self.maximum, part.maximum)
        self.last = part.last

    def rollup(self) -> Rollup:
        # Rounding must not put the mean of equal values beside them.
        mean = min(max(self.area / self.known, self.minimum), self.maximum)
        return Rollup(self.start, mean, self.minimum, self.maximum, self.last, self.known)


def roll_up(samples: Sequence[Sample], start: int, end: int, hold_ms: int, windows: Windows) -> list[Rollup]:
    """The windows between ``start`` and ``end`` in which one point's samples (in order of time) had a value.

    A value holds until the next sample, but no longer than ``hold_ms``, as in ``statistics.total``.
    """
    sums: list[_Sum] = []
    for sample, following in pairwise([*samples, Sample(end, 0.0)]):
        begin = max(sample.at, start)
        until = min(following.at, end, sample.at + hold_ms)
        while begin < until:
            if not sums or begin >= sums[-1].end:
                sums.append(_Sum(*windows.window(begin)))
            stop = min(until, sums[-1].end)
            sums[-1].held(sample.value, stop - begin)
            begin = stop
    return [one.rollup() for one in sums]


def combine(parts: Iterable[Rollup], windows: Windows) -> list[Rollup]:
    """Finer roll-ups, in order of time, as coarser ones; of several points: each weighs as long as it was known.

    A finer window belongs to the coarser one in which it starts.
    """
    sums: list[_Sum] = []
    for part in parts:
        if not sums or part.start >= sums[-1].end:
            sums.append(_Sum(*windows.window(part.start)))
        sums[-1].add(part)
    return [one.rollup() for one in sums]
