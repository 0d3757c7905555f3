"""Hours in which a rule counts: ``Mo-Fr 07:00-19:00``, in the manner of OpenStreetMap's ``opening_hours``."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from insula.building.local_time import MINUTE_MS, LocalTime, local_date

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d|24:00)")
EXAMPLE = "such as Mo-Fr 07:00-19:00; Sa 09:00-12:00"


@dataclass(frozen=True, slots=True)
class Span:
    """From ``begin`` to before ``end`` (``HH:MM``) of these days (1 = Monday); an ``end`` that is not later is of the
    day after."""

    days: frozenset[int]
    begin: str
    end: str

    def includes(self, local: LocalTime) -> bool:
        if self.begin < self.end:
            return local.weekday in self.days and self.begin <= local.text < self.end
        day_before = (local.weekday - 2) % 7 + 1
        return (local.weekday in self.days and local.text >= self.begin) or (
            day_before in self.days and local.text < self.end
        )


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """Compared by identity: what follows from them is cached by them, and a hash of all their spans takes long."""

    spans: tuple[Span, ...]

    def include(self, local: LocalTime) -> bool:
        """Whether it is such an hour now."""
        return any(span.includes(local) for span in self.spans)

    def next_begin(self, now: int, zone: ZoneInfo) -> int:
        """The first moment after ``now`` (ms) at which such hours begin."""
        return _next_begin(self, now // MINUTE_MS, zone)

    @property
    def times(self) -> frozenset[str]:
        """The times of day at which that may change."""
        ends = {time for span in self.spans for time in (span.begin, span.end)}
        return frozenset({"00:00", *(ends - {"24:00"})})


@lru_cache(maxsize=1024)
def _next_begin(hours: Hours, minute: int, zone: ZoneInfo) -> int:
    today = local_date(minute * MINUTE_MS, zone)
    begins = (
        round(datetime.combine(day, time.fromisoformat(span.begin), zone).timestamp()) // 60
        for day in (today + timedelta(days) for days in range(9))
        for span in hours.spans
        if day.isoweekday() in span.days
    )
    return min(begin for begin in begins if begin > minute) * MINUTE_MS


def parse_hours(text: str) -> Hours | None:
    """Groups with ``;`` between them, each with days, times or both (``Mo-We,Fr 08:00-12:00,13:00-17:00``). None for an
    empty text: always. Raises ValueError."""
    if not text.strip():
        return None
    return Hours(tuple(span for group in text.split(";") for span in _group(group.strip())))


def _group(group: str) -> list[Span]:
    days, _, times = group.partition(" ")
    if days[:1].isdigit():
        days, times = "Mo-Su", group
    which = frozenset(day for part in days.split(",") for day in _days(part.strip()))
    return [_span(which, part.strip()) for part in (times or "00:00-24:00").split(",")]


def _days(text: str) -> list[int]:
    first, dash, last = text.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise ValueError(f"{text!r} names no days: {', '.join(DAYS)}, {EXAMPLE}")
    begin, end = DAYS.index(first), DAYS.index(last) if dash else DAYS.index(first)
    return [(begin + day) % 7 + 1 for day in range((end - begin) % 7 + 1)]


def _span(days: frozenset[int], text: str) -> Span:
    begin, _, end = text.partition("-")
    if not _SPAN.fullmatch(text) or begin == end:
        raise ValueError(f"{text!r} is no time from and to, {EXAMPLE}")
    return Span(days, begin, end)
