"""Local time and its passings, over changes of the clocks too."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.building.local_time import local_time, next_passing
from tests.a_room import HOUR, MINUTE, ZONE, local

RULE_TIMES = frozenset({"07:00", "19:00"})


def test_what_rules_see() -> None:
    assert local_time(local("2026-03-11 07:05") + 59_999, ZONE) == ("07:05", 3, 3)


@pytest.mark.parametrize(
    ("now", "passing"),
    [
        ("2026-03-11 06:59", "2026-03-11 07:00"),
        ("2026-03-11 07:00", "2026-03-11 07:01"),
        ("2026-03-11 07:01", "2026-03-11 19:00"),
        ("2026-03-11 19:01", "2026-03-12 00:00"),
        ("2026-03-12 00:01", "2026-03-12 07:00"),
        ("2026-12-31 23:59", "2027-01-01 00:00"),
    ],
)
def test_the_next_passing(now: str, passing: str) -> None:
    assert next_passing(local(now) + 500, RULE_TIMES, ZONE) == local(passing)


def test_no_times_no_passing() -> None:
    assert next_passing(0, frozenset(), ZONE) is None


def test_a_time_that_spring_skips_is_passed_at_the_jump() -> None:
    jump = local("2026-03-29 03:00")
    assert next_passing(jump - HOUR, frozenset({"02:30"}), ZONE) == jump
    assert local_time(jump - 1, ZONE).text == "01:59"
    assert local_time(jump, ZONE).text == "03:00"


def test_autumns_repeated_hour_is_passed_twice() -> None:
    now = local("2026-10-25 01:00")
    passed = []
    for _ in range(6):
        now = next_passing(now, frozenset({"02:30"}), ZONE)
        passed.append(local_time(now, ZONE).text)
    assert passed[:5] == ["02:30", "02:31", "02:00", "02:30", "02:31"]


@given(
    st.integers(1_735_689_600, 1_830_000_000),
    st.frozensets(st.sampled_from(["00:00", "02:00", "02:30", "07:00", "23:59"]), min_size=1),
    st.sampled_from(["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_no_comparison_changes_before_the_passing(second: int, times: frozenset[str], name: str) -> None:
    zone, now = ZoneInfo(name), second * 1000

    def comparisons(moment: int) -> list[tuple[bool, bool]]:
        text = local_time(moment, zone).text
        return [(text < time, text <= time) for time in sorted(times)]

    passing = next_passing(now, times, zone)
    assert passing is not None
    assert now < passing <= now + 25 * HOUR
    for moment in range(now, passing, 10 * MINUTE):
        assert comparisons(moment) == comparisons(now)
    assert comparisons(passing - 1) == comparisons(now)
