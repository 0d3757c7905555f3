"""The values that rules name besides the roles: presence since when, ages; and the moments at which they count."""

import pytest

from insula.building.decide import Verdict, decide
from insula.building.named import value
from insula.building.rules import CompiledRules, compile_ruleset
from insula.building.state import RoomState
from insula.errors import RuleError
from insula.messages import DeviceRecord, Rule, RuleSet
from tests.a_room import MINUTE, NOON, PLACE, SENSOR, compiled, devices, points, reading, room

FRESH = 30 * MINUTE


def lamp(when: str, **more: object) -> CompiledRules:
    return compiled(Rule(name="r", when=when, target="lamp.level", value=90, otherwise=0, **more))


def level(by: CompiledRules, state: RoomState, now: int) -> tuple[float | None, int | None]:
    found: Verdict = decide(by, state, now, PLACE)
    return next((wish.value for wish in found.wishes), None), found.changes_at


def test_empty_for_ten_minutes() -> None:
    by, state = lamp("empty_for >= 10.0"), room(motion=0)
    state.take(reading("motion", 0, NOON + 1, changed_at=NOON), NOON + 1)
    assert level(by, state, NOON + 1) == (0, NOON + 10 * MINUTE)
    assert level(by, state, NOON + 10 * MINUTE - 1)[0] == 0
    assert level(by, state, NOON + 10 * MINUTE)[0] == 90


def test_it_survives_a_restart() -> None:
    """The room is heard of again: the same values, which changed when they did."""
    by, again = lamp("empty_for >= 10.0"), room(NOON + 12 * MINUTE, motion=None)
    now = NOON + 12 * MINUTE
    again.take(reading("motion", 0, now, changed_at=NOON), now)
    assert level(by, again, now)[0] == 90


def test_more_than_is_a_moment_later() -> None:
    by, state = lamp("empty_for > 10.0"), room(motion=0)
    state.take(reading("motion", 0, NOON + 9 * MINUTE, changed_at=NOON), NOON + 9 * MINUTE)
    assert level(by, state, NOON + 10 * MINUTE) == (0, NOON + 10 * MINUTE + 1)
    assert level(by, state, NOON + 10 * MINUTE + 1)[0] == 90


def test_of_several_sensors_the_last_that_was_quiet_counts() -> None:
    state = room(motion=0)
    other = DeviceRecord(
        device_id=9, room_id=1, room_number=1, type="zwave", gateway_id="zwave", kind="sensor", points=points("motion")
    )
    state.set_devices([*devices(), other])
    now = NOON + 10 * MINUTE
    state.take(reading("motion", 0, now, device_id=9, changed_at=NOON + 4 * MINUTE), now)
    assert value("empty_for", state, PLACE, now) == 6
    assert value("occupied_for", state, PLACE, now) == 0
    state.take(reading("motion", 1, now, device_id=9), now)
    assert value("empty_for", state, PLACE, now) == 0
    assert value("occupied_for", state, PLACE, now + MINUTE) == 1


def test_presence_that_is_not_known_has_no_length() -> None:
    state = room(motion=None)
    assert value("empty_for", state, PLACE, NOON) is None
    assert value("occupied_for", state, PLACE, NOON) is None


def test_the_age_of_a_value_is_known_when_the_value_is_not() -> None:
    by, state = lamp("age_temperature > 3600.0"), room(temperature=20)
    assert level(by, state, NOON) == (0, NOON + FRESH)
    hour = NOON + 60 * MINUTE
    assert value("temperature", state, PLACE, hour) is None
    assert value("age_temperature", state, PLACE, hour) == 3600
    assert level(by, state, hour) == (0, hour + 1)
    assert level(by, state, hour + 1)[0] == 90


def test_a_reading_that_says_nothing_new_renews_an_age() -> None:
    by, state = lamp("age_temperature > 600.0"), room(temperature=20)
    late = NOON + 11 * MINUTE
    assert level(by, state, late)[0] == 90
    assert state.take(reading("temperature", 20, late), late)
    assert level(by, state, late)[0] == 0
    assert "temperature" in by.roles


def test_without_a_rule_for_it_an_age_is_no_news() -> None:
    state = room(temperature=20)
    decide(lamp("occupied"), state, NOON, PLACE)
    assert not state.take(reading("temperature", 20, NOON + MINUTE), NOON + MINUTE)


def test_ages_have_the_aliases_of_their_roles() -> None:
    by = lamp("age_luminance < 60.0 || 120.0 <= age_illuminance")
    assert by.names == {"age_illuminance"}
    assert by.limits == {("age_illuminance", 60), ("age_illuminance", 120)}
    assert level(by, room(illuminance=5), NOON + 2 * MINUTE)[0] == 90


@pytest.mark.parametrize(
    "when", ["empty_for == 10.0", "empty_for + 1.0 > 3.0", "empty_for > humidity", "3.0 < 1.0 + empty_for"]
)
def test_a_length_is_compared_with_a_number(when: str) -> None:
    with pytest.raises(RuleError, match="empty_for is compared with a number alone"):
        compile_ruleset(
            RuleSet(name="x", version="1", rules=(Rule(name="r", when=when, target="lamp.level", value=1),))
        )


def test_the_sun_ticks_each_minute_if_a_rule_names_it() -> None:
    assert level(lamp("sun_elevation < 0.0"), room(), NOON + 1)[1] == NOON + MINUTE
    assert level(lamp("sun_elevation < 0.0"), room(), NOON)[0] == 0


def test_holiday_and_vacation_change_at_midnight() -> None:
    assert lamp("holiday || vacation").times == {"00:00"}
    assert level(lamp("holiday || vacation"), room(), NOON)[0] == 0


def test_any_window_that_is_open() -> None:
    contacts = DeviceRecord(
        device_id=SENSOR,
        room_id=1,
        room_number=1,
        type="zwave",
        gateway_id="zwave",
        kind="sensor",
        points=points("window"),
    )
    other = DeviceRecord(
        device_id=9, room_id=1, room_number=1, type="zwave", gateway_id="zwave", kind="sensor", points=points("window")
    )
    state = room()
    state.set_devices([*devices()[:2], contacts, devices()[3], other])
    state.take(reading("window", 0, device_id=SENSOR), NOON)
    state.take(reading("window", 1, device_id=9), NOON)
    assert level(lamp("window > 0"), state, NOON)[0] == 90
