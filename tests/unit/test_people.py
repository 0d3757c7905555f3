"""Who is where: an office's days, the same each time they are asked for."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.simulator.people import USES, Stay, Timetable, day_plan

MONDAY = date(2026, 1, 5)
days = st.integers(0, 365).map(lambda number: MONDAY + timedelta(days=number))


@given(st.integers(), st.integers(1, 9999), days)
def test_a_day_is_the_same_each_time(seed: int, room: int, day: date) -> None:
    assert day_plan(seed, room, day) == day_plan(seed, room, day)


@given(st.integers(), st.integers(1, 9999), days, st.sampled_from(["office", *USES]))
def test_stays_are_in_order_and_within_the_day(seed: int, room: int, day: date, use: str) -> None:
    plan = day_plan(seed, room, day, use)
    assert all(5 * 60 < stay.begin < stay.end < 24 * 60 and 1 <= stay.people <= 8 for stay in plan)
    assert all(one.end <= other.begin for one, other in pairwise(plan))


def test_other_seeds_rooms_and_days_are_other_days() -> None:
    plans = {
        day_plan(1, 1, MONDAY),
        day_plan(2, 1, MONDAY),
        day_plan(1, 2, MONDAY),
        day_plan(1, 1, MONDAY.replace(day=6)),
    }
    assert len(plans) == 4


def test_the_plan_of_a_day_does_not_change_between_versions() -> None:
    """The seed names a building's life: bench and chaos runs are compared across versions."""
    assert day_plan(1, 10, MONDAY) == (
        Stay(begin=566, end=585, people=1),
        Stay(begin=585, end=645, people=2),
        Stay(begin=645, end=656, people=1),
        Stay(begin=707, end=713, people=1),
        Stay(begin=746, end=1046, people=1),
    )


def test_workdays_are_busy_and_weekends_quiet() -> None:
    present = [sum(bool(day_plan(7, room, MONDAY + timedelta(days=day))) for room in range(200)) for day in (0, 5)]
    assert present[0] > 160
    assert present[1] < 25


def test_meeting_rooms_are_used_for_some_hours_and_guests_are_rare() -> None:
    def hours(use: str) -> list[float]:
        plans = [day_plan(7, room, MONDAY, use) for room in range(200)]
        return [sum(stay.end - stay.begin for stay in plan) / 60 for plan in plans]

    assert 1 < sum(hours("meeting")) / 200 < 4
    assert 40 < sum(map(bool, hours("guest"))) < 80
    assert (
        day_plan(7, 1, MONDAY + timedelta(days=5), "meeting")
        == day_plan(7, 1, MONDAY + timedelta(days=5), "guest")
        == ()
    )


def test_a_room_is_used_as_it_is_said() -> None:
    timetable = Timetable(7, "UTC", {1: "meeting"})
    begin = day_plan(7, 1, MONDAY, "meeting")[0].begin
    assert timetable.people(1, MONDAY, begin) >= 3


def test_most_are_there_in_the_morning_and_fewer_at_lunch() -> None:
    def there(minute: int) -> int:
        plans = [day_plan(3, room, MONDAY) for room in range(200)]
        return sum(any(stay.begin <= minute < stay.end for stay in plan) for plan in plans)

    assert there(4 * 60) == 0
    assert there(11 * 60) > 130
    assert there(12 * 60 + 40) < 90


@pytest.mark.parametrize(("zone", "minute"), [("UTC", 9 * 60), ("Europe/Paris", 10 * 60), ("America/New_York", 4 * 60)])
def test_the_day_is_the_buildings_local_one(zone: str, minute: int) -> None:
    assert Timetable(1, zone).local(1_767_603_600_000) == (MONDAY, minute)


def test_the_timetable_follows_the_plan() -> None:
    timetable = Timetable(1, "UTC")
    stay = day_plan(1, 10, MONDAY)[0]
    counts = [timetable.people(10, MONDAY, minute) for minute in (stay.begin - 1, stay.begin, stay.end - 1)]
    assert counts == [0, stay.people, stay.people]
    assert timetable.people(10, MONDAY + timedelta(days=1), 3 * 60) == 0
