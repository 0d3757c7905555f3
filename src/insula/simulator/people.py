"""Who is in which room when: a day with chance, always the same for the same seed, room and day. A room's tag says what
it is used for: ``meeting``, ``guest``; others are offices."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random
from zoneinfo import ZoneInfo

WEEKEND_PRESENCE = 0.05
WORKDAY_PRESENCE = 0.9
ARRIVAL, DEPARTURE, LUNCH = 8 * 60 + 45, 17 * 60 + 30, 12 * 60 + 15
"""Usual minutes of the local day."""
SPREAD = 30.0
"""Minutes, standard deviation of each."""
OUT_MEETINGS, OUT_MINUTES = 3, (15, 75)
"""At most so many absences a day besides lunch, and how long."""
GUESTS_CHANCE, GUESTS = 0.4, (1, 4)
LATEST = 24 * 60 - 1

MEETINGS, MEETING_PEOPLE = 4, (3, 8)
"""At most so many in a meeting room on a working day, and of how many people."""
MEETING_BEGINS, MEETING_MINUTES = range(9 * 60, 17 * 60, 30), (30, 60, 60, 90, 120)
GUEST_CHANCE, GUEST_BEGINS, GUEST_MINUTES = 0.3, (9 * 60, 14 * 60), (60, 240)
"""A room for guests stands empty on most days."""


@dataclass(frozen=True, slots=True)
class Stay:
    """``people`` in the room from minute ``begin`` to before ``end`` of the local day."""

    begin: int
    end: int
    people: int


def day_plan(seed: int, room: int, day: date, use: str = "office") -> tuple[Stay, ...]:
    """A room's day: stays in order, without overlap; empty if nobody comes."""
    chance = Random(f"{seed}/{room}/{day.isoformat()}")
    return USES.get(use, _office)(chance, day)


def _office(chance: Random, day: date) -> tuple[Stay, ...]:
    presence = WORKDAY_PRESENCE if day.weekday() < 5 else WEEKEND_PRESENCE
    if chance.random() >= presence:
        return ()
    begin = round(chance.gauss(ARRIVAL, SPREAD))
    end = min(LATEST, max(begin + 60, round(chance.gauss(DEPARTURE, SPREAD))))
    staff = chance.choice((1, 1, 1, 2, 2, 3))
    people = [0] * begin + [staff] * (end - begin)
    _lunch(people, chance)
    _absences(people, chance)
    _guests(people, chance)
    return _stays(people)


def _meetings(chance: Random, day: date) -> tuple[Stay, ...]:
    people = [0] * LATEST
    for _ in range(chance.randint(0, MEETINGS) if day.weekday() < 5 else 0):
        begin, minutes, count = (
            chance.choice(MEETING_BEGINS),
            chance.choice(MEETING_MINUTES),
            chance.randint(*MEETING_PEOPLE),
        )
        if not any(people[begin : begin + minutes]):
            people[begin : begin + minutes] = [count] * minutes
    return _stays(people)


def _guest(chance: Random, day: date) -> tuple[Stay, ...]:
    if day.weekday() >= 5 or chance.random() >= GUEST_CHANCE:
        return ()
    begin = chance.randint(*GUEST_BEGINS)
    return (Stay(begin, begin + chance.randint(*GUEST_MINUTES), 1),)


def _lunch(people: list[int], chance: Random) -> None:
    begin = round(chance.gauss(LUNCH, SPREAD / 2))
    _set(people, begin, begin + chance.randint(30, 60), 0)


def _absences(people: list[int], chance: Random) -> None:
    for _ in range(chance.randint(0, OUT_MEETINGS)):
        begin = chance.randint(ARRIVAL, DEPARTURE)
        _set(people, begin, begin + chance.randint(*OUT_MINUTES), 0)


def _guests(people: list[int], chance: Random) -> None:
    """A meeting in the room, while somebody is there."""
    if chance.random() < GUESTS_CHANCE:
        begin, guests = chance.randint(ARRIVAL, DEPARTURE - 60), chance.randint(*GUESTS)
        for minute in range(begin, min(begin + 60, len(people))):
            people[minute] += guests if people[minute] else 0


def _set(people: list[int], begin: int, end: int, count: int) -> None:
    for minute in range(begin, min(end, len(people))):
        people[minute] = min(people[minute], count)


def _stays(people: list[int]) -> tuple[Stay, ...]:
    stays, begin = [], 0
    for minute in range(1, len(people) + 1):
        if minute == len(people) or people[minute] != people[begin]:
            if people[begin]:
                stays.append(Stay(begin, minute, people[begin]))
            begin = minute
    return tuple(stays)


USES = {"meeting": _meetings, "guest": _guest}
"""Kinds of use beside the office, by the room's tag."""


class Timetable:
    """How many people are in a room at a moment; remembers the plans of the day asked for last."""

    def __init__(self, seed: int, time_zone: str, uses: Mapping[int, str] | None = None) -> None:
        """``uses``: of rooms by number that are no offices."""
        self._seed = seed
        self._uses = uses or {}
        self._zone = ZoneInfo(time_zone)
        self._day = date.min
        self._plans: dict[int, tuple[Stay, ...]] = {}

    def local(self, moment: int) -> tuple[date, int]:
        """Local day and minute of it, of a moment in ms."""
        local = datetime.fromtimestamp(moment / 1000, UTC).astimezone(self._zone)
        return local.date(), local.hour * 60 + local.minute

    def people(self, room: int, day: date, minute: int) -> int:
        if day != self._day:
            self._day = day
            self._plans.clear()
        plan = self._plans.get(room)
        if plan is None:
            plan = self._plans[room] = day_plan(self._seed, room, day, self._uses.get(room, "office"))
        return next((stay.people for stay in plan if stay.begin <= minute < stay.end), 0)
