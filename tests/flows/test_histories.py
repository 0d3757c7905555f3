"""Random histories of a room: readings, hands, rules that are edited, restarts, clocks that are set.

``make chaos`` lives 10,000 of them (bench/histories.py).
"""

from hypothesis import HealthCheck, given, settings

from insula.building.state import BACK_OFF_MS
from tests.a_room import local
from tests.histories.life import live
from tests.histories.steps import HISTORIES, History

START = local("2026-03-11 12:00")


@settings(max_examples=80, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(HISTORIES)
def test_any_history(history: History) -> None:
    """One winner, which is the one that a plain second opinion names; nothing to what a higher class holds; no stale
    value; leases end on time; nothing in an observed room; and the same history gives the same commands."""
    commands, faults = live(history)
    assert faults == []
    assert live(history)[0] == commands


def after(*steps: tuple[str, object]) -> list[tuple[str, float]]:
    """The last commands of a history without a fault: of the position, the valve and the level."""
    commands, faults = live((START, list(steps)))
    assert faults == []
    return [(point, value) for _, point, value, _, _ in commands]


def test_a_clock_that_is_set_back_is_another_time_of_day() -> None:
    evening = local("2026-03-11 21:59")
    commands, faults = live((evening, [("advance", 120), ("clock", -1500), ("advance", 60)]))
    assert faults == []
    assert [(value, rule) for _, point, value, _, rule in commands if point == "valve"] == [(10, "night"), (20, "low")]


def test_frost_protection_does_not_wait_for_what_comfort_failed_to_do() -> None:
    rules, works = ("rules", ("hot", "frost")), ("works", "done")
    steps = [rules, ("works", "failed"), ("report", ("motion", 1.0)), works, ("report", ("temperature", 5.0))]
    commands, faults = live((START, steps))
    assert faults == []
    (_, _, _, hot_at, hot), (_, _, _, frost_at, frost) = commands
    assert (hot, frost) == ("hot", "frost")
    assert frost_at - hot_at < BACK_OFF_MS


def test_a_press_after_a_command_has_the_last_word() -> None:
    rules = ("rules", ("light",))
    found = after(rules, ("user", ("level", 0.0)), ("press", ("level", 90.0)), ("end lease", "level"))
    assert found == [("level", 0)]


def test_an_older_commands_result_does_not_close_a_newer_one() -> None:
    rules, slow = ("rules", ("frost",)), ("latency", 3.0)
    hands = (("user", ("valve", 20.0)), ("user", ("valve", 0.0)))
    assert after(rules, slow, *hands, ("report", ("temperature", 5.0)), ("advance", 30)) == [("valve", 100)]


def test_in_place_of_rules_that_do_not_compile_none_apply_after_a_restart() -> None:
    assert after(("rules", ("low",)), ("rules", "broken"), ("restart", 2), ("report", ("motion", 1.0))) == []


def test_who_takes_over_knows_what_was_carried_out_and_overrules_a_hand_for_safety() -> None:
    steps = [("rules", ("frost",)), ("report", ("temperature", 5.0)), ("restart", 0), ("press", ("valve", 0.0))]
    assert after(*steps) == [("valve", 100), ("valve", 100)]


def test_who_takes_over_does_not_wait_for_what_a_hand_has_undone_since() -> None:
    steps = [("rules", ("frost",)), ("report", ("temperature", 5.0)), ("press", ("valve", 0.0)), ("restart", 0)]
    assert after(*steps) == [("valve", 100), ("valve", 100)]
