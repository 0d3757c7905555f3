"""A lamp does not switch itself off by its own light, nor a blind flap."""

from collections.abc import Callable
from math import pi, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insula.building.lamplight import RoomLight
from tests.a_room import HOUR, MINUTE, devices, local, rules
from tests.simulated_room import Sensor, SimulatedRoom

T = 1_000_000


def lit(light: RoomLight, level: float, lux: float, at: int) -> None:
    light.level(level, at)
    light.lux(lux, at + 3_000)


def test_without_lamps_luminance_is_daylight() -> None:
    light = RoomLight()
    light.lux(0, T)
    assert (light.daylight, light.lit) == (0, False)
    light.lux(321, T + 1)
    assert light.daylight == 321


def test_a_step_up_teaches_and_is_taken_off() -> None:
    light = RoomLight()
    light.level(0, T)
    light.lux(10, T)
    lit(light, 90, 280, T + MINUTE)
    assert light.daylight == 0
    light.lux(480, T + 5 * MINUTE)
    assert light.lux_per_percent == pytest.approx(3)
    assert light.daylight == pytest.approx(480 - 270 - 27)


def test_a_step_down_teaches_too() -> None:
    light = RoomLight()
    light.level(90, T)
    light.lux(280, T)
    assert light.daylight is None
    lit(light, 0, 10, T + MINUTE)
    light.lux(11, T + 5 * MINUTE)
    assert light.lux_per_percent == pytest.approx(3)
    assert light.daylight == 11


def test_a_change_too_small_teaches_nothing() -> None:
    light = RoomLight(3)
    light.level(90, T)
    light.lux(280, T)
    lit(light, 80, 300, T + MINUTE)
    light.lux(300, T + 5 * MINUTE)
    assert light.lux_per_percent == 3


def test_what_is_measured_at_once_may_not_show_it_all() -> None:
    light = RoomLight()
    light.level(0, T)
    light.lux(10, T)
    light.level(90, T + MINUTE)
    light.lux(100, T + MINUTE + 500)
    assert light.daylight == 10


def test_light_that_comes_before_the_lamps_own_word() -> None:
    light = RoomLight()
    light.level(0, T)
    light.lux(10, T)
    light.announce(T + MINUTE)
    light.lux(280, T + MINUTE + 800)
    assert light.daylight == 10
    light.level(90, T + MINUTE + 1_000)
    light.lux(281, T + MINUTE + 4_000)
    assert light.daylight == 0
    light.lux(281, T + 5 * MINUTE)
    assert light.lux_per_percent == pytest.approx(271 / 90)


def test_a_report_from_before_that_comes_late_teaches_nothing_wrong() -> None:
    light = RoomLight()
    light.level(0, T)
    light.lux(10, T)
    lit(light, 90, 10, T + MINUTE)
    light.lux(280, T + MINUTE + 10_000)
    assert light.daylight == 0
    light.lux(280, T + 5 * MINUTE)
    assert light.lux_per_percent == pytest.approx(3)


def test_dimming_by_hand_in_many_steps_is_one() -> None:
    light = RoomLight()
    light.level(0, T)
    light.lux(10, T)
    for number, level in enumerate((20, 35, 50, 90)):
        light.level(level, T + MINUTE + 1_000 * number)
        light.lux(10 + 3 * level, T + MINUTE + 1_000 * number + 900)
    light.lux(280, T + MINUTE + 10_000)
    light.lux(280, T + 5 * MINUTE)
    assert light.lux_per_percent == pytest.approx(3)


def test_a_blind_that_opens_meanwhile_is_not_learned_as_the_lamps() -> None:
    light = RoomLight()
    light.level(0, T)
    light.lux(10, T)
    light.blind(100, T + MINUTE)
    lit(light, 90, 280, T + MINUTE)
    light.lux(580, T + MINUTE + 30_000)
    light.lux(580, T + 5 * MINUTE)
    assert light.lux_per_percent is None
    assert light.daylight == 0


def test_a_blind_that_closes_meanwhile_hides_what_the_lamp_gives() -> None:
    light = RoomLight()
    light.level(0, T)
    light.lux(300, T)
    light.blind(-100, T + MINUTE)
    lit(light, 90, 310, T + MINUTE)
    assert light.daylight is None
    light.lux(310, T + 5 * MINUTE)
    assert light.lux_per_percent is None


def test_nothing_known_of_a_lamp_that_burns() -> None:
    light = RoomLight()
    light.lux(280, T)
    light.level(90, T)
    assert light.daylight is None
    light.lux(5_000, T + 1)
    assert light.daylight == 5_000 - 900


def test_a_restart_that_remembers() -> None:
    light = RoomLight(3)
    light.lux(480, T)
    light.level(90, T)
    assert light.daylight == pytest.approx(183)


def test_learned_in_the_light_is_a_guess_that_the_dark_corrects() -> None:
    light = RoomLight()
    light.level(0, T)
    light.lux(200, T)
    lit(light, 90, 740, T + MINUTE)
    light.lux(740, T + 5 * MINUTE)
    assert light.lux_per_percent is None
    assert light.daylight == pytest.approx(740 - 540 - 54)


