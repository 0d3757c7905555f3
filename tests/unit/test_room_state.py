"""What is known of a room, and how long it counts."""

import msgspec
import pytest

from insula.building.named import value
from insula.building.state import CONFIRM_MS, SETTLE_MS, RoomState, Target, near
from insula.controller.leases import after_command, after_reading
from insula.controller.rooms import Rooms
from insula.messages import Command, DeviceRecord, Learned, Origin
from tests.a_room import BLIND, HOUR, LAMP, MINUTE, NOON, PLACE, RADIATOR, SENSOR, devices, lease, points, reading, room

FRESH = 30 * MINUTE
ANNA = Origin(kind="user", name="anna")


def with_sensors(count: int) -> RoomState:
    state = room()
    more = [
        DeviceRecord(
            device_id=100 + number,
            room_id=1,
            room_number=1,
            type="zwave",
            gateway_id="zwave",
            kind="sensor",
            points=points("temperature", "motion", "illuminance"),
        )
        for number in range(count)
    ]
    state.set_devices([*devices(), *more])
    return state


def command(point: str, value: float, device_id: int, origin: Origin = ANNA) -> Command:
    return Command(
        id="c",
        at=NOON,
        device_id=device_id,
        gateway_id="knx",
        point=point,
        value=value,
        expires_at=NOON,
        origin=origin,
    )


# --- taking readings


def test_only_news_changes_anything() -> None:
    state = room()
    assert not state.take(reading("temperature", 20, NOON + 1), NOON + 1)
    assert state.take(reading("temperature", 20.5, NOON + 2), NOON + 2)
    assert state.take(reading("temperature", 20.5, NOON + 3, quality="stale"), NOON + 3)
    assert not state.take(reading("temperature", 20.5, NOON + 4, quality="stale"), NOON + 4)
    assert state.take(reading("temperature", 20.5, NOON + 5), NOON + 5)


def test_a_value_that_was_too_old_is_news_when_it_comes_again() -> None:
    state = room()
    later = NOON + FRESH
    assert value("temperature", state, PLACE, later) is None
    assert state.take(reading("temperature", 20, later), later)
    assert value("temperature", state, PLACE, later) == 20


def test_motion_stays_fresh_by_signs_of_life() -> None:
    state = room(motion=1)
    alive = msgspec.structs.replace(reading("motion", 1), seen_at=NOON + FRESH)
    state.take(alive, NOON + FRESH - 1)
    assert value("occupied", state, PLACE, NOON + 2 * FRESH - 1) is True
    assert value("occupied", state, PLACE, NOON + 2 * FRESH) is None


# --- values


def test_the_mean_of_the_fresh_values() -> None:
    state = with_sensors(2)
    state.take(reading("temperature", 26, device_id=100), NOON)
    state.take(reading("temperature", 80, device_id=101, quality="uncertain"), NOON)
    assert value("temperature", state, PLACE, NOON) == 23


def test_any_motion_is_somebody() -> None:
    state = with_sensors(1)
    state.take(reading("motion", 1, device_id=100), NOON)
    assert value("occupied", state, PLACE, NOON) is True
    assert value("motion", state, PLACE, NOON) == 1


def test_zero_is_known() -> None:
    state = room(humidity=0, illuminance=0)
    assert value("humidity", state, PLACE, NOON) == 0
    assert value("illuminance", state, PLACE, NOON) == 0


def test_the_latest_counts_where_a_mean_says_nothing() -> None:
    state = room()
    state.take(reading("hvac_mode", 1, NOON, device_id=RADIATOR), NOON)
    state.take(reading("hvac_mode", 3, NOON + 1, device_id=SENSOR), NOON + 1)
    assert value("hvac_mode", state, PLACE, NOON + 1) == 3


def test_a_room_settles_when_all_is_known_or_some_time_has_passed() -> None:
    roles = {"motion", "humidity"}
    state = room(motion=None, humidity=None)
    state.take(reading("motion", 1, NOON + MINUTE), NOON + MINUTE)
    assert not state.settled(roles, NOON + MINUTE)
    assert state.settled({"motion"}, NOON + MINUTE)
    assert state.settled(roles, NOON + MINUTE + SETTLE_MS)
    state.take(reading("humidity", 40, NOON + MINUTE), NOON + MINUTE)
    assert state.settled(roles, NOON + MINUTE)


def test_a_room_settles_after_a_cut_too() -> None:
    state, later = room(), NOON + MINUTE
    state.take(reading("motion", 0, quality="stale"), later)
    state.take(reading("humidity", 40, quality="stale"), later + 5_000)
    assert not state.settled({"motion", "humidity"}, later + SETTLE_MS - 1)
    assert state.settled({"motion", "humidity"}, later + SETTLE_MS)


# --- devices


def test_what_is_gone_is_forgotten_and_what_stays_is_kept() -> None:
    state = room(position=30)
    state.commanded(command("position", 40, BLIND), NOON)
    state.commanded(command("level", 40, LAMP), NOON)
    state.leases[LAMP] = lease(LAMP, NOON, NOON + HOUR)
    state.set_devices(devices()[:1])
    assert state.last(BLIND, "position").value == 30
    assert state.last(LAMP, "level") is None
    assert set(state.targets) == {(BLIND, "position")}
    assert state.leases == {}


