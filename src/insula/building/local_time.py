"""The building's local time, as rules see it, and the moments at which it passes a time of day.

Safe over changes of the clocks: a time that the spring skips counts as passed at the jump, and in autumn the
repeated hour is passed twice.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTE_MS = 60_000
DAY_MINUTES = 24 * 60


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
    if not times:
        return None
    minute = now // MINUTE_MS
    passings = _passings(minute // DAY_MINUTES, times, zone)
    return passings[bisect_right(passings, minute)] * MINUTE_MS


@lru_cache(maxsize=4096)
def _local_minute(minute: int, zone: ZoneInfo) -> LocalTime:
    local = datetime.fromtimestamp(minute * 60, zone)
    return LocalTime(f"{local:%H:%M}", local.isoweekday(), local.month)


@lru_cache(maxsize=4096)
def _local_day(minute: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(minute * 60, zone).date()


@lru_cache(maxsize=256)
def _passings(day: int, times: frozenset[str], zone: ZoneInfo) -> tuple[int, ...]:
    """In order, from before to after a day (of UTC, counted since 1970): the moments, in minutes, and the changes of
    the clocks between them."""
    start = datetime.fromtimestamp(day * DAY_MINUTES * 60, zone)
    moments = sorted(set(_moments(start, times, zone)))
    changes = (_clock_change(before, after, zone) for before, after in pairwise(moments))
    return tuple(sorted({*moments, *changes}))


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