def test_a_lamp_that_got_weaker_is_learned_by_and_by() -> None:
    light, at = RoomLight(4), T
    light.level(0, at)
    for _ in range(6):
        light.lux(10, at)
        lit(light, 90, 190, at + MINUTE)
        light.lux(190, at + 5 * MINUTE)
        light.level(0, at + 6 * MINUTE)
        light.lux(10, at + 6 * MINUTE + 5_000)
        at += 20 * MINUTE
        light.lux(10, at)
    assert 2 <= light.lux_per_percent < 2.1


# --- a room over a day


def clear_day(start: int, top: float = 400.0) -> Callable[[int], float]:
    """Lux at the sensor, blind open: sunrise at 06:30, sunset at 18:30."""

    def sky(now: int) -> float:
        return max(0.0, top * sin(pi * ((now - start) / HOUR - 6.5) / 12))

    return sky


def office(now: int) -> bool:
    hour = (now - START) / HOUR
    return 8 <= hour < 12 or 13 <= hour < 20


START = local("2026-03-11 00:00")
END = START + 24 * HOUR


def a_day(**given_: object) -> SimulatedRoom:
    simulated = SimulatedRoom(rules(), START, **{"sky": clear_day(START), "people": office, **given_})
    simulated.state.set_devices(devices())
    simulated.run(END)
    return simulated


def test_an_ordinary_day() -> None:
    day = a_day()
    assert day.moves_of("position") == []
    assert day.moves_of("level") == [90, 0]
    assert day.moves[0][0] >= START + 18 * HOUR


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("late_ms", [500, 20_000])
@pytest.mark.parametrize("lamp_lux", [12.0, 300.0, 900.0])
def test_a_dim_day_with_people_all_day(periodic: bool, late_ms: int, lamp_lux: float) -> None:
    day = a_day(
        sky=clear_day(START, 60),
        people=lambda _: True,
        blind=0.0,
        lamp_lux=lamp_lux,
        sensor=Sensor(late_ms, periodic),
    )
    assert len(day.moves_of("level")) <= 4
    assert len(day.moves_of("position")) <= 1
    assert day.lamp == 90


@pytest.mark.parametrize("level", [19.0, 20.0, 20.4, 21.0, 25.0])
def test_daylight_at_the_threshold_all_day(level: float) -> None:
    day = a_day(sky=lambda now: level + 1.5 * sin(now / 97_000), people=lambda _: True)
    assert len(day.moves_of("level")) <= 4


def test_passing_clouds() -> None:
    day = a_day(sky=lambda now: 120 + 110 * sin(now / (7 * MINUTE)), people=lambda _: True)
    dark_spells = 24 * 60 / (2 * pi * 7)
    assert len(day.moves_of("level")) <= 2 * dark_spells + 4
    assert day.state.light.lux_per_percent == pytest.approx(3, rel=0.1)


def test_a_humid_day_closes_the_blind_once() -> None:
    day = a_day(humidity=lambda now: 45 + 10 * sin(pi * (now - START) / (24 * HOUR)))
    assert day.moves_of("position")[0] == 0
    assert len(day.moves_of("position")) <= 2


@pytest.mark.parametrize("learned", [None, 3.0])
def test_a_restart_with_the_lamp_on(learned: float | None) -> None:
    room = SimulatedRoom(rules(), START + 8 * HOUR, sky=lambda _: 10.0)
    room.state.set_devices(devices())
    room.run(START + 9 * HOUR)
    assert room.moves_of("level") == [90]
    room.restart(learned)
    room.run(START + 12 * HOUR)
    assert room.moves_of("level") == [90]


def test_it_becomes_bright_and_the_lamp_goes_off() -> None:
    room = SimulatedRoom(rules(), START + 8 * HOUR, sky=lambda now: 10.0 if now < START + 10 * HOUR else 400.0)
    room.state.set_devices(devices())
    room.run(START + 12 * HOUR)
    assert room.moves_of("level") == [90, 0]


def test_the_lamp_dimmed_by_hand() -> None:
    room = SimulatedRoom(rules(), START + 8 * HOUR, sky=lambda _: 12.0)
    room.state.set_devices(devices())
    room.run(START + 9 * HOUR)
    for level in (70, 50, 30):
        room.set_lamp(level)
        room.run(room.now + 2 * MINUTE)
        assert room.state.light.daylight < 20


@settings(max_examples=25)
@given(
    lamp_lux=st.floats(0, 1000),
    daylight=st.floats(0, 20),
    noise=st.lists(st.floats(-1, 1), min_size=20, max_size=20),
    late_ms=st.integers(0, 60_000),
    periodic=st.booleans(),
)
def test_in_a_dark_room_the_lamp_stays_on(
    lamp_lux: float, daylight: float, noise: list[float], late_ms: int, periodic: bool
) -> None:
    room = SimulatedRoom(
        rules(),
        START + 8 * HOUR,
        sky=lambda now: max(0.0, min(20.0, daylight + noise[(now // (5 * MINUTE)) % 20])),
        lamp_lux=lamp_lux,
        sensor=Sensor(late_ms, periodic),
    )
    room.state.set_devices(devices())
    room.run(START + 10 * HOUR)
    assert room.moves_of("level") == [90]
