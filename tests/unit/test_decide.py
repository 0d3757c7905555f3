"""What the rules want, target by target; what of it is due; when it can change."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.building.decide import Verdict, decide, seen_by
from insula.building.rules import CompiledRules
from insula.building.state import BACK_OFF_MS, CONFIRM_MS, RoomState
from insula.messages import Command, DeviceRecord, Origin, Rule
from tests.a_room import (
    BLIND,
    HOUR,
    LAMP,
    MINUTE,
    NOON,
    PLACE,
    RADIATOR,
    compiled,
    devices,
    lease,
    local,
    points,
    reading,
    room,
    rules,
)

FRESH = 30 * MINUTE


def verdict(state: RoomState, now: int = NOON, by: CompiledRules | None = None) -> Verdict:
    return decide(by or rules(), state, now, PLACE)


def wishes(found: Verdict) -> dict[str, float]:
    return {wish.point: wish.value for wish in found.wishes}


def due(state: RoomState, now: int = NOON, by: CompiledRules | None = None) -> dict[str, float]:
    return {wish.point: wish.value for wish in verdict(state, now, by).due}


def wanted(name: str, at: str, **values: float | None) -> dict[str, float]:
    now = local(f"2026-03-11 {at}")
    return wishes(verdict(room(now, **values), now, rules(name)))


# --- MISSION's five rules

BOTH = ("default", "2020")


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("motion", "valve"),
    [(0, 10), (1, 90), (None, None)],
)
def test_radiator_follows_people(name: str, motion: float | None, valve: float | None) -> None:
    assert wanted(name, "12:00", motion=motion).get("valve") == valve


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("humidity", "position"),
    [(0, None), (49.9, None), (50, None), (50.1, 0), (100, 0), (None, None)],
)
def test_blinds_close_when_humid(name: str, humidity: float | None, position: float | None) -> None:
    assert wanted(name, "12:00", humidity=humidity).get("position") == position


@pytest.mark.parametrize(
    ("name", "at", "motion", "lux", "position"),
    [
        ("default", "06:59", 1, 20, None),
        ("default", "07:00", 1, 20, 100),
        ("default", "18:59", 1, 0, 100),
        ("default", "19:00", 1, 0, None),
        ("default", "12:00", 1, 21, None),
        ("default", "12:00", 0, 0, None),
        ("default", "12:00", None, 0, None),
        ("default", "12:00", 1, None, None),
        ("2020", "00:00", 1, 20, 100),
        ("2020", "06:59", 1, 20, 100),
        ("2020", "18:59", 1, 20, 100),
        ("2020", "19:00", 1, 20, None),
        ("2020", "12:00", 0, 20, None),
        ("2020", "12:00", 1, 21, None),
    ],
)
def test_blinds_open_in_the_dark(name: str, at: str, motion: float, lux: float, position: float | None) -> None:
    assert wanted(name, at, motion=motion, illuminance=lux).get("position") == position


@pytest.mark.parametrize("name", BOTH)
def test_humid_goes_before_dark(name: str) -> None:
    found = verdict(room(motion=1, illuminance=0, humidity=51), by=rules(name))
    (blind,) = [wish for wish in found.wishes if wish.point == "position"]
    assert (blind.value, blind.rule.name, len(blind.lost)) == (0, "blinds close when humid", 1)


@pytest.mark.parametrize(
    ("name", "at", "motion", "lux", "level"),
    [
        ("default", "12:00", 1, 20, 90),
        ("default", "12:00", 1, 0, 90),
        ("default", "12:00", 1, 21, 0),
        ("default", "12:00", 0, 0, 0),
        ("default", "06:59", 1, 500, 90),
        ("default", "07:00", 1, 500, 0),
        ("default", "18:59", 1, 500, 0),
        ("default", "19:00", 1, 500, 90),
        ("default", "23:00", 0, 0, 0),
        ("default", "12:00", None, 500, 0),
        ("default", "12:00", None, 0, None),
        ("default", "23:00", None, 500, None),
        ("default", "12:00", 1, None, None),
        ("default", "23:00", 1, None, 90),
        ("default", "12:00", 0, None, 0),
        ("2020", "12:00", 0, 20, 90),
        ("2020", "12:00", None, 0, 90),
        ("2020", "12:00", 0, 21, 0),
        ("2020", "23:00", 1, 500, 90),
        ("2020", "23:00", 0, 500, 0),
        ("2020", "12:00", 1, None, None),
    ],
)
def test_lamp(name: str, at: str, motion: float | None, lux: float | None, level: float | None) -> None:
    assert wanted(name, at, motion=motion, illuminance=lux).get("level") == level


# --- values that do not count


@pytest.mark.parametrize("quality", ["stale", "uncertain"])
def test_only_good_values_count(quality: str) -> None:
    state = room(motion=None)
    state.take(reading("motion", 1, quality=quality), NOON)
    assert "valve" not in wishes(verdict(state))


def test_a_value_counts_until_it_is_too_old() -> None:
    state = room(motion=1)
    assert wishes(verdict(state, NOON + FRESH - 1))["valve"] == 90
    assert wishes(verdict(state, NOON + FRESH)) == {}


def test_nobody_is_there_when_the_sensors_that_are_heard_say_so() -> None:
    state = room(motion=0)
    other = DeviceRecord(
        device_id=5, room_id=1, room_number=1, type="zwave", gateway_id="zwave", kind="sensor", points=points("motion")
    )
    state.set_devices([*devices(), other])
    state.take(reading("motion", 1, device_id=5), NOON)
    assert verdict(state).values["occupied"] is True
    state.take(reading("motion", 1, device_id=5, quality="stale"), NOON)
    assert verdict(state).values["occupied"] is False


def test_a_rule_is_not_overruled_because_its_sensor_is_silent() -> None:
    dark = room(motion=1, illuminance=0, humidity=None)
    assert "position" not in wishes(verdict(dark))
    dark.take(reading("humidity", 50), NOON)
    assert wishes(verdict(dark))["position"] == 100


def test_a_rule_for_what_the_room_has_not_is_passed_over() -> None:
    dry = msgspec.structs.replace(devices()[2], points=points("illuminance", "motion"))
    state = room(motion=1, illuminance=0, humidity=None)
    state.set_devices([*devices()[:2], dry, devices()[3]])
    assert wishes(verdict(state))["position"] == 100


# --- what is due


def test_only_what_differs_by_more_than_one_percent() -> None:
    assert due(room(motion=1, valve=90, level=0)) == {}
    assert due(room(motion=1, valve=89, level=1)) == {}
    assert due(room(motion=1, valve=88, level=2)) == {"valve": 90, "level": 0}


def command(point: str, value: float, id: str = "c") -> Command:
    device_id = {"position": BLIND, "valve": RADIATOR, "level": LAMP}[point]
    return Command(
        id=id, at=NOON, device_id=device_id, gateway_id="knx", point=point, value=value, expires_at=NOON + 30_000
    )


def test_nothing_while_a_command_is_open_and_nothing_after_it_is_done() -> None:
    state = room(motion=1)
    state.commanded(command("valve", 90), NOON)
    assert "valve" not in due(state)
    state.target(RADIATOR, "valve").carried_out()
    assert "valve" not in due(state)


def test_a_new_wish_waits_for_the_open_command_only() -> None:
    state = room(motion=1)
    state.commanded(command("valve", 90), NOON)
    state.take(reading("motion", 0, NOON + 1), NOON + 1)
    assert "valve" not in due(state, NOON + 1)
    state.target(RADIATOR, "valve").carried_out()
    assert due(state, NOON + 1)["valve"] == 10


def test_what_was_refused_is_tried_again_later_and_ever_later() -> None:
    state, now = room(motion=1), NOON
    for wait in (BACK_OFF_MS, 2 * BACK_OFF_MS, 4 * BACK_OFF_MS):
        state.commanded(command("valve", 90), now)
        state.target(RADIATOR, "valve").not_carried_out(now)
        assert "valve" not in due(state, now + wait - 1)
        assert verdict(state, now).changes_at <= now + wait
        now += wait
        assert due(state, now)["valve"] == 90


def test_another_wish_need_not_wait_for_the_refused_one() -> None:
    state = room(motion=1)
    state.commanded(command("valve", 90), NOON)
    state.target(RADIATOR, "valve").not_carried_out(NOON)
    state.take(reading("motion", 0, NOON + 1), NOON + 1)
    assert due(state, NOON + 1)["valve"] == 10


def test_a_device_never_heard_of_is_commanded_and_one_gone_silent_is_not() -> None:
    assert due(room(motion=1, valve=None))["valve"] == 90
    silent = room(motion=1, valve=None)
    silent.take(reading("valve", 50, quality="stale"), NOON)
    assert "valve" not in due(silent)
    silent.take(reading("valve", 50, NOON + 1), NOON + 1)
    assert due(silent, NOON + 1)["valve"] == 90


def test_a_blind_on_its_way_is_left_to_arrive() -> None:
    state = room(motion=1, illuminance=0, position=0)
    state.commanded(command("position", 100), NOON)
    state.target(BLIND, "position").carried_out()
    for second, position in ((10, 30), (20, 60), (30, 97)):
        at = NOON + second * 1000
        state.take(reading("position", position, at), at)
        assert "position" not in due(state, at)
    assert "position" not in due(state, NOON + CONFIRM_MS)


def test_a_command_that_got_lost_is_sent_again_but_not_for_ever() -> None:
    state, now = room(motion=1), NOON
    for number, wait in enumerate((CONFIRM_MS, 2 * CONFIRM_MS)):
        state.commanded(command("valve", 90, f"c{number}"), now)
        state.target(RADIATOR, "valve").carried_out()
        assert "valve" not in due(state, now + wait - 1)
        now += wait
        assert due(state, now)["valve"] == 90
    state.commanded(command("valve", 90, "last"), now)
    state.target(RADIATOR, "valve").carried_out()
    assert "valve" not in due(state, now + 20 * MINUTE)


def test_a_device_that_moved_long_after_our_command_is_told_again() -> None:
    state = room(motion=1)
    state.commanded(command("valve", 90), NOON)
    state.target(RADIATOR, "valve").carried_out()
    state.take(reading("valve", 90, NOON + 1000), NOON + 1000)
    emergency = NOON + 10 * MINUTE
    state.take(reading("valve", 50, emergency), emergency)
    assert due(state, emergency)["valve"] == 90


def test_a_lease_of_higher_class_holds_its_device_alone() -> None:
    state = room(motion=1)
    state.leases[RADIATOR] = lease(RADIATOR, NOON, NOON + HOUR)
    assert due(state) == {}
    assert wishes(verdict(state))["valve"] == 90
    assert verdict(state).changes_at <= NOON + HOUR
    state.leases[RADIATOR] = lease(RADIATOR, NOON, NOON + HOUR, "comfort")
    assert due(state) == {"valve": 90}


def test_an_ended_lease_holds_nothing() -> None:
    state = room(motion=1)
    state.leases[RADIATOR] = lease(RADIATOR, NOON - HOUR, NOON)
    assert due(state) == {"valve": 90}


def test_the_fields_alarm_goes_first() -> None:
    state = room(humidity=60)
    state.take(reading("wind_alarm", 1, device_id=BLIND), NOON)
    assert "position" not in due(state)
    state.take(reading("wind_alarm", 0, NOON + 1, device_id=BLIND), NOON + 1)
    assert due(state, NOON + 1)["position"] == 0


def test_dwell_keeps_a_target_at_rest() -> None:
    by = compiled(Rule(name="r", when="occupied", target="radiator.valve", value=90, dwell_s=600))
    state = room(motion=1)
    found = verdict(state, by=by)
    assert (found.due, found.changes_at) == ((), NOON + 10 * MINUTE)
    assert due(state, NOON + 10 * MINUTE, by) == {"valve": 90}


def test_hysteresis_keeps_a_rule_that_held() -> None:
    by = compiled(Rule(name="r", when="humidity > 50", target="blind.position", value=0, otherwise=80, hysteresis=3))
    state = room(humidity=49)
    assert wishes(verdict(state, by=by)) == {"position": 80}
    for humidity, position in ((51, 0), (48, 0), (47.5, 0), (47, 80), (49, 80), (50.5, 0)):
        state.take(reading("humidity", humidity), NOON)
        found = verdict(state, by=by)
        state.held = found.held
        assert wishes(found) == {"position": position}, humidity


# --- which devices


def test_every_device_of_the_kind_and_no_other() -> None:
    second = devices(2)[0]
    state = room(humidity=60)
    state.set_devices([*devices(), second])
    assert [wish.device.device_id for wish in verdict(state).wishes if wish.point == "position"] == [BLIND, 11]


@pytest.mark.parametrize(("motion", "point", "value"), [(1, "switch", 1), (0, "switch", 0), (1, "level", 90)])
def test_a_lamp_that_can_only_be_switched(motion: float, point: str, value: float) -> None:
    lamp = DeviceRecord(
        device_id=LAMP, room_id=1, room_number=1, type="knx", gateway_id="knx", kind="lamp", points=points(point)
    )
    state = room(motion=motion, illuminance=0, level=None)
    state.set_devices([*devices()[:3], lamp])
    assert wishes(verdict(state))[point] == value


def test_a_blind_that_only_goes_up_and_down() -> None:
    blind = DeviceRecord(
        device_id=BLIND, room_id=1, room_number=1, type="knx", gateway_id="knx", kind="blind", points=points("move")
    )
    state = room(humidity=60, position=None)
    state.set_devices([blind, *devices()[1:]])
    assert wishes(verdict(state))["move"] == 0
    blindless = DeviceRecord(device_id=BLIND, room_id=1, room_number=1, type="knx", gateway_id="knx", kind="blind")
    state.set_devices([blindless, *devices()[1:]])
    assert "move" not in wishes(verdict(state))


# --- when it changes


def test_the_next_time_of_day_or_the_first_expiry() -> None:
    assert verdict(room()).changes_at == NOON + FRESH
    evening = local("2026-03-11 18:45")
    assert verdict(room(evening), evening).changes_at == local("2026-03-11 19:00")


def test_nothing_known_and_no_times_never_changes() -> None:
    by = compiled(Rule(name="r", when="occupied", target="radiator.valve", value=90))
    assert verdict(RoomState(1), by=by).changes_at is None


# --- the explanation


def test_the_values_that_the_targets_rules_saw() -> None:
    state = room(motion=1, humidity=60, illuminance=10, temperature=19)
    found = verdict(state)
    seen = {wish.point: seen_by(wish, found, state) for wish in found.wishes}
    assert seen["valve"] == {"occupied": True}
    assert seen["position"] == {"humidity": 60, "occupied": True, "illuminance": 10, "local_time": "12:00"}


def test_luminance_is_explained_with_the_lamps_share() -> None:
    state = room(motion=1, illuminance=400, level=90)
    state.light.lux_per_percent = 3
    state.take(reading("illuminance", 500, NOON + 1), NOON + 1)
    found = verdict(state, NOON + 1)
    seen = {wish.point: seen_by(wish, found, state) for wish in found.wishes}
    assert seen["level"]["illuminance_with_lamp"] == 500
    assert seen["level"]["illuminance"] == 500 - 270 - 27


# --- properties

VALUES = st.fixed_dictionaries(
    {
        "motion": st.sampled_from([None, 0, 1]),
        "humidity": st.sampled_from([None, 0, 50, 50.5, 100]),
        "illuminance": st.sampled_from([None, 0, 20, 21, 900]),
        "position": st.sampled_from([None, 0, 1, 50, 100]),
        "valve": st.sampled_from([None, 0, 10, 90]),
        "level": st.sampled_from([None, 0, 90]),
    }
)


@given(VALUES, st.integers(0, 24 * 60 - 1), st.sampled_from(BOTH))
def test_pure_and_constant_until_the_moment_it_names(values: dict[str, float | None], minute: int, name: str) -> None:
    now = local("2026-03-11 00:00") + minute * MINUTE
    state, by = room(now, **values), rules(name)
    first = verdict(state, now, by)
    assert verdict(state, now, by) == first
    assert first.changes_at is not None
    assert verdict(state, first.changes_at - 1, by).wishes == first.wishes


@given(VALUES, st.sampled_from(BOTH))
def test_one_wish_a_target_at_most(values: dict[str, float | None], name: str) -> None:
    found = verdict(room(**values), by=rules(name))
    targets = [(wish.device.device_id, wish.point) for wish in found.wishes]
    assert len(targets) == len(set(targets))
    assert all(wish in found.wishes for wish in found.due)


def test_origin_of_a_command_does_not_matter_to_the_wish() -> None:
    state = room(motion=1)
    state.take(reading("valve", 20, NOON + 1, origin=Origin(kind="switch", name="1.1.7")), NOON + 1)
    assert due(state, NOON + 1) == {"valve": 90}
