"""Holding a temperature by a valve: in the simulated climate, and each promise alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insula.building.comfort import DWELL_MS, LAPSE_MS, MOST_MOVE, Comfort, hold, mode_for
from insula.simulator.climate import step, weather
from insula.simulator.physical import RoomWorld, Valve
from tests.a_room import HOUR, MINUTE, NOON

TEMPERATURES = st.floats(0, 40)


def winter_room(hours: int, wish: float, temperature: float, restart_h: int = -1) -> tuple[RoomWorld, list[float]]:
    """A room without people in a week of -1 to 7 °C, its sensor rounding to 0.1 K; and the valve's moves."""
    room = RoomWorld(number=1, temperature=temperature, valves=[Valve(watch_s=0)])
    comfort: Comfort | None = None
    moves: list[float] = []
    for minute in range(hours * 60):
        if minute == restart_h * 60:
            comfort = None
        comfort = hold(comfort, wish, round(room.temperature, 1), room.valves[0].position, NOON + minute * MINUTE)
        if comfort.output != room.valves[0].position:
            moves.append(comfort.output)
            room.valves[0].set(comfort.output)
        step(room, weather(1_768_000_000_000 + minute * MINUTE, 47, 7, 0.0), 60)
    return room, moves


def test_a_room_is_brought_to_the_wish_and_held_there() -> None:
    room, moves = winter_room(48, 21, 16)
    assert room.temperature == pytest.approx(21, abs=0.3)
    assert len(moves) < 48 * 6


def test_a_restart_is_no_jump() -> None:
    for hour in (12, 30, 44):
        before, _ = winter_room(hour, 21, 18)
        after, _ = winter_room(hour + 1, 21, 18, restart_h=hour)
        assert abs(after.valves[0].position - before.valves[0].position) <= MOST_MOVE
        assert after.temperature == pytest.approx(21, abs=0.5)


@settings(deadline=None)
@given(st.floats(5, 35), TEMPERATURES, st.floats(0, 100))
def test_it_begins_where_the_valve_stands_or_further_the_way_it_must_go(
    wish: float, temperature: float, valve: float
) -> None:
    begun = hold(None, wish, temperature, valve, NOON)
    assert 0 <= begun.output <= 100
    if begun.output > valve + 1:
        assert temperature < wish
    if begun.output < valve - 1:
        assert temperature > wish


@settings(deadline=None)
@given(st.lists(st.tuples(TEMPERATURES, st.integers(0, 20 * MINUTE)), min_size=1, max_size=40))
def test_between_two_moves_is_a_rest_and_no_move_is_too_far(history: list[tuple[float, int]]) -> None:
    now, moved_at = NOON, NOON
    comfort = hold(None, 21, 20, 40, now)
    for temperature, pause in history:
        now += pause
        before, comfort = comfort, hold(comfort, 21, temperature, comfort.output, now)
        if comfort.output != before.output and now - before.at <= LAPSE_MS:
            assert now - moved_at >= DWELL_MS
            assert abs(comfort.output - before.output) <= MOST_MOVE + 1
        if comfort is not before:
            moved_at = now


def test_what_cannot_be_reached_winds_nothing_up() -> None:
    """A day with the valve fully open and the room still cold, then the sun: it shuts within a few moves."""
    comfort, now = hold(None, 21, 15, 0, NOON), NOON
    while now < NOON + 24 * HOUR:
        now += DWELL_MS
        comfort = hold(comfort, 21, 15, comfort.output, now)
    assert (comfort.output, comfort.integral) == (100, 0)
    for _ in range(3):
        now += DWELL_MS
        comfort = hold(comfort, 21, 22, comfort.output, now)
    assert comfort.output == 0


def test_a_new_wish_is_followed_at_once() -> None:
    held = hold(None, 21, 20.5, 80, NOON)
    assert held.output == 80
    assert hold(held, 21, 20.0, 80, NOON + 1) == held
    assert hold(held, 5, 20.5, 80, NOON + 1).output == 0


def test_what_was_long_ago_or_is_yet_to_come_is_forgotten() -> None:
    held = hold(None, 21, 20.5, 80, NOON)
    assert hold(held, 21, 20.5, 10, NOON + LAPSE_MS + 1).output == 50
    assert hold(held, 21, 20.5, 80, NOON - 1).at == NOON - 1


@pytest.mark.parametrize(("wish", "mode"), [(21, 1), (20, 2), (17, 3), (10, 4)])
def test_modes_of_a_thermostat_without_a_setpoint(wish: float, mode: float) -> None:
    assert mode_for(wish) == mode
