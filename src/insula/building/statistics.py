"""Means weighted by time, of values that hold from one sample to the next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Sample:
    """A value that held from ``at`` (ms) on."""

    at: int
    value: float


@dataclass(frozen=True, slots=True)
class Total:
    """``area``: value times milliseconds; ``duration``: the milliseconds for which there was a value."""

    area: float = 0.0
    duration: int = 0

    def __add__(self, other: "Total") -> "Total":
        return Total(self.area + other.area, self.duration + other.duration)

    @property
    def mean(self) -> float | None:
        """None when there was no value at any time."""
        return self.area / self.duration if self.duration else None


def total(samples: Sequence[Sample], start: int, end: int, hold_ms: float) -> Total:
    """What one point's samples (in order of time) add up to between ``start`` and ``end``.

    A value holds until the next sample, but no longer than ``hold_ms``: a sensor that went silent does not weigh
    on the mean for ever. The sample before ``start`` counts for as much of the window as it holds.
    """
    area, duration = 0.0, 0
    for sample, following in pairwise([*samples, Sample(end, 0.0)]):
        begin = max(sample.at, start)
        until = min(following.at, end, sample.at + hold_ms)
        if until > begin:
            area += sample.value * (until - begin)
            duration += int(until - begin)
    return Total(area, duration)


def mean(series: Iterable[Sequence[Sample]], start: int, end: int, hold_ms: float) -> float | None:
    """The mean over several points, each weighted by the time for which it had a value; None if none had one."""
    return sum((total(samples, start, end, hold_ms) for samples in series), Total()).mean
