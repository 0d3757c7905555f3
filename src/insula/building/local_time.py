"""The building's local time, as rules see it, and the moments at which it passes a time of day.

Safe over changes of the clocks: a time that the spring skips counts as passed at the jump, and in autumn the
repeated hour is passed twice.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTE_MS = 60_000


class LocalTime(NamedTuple):
    """``text`` is ``HH:MM``; ``weekday`` 1 = Monday ... 7 = Sunday; ``month`` 1-12."""

    text: str
    weekday: int
    month: int


def local_time(now: int, zone: ZoneInfo) -> LocalTime:
    return _local_minute(now // MINUTE_MS, zone)


def local_date(now: int, zone: ZoneInfo) -> date:
    return _local_day(now // MINUTE_MS, zone)


def next_passing(now: int, times: frozenset[str], zone: ZoneInfo) -> int | None:
    """The first moment after ``now`` at which the local time becomes, or ceases to be, one of ``times``
    (``HH:MM``), or before that at midnight or when the clocks are changed. None when there are no times."""
    return _next_passing(now // MINUTE_MS, times, zone) if times else None


@lru_cache(maxsize=4096)
def _local_minute(minute: int, zone: ZoneInfo) -> LocalTime:
    local = datetime.fromtimestamp(minute * 60, zone)
    return LocalTime(f"{local:%H:%M}", local.isoweekday(), local.month)


@lru_cache(maxsize=4096)
def _local_day(minute: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(minute * 60, zone).date()


@lru_cache(maxsize=4096)
def _next_passing(minute: int, times: frozenset[str], zone: ZoneInfo) -> int:
    start = datetime.fromtimestamp(minute * 60, zone)
    passing = min(moment for moment in _moments(start, times, zone) if moment > minute)
    return _clock_change(minute, passing, zone) * MINUTE_MS


def _moments(start: datetime, times: frozenset[str], zone: ZoneInfo) -> Iterator[int]:
    """In whole minutes since 1970: midnight (``local_time`` starts again), each time and the minute after it, on the
    days around ``start``. What the clocks skip is no moment, what they repeat is two."""
    for text in {"00:00", *times}:
        for days in (-1, 0, 1, 2):
            local = datetime.combine(start.date() + timedelta(days), time.fromisoformat(text), zone)
            for fold in (0, 1):
                minute = int(local.replace(fold=fold).timestamp()) // 60
                if _local_minute(minute, zone).text == text:
                    yield minute
                    yield minute + 1


def _clock_change(after: int, until: int, zone: ZoneInfo) -> int:
    """The minute of the first change of offset in (after, until], or ``until``."""
    before = _offset(after, zone)
    if _offset(until, zone) == before:
        return until
    low, high = after, until
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(minute: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(minute * 60, zone).utcoffset()
