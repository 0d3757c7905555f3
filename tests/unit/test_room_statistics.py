"""Hours of comfort, presence and heating, from windows."""

from insula.building.rollup import HOUR_MS, Rollup
from insula.building.room_statistics import Comfort, room_hours


def windows(*means: float) -> list[Rollup]:
    """An hour each, in which the value stood still."""
    return [Rollup(at * HOUR_MS, mean, mean, mean, mean, HOUR_MS) for at, mean in enumerate(means)]


def test_hours_of_a_morning() -> None:
    of = {
        "temperature": windows(18, 20, 22, 27),
        "motion": windows(0, 1, 1, 1),
        "valve": windows(90, 90, 10, 10),
        "level": windows(0, 50, 0, 0),
    }
    hours = room_hours(of, HOUR_MS, Comfort())
    assert (hours.comfort, hours.temperature_known) == (2, 4)
    assert (hours.occupied, hours.occupied_comfort) == (3, 2)
    assert hours.empty_heated == 1
    assert (hours.valve_percent, hours.lamp_percent) == (200, 50)


def test_limits_are_within_and_heating_is_above() -> None:
    of = {"temperature": windows(19, 21), "motion": windows(0, 0), "valve": windows(30, 31)}
    hours = room_hours(of, HOUR_MS, Comfort(low=19, high=21, heated=30))
    assert (hours.comfort, hours.empty_heated) == (2, 1)


def test_what_is_not_known_counts_for_nothing() -> None:
    assert room_hours({"valve": windows(90)}, HOUR_MS, Comfort()).empty_heated == 0
    half = [Rollup(0, 20, 20, 20, 20, HOUR_MS // 2)]
    assert room_hours({"temperature": half}, HOUR_MS, Comfort()).comfort == 0.5


def test_several_sensors_make_no_hour_longer() -> None:
    both = [Rollup(0, 21, 20, 22, 21, 2 * HOUR_MS)]
    assert room_hours({"temperature": both}, HOUR_MS, Comfort()).comfort == 1
