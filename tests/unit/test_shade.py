"""A blind does not undo its own move by the light that it makes."""

from collections.abc import Callable
from itertools import pairwise
from math import pi, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.building.rules import CompiledRules
from insula.building.shade import LEAST_SHARE, REST_MS, SETTLE_MS, Shade
from insula.messages import Rule
from tests.a_room import HOUR, MINUTE, compiled, devices, local, rules
from tests.simulated_room import SimulatedRoom

T = 1_000_000
START = local("2026-03-11 00:00")
GLARE = Rule(name="no glare", when="illuminance > 600", target="blind.position", value=0)
OPEN = Rule(name="open when dark", when="occupied && illuminance <= 50", target="blind.position", value=100)


def moved(shade: Shade, before: tuple[float, float], after: tuple[float, float], at: int = T) -> Shade:
    """``before``, ``after``: the blinds' position, and the lux there."""
    shade.moves(*before, at)
    shade.light(*after, at + SETTLE_MS)
    return shade


def test_a_move_teaches_what_a_closed_blind_lets_through() -> None:
    shade = moved(Shade(), (100, 1000), (0, 20))
    assert shade.closed_share == pytest.approx(0.02)
    assert shade.after(20, 0, 100) == pytest.approx(1000)
    assert shade.after(1000, 100, 50) == pytest.approx(510)


@given(st.floats(0.01, 1), st.floats(0, 100), st.floats(0, 100), st.floats(1_000, 10_000))
def test_any_move_far_enough_teaches_it(share: float, before: float, after: float, sky: float) -> None:
    def lux(position: float) -> float:
        return sky * (share + (1 - share) * position / 100)

    shade = moved(Shade(), (before, lux(before)), (after, lux(after)))
    if abs(after - before) >= 20:
        assert shade.closed_share == pytest.approx(share, rel=1e-3, abs=1e-3)
    else:
        assert shade.closed_share is None


def test_what_teaches_nothing() -> None:
    assert moved(Shade(), (100, 9), (0, 0)).closed_share is None
    assert moved(Shade(), (None, 900), (0, 20)).closed_share is None
    shade = Shade()
    shade.moves(100, 1000, T)
    shade.light(40, 400, T + SETTLE_MS - 1)
    assert shade.closed_share is None


def test_dark_behind_the_blind_is_a_small_share() -> None:
    assert moved(Shade(), (100, 1000), (0, 0)).closed_share == LEAST_SHARE


def test_a_move_in_several_steps_is_one() -> None:
    shade = Shade()
    shade.moves(100, 1000, T)
    shade.moves(60, 600, T + 20_000)
    shade.light(0, 20, T + SETTLE_MS + 10_000)
    assert shade.closed_share is None
    shade.light(0, 20, T + SETTLE_MS + 20_000)
    assert shade.closed_share == pytest.approx(0.02)


# --- a room over a day


def sunny(top: float) -> Callable[[int], float]:
    """Lux at the sensor, blind open: sunrise at 06:30, sunset at 18:30."""
    return lambda now: max(0.0, top * sin(pi * ((now - START) / HOUR - 6.5) / 12))


def a_sunny_day(by: CompiledRules, **given_: object) -> SimulatedRoom:
    day = SimulatedRoom(
        by, START, **{"sky": sunny(2_000), "people": lambda now: 8 <= (now - START) / HOUR < 20, **given_}
    )
    day.state.set_devices(devices())
    day.run(START + 24 * HOUR)
    return day


def test_glare_closes_the_blind_and_the_dark_behind_it_does_not_open_it() -> None:
    """It would open and close 300 times: 2 % of 2,000 lux is dark."""
    day = a_sunny_day(compiled(GLARE, OPEN))
    moments = [at for at, point, _ in day.moves if point == "position"]
    assert day.moves_of("position")[0] == 0
    assert len(moments) <= 10
    assert all(later - earlier >= SETTLE_MS for earlier, later in pairwise(moments))
    assert day.state.shade.closed_share == pytest.approx(0.02, abs=0.01)


def test_it_opens_again_when_the_glare_is_over() -> None:
    day = a_sunny_day(compiled(GLARE, OPEN))
    assert day.blind == 100
    last = max(at for at, point, _ in day.moves if point == "position")
    assert START + 14 * HOUR < last < START + 19 * HOUR


def test_what_was_learned_wrong_lasts_for_half_an_hour() -> None:
    """A cloud came while it closed: the share seems smaller than it is, and the light outside greater."""
    room = SimulatedRoom(compiled(GLARE, OPEN), START + 11 * HOUR, sky=lambda now: 2_000 if now < CLOUD else 400)
    room.state.set_devices(devices())
    room.run(START + 13 * HOUR)
    (_, _, closed), (opened_at, _, opened) = [move for move in room.moves if move[1] == "position"]
    assert (closed, opened) == (0, 100)
    assert opened_at <= CLOUD + REST_MS + MINUTE


CLOUD = START + 11 * HOUR + 20_000


@pytest.mark.parametrize("name", ["default", "2020", "comfort"])
@pytest.mark.parametrize("blind", [0.0, 100.0])
@pytest.mark.parametrize("top", [60.0, 2_000.0])
def test_a_sunny_day_by_the_sets_that_come_with_insula(name: str, blind: float, top: float) -> None:
    day = a_sunny_day(rules(name), sky=sunny(top), blind=blind, humidity=lambda now: 45 + 8 * sin((now - START) / HOUR))
    assert len(day.moves_of("position")) <= 8
    assert len(day.moves_of("level")) <= 8
