"""The hours of a rule: days, midnight, changes of the clocks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insula.building.hours import DAYS, parse_hours
from insula.building.local_time import local_time, next_passing
from tests.a_room import HOUR, MINUTE, ZONE, local


def counts(text: str, at: str) -> bool:
    hours = parse_hours(text)
    assert hours is not None
    return hours.include(local_time(local(at), ZONE))


@pytest.mark.parametrize(
    ("text", "at", "included"),
    [
        ("Mo-Fr 07:00-19:00", "2026-03-11 07:00", True),
        ("Mo-Fr 07:00-19:00", "2026-03-11 06:59", False),
        ("Mo-Fr 07:00-19:00", "2026-03-11 19:00", False),
        ("Mo-Fr 07:00-19:00", "2026-03-14 12:00", False),
        ("07:00-19:00", "2026-03-14 12:00", True),
        ("Sa-Su", "2026-03-15 23:59", True),
        ("Sa-Mo", "2026-03-16 00:00", True),
        ("Sa-Mo", "2026-03-17 00:00", False),
        ("Mo,We 08:00-12:00,13:00-24:00", "2026-03-11 12:30", False),
        ("Mo,We 08:00-12:00,13:00-24:00", "2026-03-11 23:59", True),
        ("Mo-Th 08:00-10:00; Fr 09:00-10:00", "2026-03-13 08:30", False),
        # The night from Friday to Saturday belongs to Friday.
        ("Fr 22:00-06:00", "2026-03-13 21:59", False),
        ("Fr 22:00-06:00", "2026-03-13 22:00", True),
        ("Fr 22:00-06:00", "2026-03-14 05:59", True),
        ("Fr 22:00-06:00", "2026-03-14 06:00", False),
        ("Fr 22:00-06:00", "2026-03-13 05:00", False),
        ("Su 22:00-06:00", "2026-03-16 05:00", True),
    ],
)
def test_hours(text: str, at: str, included: bool) -> None:
    assert counts(text, at) is included


@pytest.mark.parametrize(
    "text", ["Mo-Xx 07:00-08:00", "always", "Mo 7:00-8:00", "Mo 07:00", "Mo 08:00-08:00", "Mo 07:00-24:30", "Mo,", ";"]
)
def test_what_are_no_hours(text: str) -> None:
    with pytest.raises(ValueError, match="such as Mo-Fr"):
        parse_hours(text)


def test_no_hours_are_always() -> None:
    assert parse_hours(" ") is None


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.integers(local("2026-03-27 00:00") // MINUTE, local("2026-03-31 00:00") // MINUTE),
)
def test_they_change_only_at_the_moments_they_name(days: list[str], begin: int, end: int, minute: int) -> None:
    """Over the night in which the clocks go forward, too."""
    if begin == end:
        return
    text = f"{','.join(days)} {begin // 60:02d}:{begin % 60:02d}-{end // 60:02d}:{end % 60:02d}"
    hours = parse_hours(text)
    assert hours is not None
    now = minute * MINUTE
    change = next_passing(now, hours.times, ZONE)
    assert change is not None
    answers = {hours.include(local_time(at, ZONE)) for at in range(now, change, MINUTE)}
    assert len(answers) == 1


def test_an_hour_that_the_clocks_repeat_counts_twice() -> None:
    hours = parse_hours("02:00-03:00")
    assert hours is not None
    start = local("2026-10-25 00:00")
    counted = [at for at in range(start, start + 6 * HOUR, MINUTE) if hours.include(local_time(at, ZONE))]
    assert len(counted) == 120
