"""Figures that two sets of rules are compared by, and whether the same decisions are made again."""

import pytest

from insula.messages import Decision
from insula.rehearsal.figures import Figures, total
from insula.rehearsal.reproduction import Comparison


def test_time_is_weighted_by_what_was_open_and_who_was_there() -> None:
    figures = Figures()
    figures.pass_time(7200, occupied=True, dark=True, cold=False, valves=[50, 0], lamps=[90])
    figures.pass_time(3600, occupied=False, dark=True, cold=True, valves=[100, 100], lamps=[0])
    assert (figures.valve_open_h, figures.valve_percent_h, figures.lamp_percent_h) == (4, 300, 180)
    assert (figures.occupied_min, figures.dark_min, figures.cold_min) == (120, 120, 0)


def test_only_what_moves_a_blind_is_a_move() -> None:
    one, other = Figures(), Figures()
    one.commanded(7, "position")
    other.commanded(7, "position")
    other.commanded(8, "valve")
    both = total([one, other])
    assert (both.commands, both.moves) == (3, {7: 2})
    assert both.as_json()["moves_per_blind"] == {"7": 2}
    assert "heat_kwh" not in both.as_json()


def test_heat_is_told_where_it_is_known() -> None:
    warm = Figures()
    warm.heated(500, 7200)
    assert total([warm, Figures()]).heat_kwh == pytest.approx(1.0)


def decided(at: int, value: float = 90, version: str = "1") -> Decision:
    return Decision(
        id=f"{at}/{value}/{version}",
        at=at,
        decided_at=at,
        room_id=1,
        device_id=2,
        point="valve",
        value=value,
        rule="warm",
        version=version,
        command_id=f"{at}",
        trigger="r",
    )


def test_decisions_are_found_again_within_the_tolerance_once() -> None:
    comparison = Comparison([decided(1000), decided(9000), decided(20_000, 10)], 0, 2000)
    assert comparison.find(decided(2500)) == decided(1000)
    assert comparison.find(decided(2600)) is None
    assert comparison.find(decided(9000, version="2")) is None
    found = comparison.result()
    assert (found.recorded, found.reproduced) == (3, 1)
    assert found.missed == [decided(9000), decided(20_000, 10)]
    assert [one.decided_at for one in found.extra] == [2600, 9000]


def test_what_was_before_the_time_asked_for_is_not_counted() -> None:
    comparison = Comparison([decided(1000), decided(9000)], 5000, 100)
    comparison.find(decided(1000))
    comparison.find(decided(3000))
    comparison.find(decided(9000))
    found = comparison.result()
    assert (found.recorded, found.reproduced, found.missed, found.extra) == (1, 1, [], [])
