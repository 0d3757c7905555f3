"""Hours in which a rule counts: ``Mo-Fr 07:00-19:00``, in the manner of OpenStreetMap's ``opening_hours``."""

import re
from dataclasses import dataclass

from insula.building.local_time import LocalTime

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


@dataclass(frozen=True, slots=True)
class Hours:
    spans: tuple[Span, ...]

    def include(self, local: LocalTime) -> bool:
        """Whether it is such an hour now."""
        return any(span.includes(local) for span in self.spans)

    @property
    def times(self) -> frozenset[str]:
        """The times of day at which that may change."""
        ends = {time for span in self.spans for time in (span.begin, span.end)}
        return frozenset({"00:00", *(ends - {"24:00"})})


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
