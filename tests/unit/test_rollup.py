"""Roll-ups: means weighted by time, and roll-ups of roll-ups."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insula.building.rollup import FIVE_MINUTES, HOUR_MS, HOURS, Even, LocalDays, Rollup, combine, roll_up
from insula.building.statistics import Sample, total
from insula.points import role

PARIS = ZoneInfo("Europe/Paris")
MINUTE = 60_000


def at(text: str, zone: ZoneInfo = PARIS) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def test_a_window_has_mean_extremes_last_and_how_long_it_was_known() -> None:
    samples = [Sample(0, 20.0), Sample(2 * MINUTE, 26.0), Sample(4 * MINUTE, 21.0)]
    (first,) = roll_up(samples, 0, 5 * MINUTE, 30 * MINUTE, FIVE_MINUTES)
    assert first == Rollup(0, pytest.approx(22.6), 20.0, 26.0, 21.0, 5 * MINUTE)


def test_a_value_is_carried_into_later_windows_while_it_holds() -> None:
    windows = roll_up([Sample(MINUTE, 7.0)], 0, HOUR_MS, 12 * MINUTE, FIVE_MINUTES)
    assert [(one.start // MINUTE, one.known // MINUTE) for one in windows] == [(0, 4), (5, 5), (10, 3)]
    assert {(one.mean, one.minimum, one.maximum, one.last) for one in windows} == {(7.0, 7.0, 7.0, 7.0)}


def test_a_window_without_a_value_is_not_there() -> None:
    assert roll_up([], 0, HOUR_MS, MINUTE, FIVE_MINUTES) == []
    windows = roll_up([Sample(0, 0.0), Sample(20 * MINUTE, 0.0)], 0, HOUR_MS, MINUTE, FIVE_MINUTES)
    assert [(one.start // MINUTE, one.mean, one.known) for one in windows] == [(0, 0.0, MINUTE), (20, 0.0, MINUTE)]


def test_of_motion_the_mean_is_the_share_of_time_at_one() -> None:
    samples = [Sample(0, 1.0), Sample(15 * MINUTE, 0.0), Sample(30 * MINUTE, 0.0)]
    (hour,) = roll_up(samples, 0, HOUR_MS, 30 * MINUTE, HOURS)
    assert (hour.mean, hour.maximum, hour.last, hour.value(role("motion"))) == (0.25, 1.0, 0.0, 0.25)


def test_of_a_meter_the_last_value_is_shown() -> None:
    meter = Rollup(0, 10.5, 10.0, 11.0, 11.0, HOUR_MS)
    assert (meter.value(role("energy")), meter.value(role("power"))) == (11.0, 10.5)


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-01-15", 24), ("2026-03-29", 23), ("2026-10-25", 25)], ids=["plain", "spring", "autumn"]
)
def test_a_day_is_the_places_own(day: str, hours: int) -> None:
    start, end = LocalDays(PARIS).window(at(f"{day}T12:00"))
    assert (start, end - start) == (at(f"{day}T00:00"), hours * HOUR_MS)
    assert LocalDays(PARIS).window(end - 1) == (start, end)
    assert LocalDays(PARIS).window(end)[0] == end


def test_several_days_make_one_window() -> None:
    start, end = LocalDays(PARIS, 7).window(at("2026-03-29T12:00"))
    assert LocalDays(PARIS, 7).window(end)[0] == end
    assert end - start in (7 * 24 * HOUR_MS, 7 * 24 * HOUR_MS - HOUR_MS)


START = at("2026-03-28T00:00")
samples = st.lists(
    st.tuples(st.integers(-HOUR_MS, 50 * HOUR_MS), st.floats(-50, 50)),
    min_size=1,
    max_size=40,
    unique_by=lambda s: s[0],
).map(lambda found: [Sample(START + since, value) for since, value in sorted(found)])
holds = st.integers(1, 30 * HOUR_MS)
END = START + 47 * HOUR_MS
"""Two days of Paris: the second has 23 hours."""


def same(found: list[Rollup], expected: list[Rollup]) -> None:
    assert [(r.start, r.minimum, r.maximum, r.last, r.known) for r in found] == [
        (r.start, r.minimum, r.maximum, r.last, r.known) for r in expected
    ]
    assert [r.mean for r in found] == pytest.approx([r.mean for r in expected], abs=1e-9)


@settings(deadline=None)
@given(samples, holds)
def test_a_rollup_of_rollups_is_the_rollup_of_the_samples(found: list[Sample], hold_ms: int) -> None:
    five = roll_up(found, START, END, hold_ms, FIVE_MINUTES)
    hours = combine(five, HOURS)
    same(hours, roll_up(found, START, END, hold_ms, HOURS))
    days = LocalDays(PARIS)
    same(combine(hours, days), roll_up(found, START, END, hold_ms, days))
    same(combine(five, days), combine(hours, days))


@settings(deadline=None)
@given(samples, holds, st.integers(1, 47 * 12 - 1))
def test_it_can_be_made_in_steps(found: list[Sample], hold_ms: int, step: int) -> None:
    middle = START + step * 5 * MINUTE
    parts = [
        *roll_up(found, START, middle, hold_ms, FIVE_MINUTES),
        *roll_up(found, middle, END, hold_ms, FIVE_MINUTES),
    ]
    assert parts == roll_up(found, START, END, hold_ms, FIVE_MINUTES)


@settings(deadline=None)
@given(samples, holds)
def test_it_agrees_with_the_mean_weighted_by_time(found: list[Sample], hold_ms: int) -> None:
    whole = total(found, START, END, hold_ms)
    rolled = roll_up(found, START, END, hold_ms, Even(7 * MINUTE))
    assert sum(one.known for one in rolled) == whole.duration
    assert sum(one.mean * one.known for one in rolled) == pytest.approx(whole.area, rel=1e-6, abs=1e-3)
