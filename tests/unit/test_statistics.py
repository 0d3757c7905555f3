"""Means weighted by time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.building.statistics import Sample, mean, total

FOREVER = float("inf")


def test_a_value_weighs_as_long_as_it_held() -> None:
    samples = [Sample(0, 20.0), Sample(10, 30.0)]
    assert mean([samples], 0, 40, FOREVER) == pytest.approx((20 * 10 + 30 * 30) / 40)


def test_the_value_before_the_window_counts_for_the_part_it_still_held() -> None:
    assert mean([[Sample(-50, 10.0), Sample(50, 20.0)]], 0, 100, FOREVER) == pytest.approx(15.0)


def test_a_silent_sensor_weighs_only_as_long_as_its_value_is_fresh() -> None:
    assert total([Sample(0, 10.0), Sample(90, 20.0)], 0, 100, hold_ms=30).duration == 40
    assert mean([[Sample(0, 10.0), Sample(90, 20.0)]], 0, 100, 30) == pytest.approx((10 * 30 + 20 * 10) / 40)


def test_sensors_weigh_by_the_time_for_which_they_had_a_value() -> None:
    assert mean([[Sample(0, 10.0)], [Sample(75, 20.0)]], 0, 100, FOREVER) == pytest.approx(12.0)


def test_zero_is_a_value_and_nothing_is_none() -> None:
    assert mean([[Sample(0, 0.0)]], 0, 10, FOREVER) == 0.0
    assert mean([], 0, 10, FOREVER) is None
    assert mean([[Sample(-100, 5.0)]], 0, 10, hold_ms=100) is None
    assert mean([[Sample(10, 5.0)]], 0, 10, FOREVER) is None


samples = st.lists(
    st.builds(Sample, st.integers(-1000, 1000), st.floats(-50, 50)), min_size=1, unique_by=lambda sample: sample.at
).map(lambda found: sorted(found, key=lambda sample: sample.at))


@given(samples, st.integers(1, 500))
def test_a_mean_lies_between_the_least_and_the_greatest_value(found: list[Sample], hold_ms: int) -> None:
    value = mean([found], 0, 900, hold_ms)
    values = [sample.value for sample in found]
    assert value is None or min(values) - 1e-9 <= value <= max(values) + 1e-9


@given(samples, st.integers(1, 899))
def test_two_halves_of_a_window_add_up_to_the_whole(found: list[Sample], middle: int) -> None:
    halves = total(found, 0, middle, 300) + total(found, middle, 900, 300)
    whole = total(found, 0, 900, 300)
    assert halves.duration == whole.duration
    assert halves.area == pytest.approx(whole.area, abs=1e-6)