def test_a_switched_lamp_counts_as_light() -> None:
    state = room(level=None)
    switched = DeviceRecord(
        device_id=9, room_id=1, room_number=1, type="knx", gateway_id="knx", kind="lamp", points=points("switch")
    )
    state.set_devices([*devices(), switched])
    state.take(reading("switch", 1, device_id=9), NOON)
    assert state.light.lit


# --- where a target is


def test_where_a_target_is() -> None:
    state = room(position=None)
    assert state.where(BLIND, "position", NOON) is None
    state.commanded(command("position", 40, BLIND), NOON)
    assert state.where(BLIND, "position", NOON) == 40
    state.take(reading("position", 10), NOON)
    assert state.where(BLIND, "position", NOON) == 40
    assert state.where(BLIND, "position", NOON + CONFIRM_MS) == 10


def test_up_and_down_and_position_are_one_target() -> None:
    state = room()
    state.commanded(command("move", 100, BLIND), NOON)
    assert state.where(BLIND, "position", NOON) == 100


def test_after_a_stop_only_the_device_knows() -> None:
    state = room(position=30)
    state.commanded(command("position", 90, BLIND), NOON)
    state.commanded(command("stop", 1, BLIND), NOON)
    assert state.where(BLIND, "position", NOON) == 30


@pytest.mark.parametrize(
    ("role", "one", "other", "same"),
    [("level", 89, 90, True), ("level", 88.9, 90, False), ("setpoint", 21, 21.2, True), ("setpoint", 21, 21.5, False)],
)
def test_near_is_one_percent_of_the_range(role: str, one: float, other: float, same: bool) -> None:
    assert near(role, one, other) is same


def test_a_target_backs_off_to_half_an_hour_at_most() -> None:
    target = Target()
    for _ in range(30):
        target.command(command("level", 90, LAMP), NOON)
        target.not_carried_out(NOON)
    assert target.retry_at == NOON + 30 * MINUTE


# --- leases


def test_a_rule_gets_no_lease() -> None:
    assert after_command(command("level", 90, LAMP, Origin(kind="rule")), None, NOON, 3600) is None


def test_who_ranks_higher_keeps_the_device() -> None:
    held = lease(LAMP, NOON, NOON + MINUTE, "service")
    assert after_command(command("level", 90, LAMP), held, NOON, 3600) is None
    later = after_command(command("level", 90, LAMP), held, NOON + MINUTE, 3600)
    assert later is not None
    assert later.since == NOON + MINUTE


def test_a_longer_hold_is_not_shortened() -> None:
    assert after_command(command("level", 90, LAMP), lease(LAMP, NOON, NOON + 2 * HOUR), NOON, 3600) is None


@pytest.mark.parametrize(
    ("point", "kind"), [("motion", "switch"), ("level", "device"), ("level", "rule"), ("level", "user")]
)
def test_only_a_switch_that_drives_something_is_a_hand(point: str, kind: str) -> None:
    one = reading(point, 1, origin=Origin(kind=kind))
    assert after_reading(one, None, None, NOON, 3600) is None


def test_a_switch_pressed_longer_ago_than_the_hold() -> None:
    pressed = reading("level", 1, NOON - HOUR, origin=Origin(kind="switch"))
    assert after_reading(pressed, None, None, NOON, 3600) is None
    assert after_reading(pressed, None, None, NOON - 1, 3600) is not None


# --- rooms


def test_what_was_known_before_the_devices() -> None:
    rooms = Rooms()
    held = lease(LAMP, NOON, NOON + HOUR)
    assert rooms.hold(held) is None
    rooms.learn(Learned(room_id=1, lux_per_percent=2.5))
    rooms.set_devices([*devices(1), *devices(2)])
    state = rooms.of_device(LAMP)
    assert state is rooms.get(1)
    assert state.leases == {LAMP: held}
    assert state.light.lux_per_percent == 2.5
    assert len(rooms) == 2
    assert rooms.release(LAMP) is state
    assert rooms.release(LAMP) is None


def test_what_is_learned_is_told_when_it_differs() -> None:
    rooms = Rooms()
    rooms.set_devices(devices())
    state = rooms.get(1)
    assert rooms.newly_learned(state) is None
    rooms.learn(Learned(room_id=1, lux_per_percent=2.0))
    assert state.light.lux_per_percent == 2.0
    assert rooms.newly_learned(state) is None
    state.light.lux_per_percent = 2.11
    assert rooms.newly_learned(state) == Learned(room_id=1, lux_per_percent=2.11)
    assert rooms.newly_learned(state) is None
    state.shade.closed_share, state.warmup.gain = 0.2, 1.5
    assert rooms.newly_learned(state) == Learned(room_id=1, lux_per_percent=2.11, closed_share=0.2, gain_k_h=1.5)
    assert rooms.newly_learned(state) is None


def test_a_restart_knows_how_fast_the_room_warms_and_what_its_blinds_let_through() -> None:
    rooms = Rooms()
    rooms.learn(Learned(room_id=1, closed_share=0.2, gain_k_h=2.0))
    rooms.set_devices(devices())
    state = rooms.get(1)
    assert (state.shade.closed_share, state.warmup.gain, state.light.lux_per_percent) == (0.2, 2.0, None)
    state.warmup.gain = 3.0
    rooms.learn(Learned(room_id=1, gain_k_h=1.0))
    assert state.warmup.gain == 3.0


def test_a_lease_of_a_device_that_left_frees_nobody() -> None:
    rooms = Rooms()
    rooms.hold(lease(LAMP, NOON, NOON + HOUR))
    assert rooms.release(LAMP) is None
