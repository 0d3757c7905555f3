"""A rule that begins before its hours, by as long as the room needs; and how long that is, as the room learns it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.building.compiled import RuleFault, compile_rule
from insula.building.decide import decide
from insula.building.hours import parse_hours
from insula.building.warmup import LEAST_K_H, LONGEST_MS, MOST_K_H, STAY_MS, WarmUp
from insula.messages import Rule
from tests.a_room import HOUR, MINUTE, NOON, PLACE, ZONE, compiled, local, reading, room

WARM = Rule(
    name="warm",
    when="!holiday",
    target="room.temperature",
    value=21,
    hours="Mo-Fr 08:30-10:00",
    early=True,
    class_="schedule",
)
LOW = Rule(name="low", when="true", target="room.temperature", value=12, class_="energy")
BY = compiled(WARM, LOW)


def winner(
    at: int, temperature: float, held: frozenset[str] = frozenset(), gain: float = 1.0
) -> tuple[str, int | None]:
    """The rule that wins, and when that can next change."""
    state = room(at, temperature=temperature)
    state.held, state.warmup.gain = held, gain
    verdict = decide(BY, state, at, PLACE)
    return verdict.wishes[0].rule.name, verdict.changes_at


@pytest.mark.parametrize(("time", "temperature", "name"), [
    ("05:59", 18.5, "low"), ("06:00", 18.5, "warm"), ("06:00", 19.0, "low"), ("08:29", 21.5, "low"),
    ("08:30", 21.5, "warm"), ("09:59", 15.0, "warm"), ("10:00", 15.0, "low"),
])  # fmt: skip
def test_it_begins_as_early_as_the_room_is_cold(time: str, temperature: float, name: str) -> None:
    assert winner(local(f"2026-03-11 {time}"), temperature)[0] == name


def test_a_slow_room_begins_earlier_and_a_monday_on_sunday() -> None:
    assert winner(local("2026-03-11 03:29"), 18.5, gain=0.5)[0] == "low"
    assert winner(local("2026-03-11 03:30"), 18.5, gain=0.5)[0] == "warm"
    assert winner(local("2026-03-15 23:00"), 11)[0] == "warm"
    assert winner(local("2026-03-14 23:00"), 11)[0] == "low"


def test_the_controller_is_woken_when_it_begins() -> None:
    assert winner(local("2026-03-11 05:10"), 18.5)[1] == local("2026-03-11 05:15")  # the temperature's hold, no later
    at = local("2026-03-11 05:58")
    assert winner(at, 18.5)[1] == local("2026-03-11 06:00")


def test_once_begun_it_is_not_given_up_for_a_little() -> None:
    at = local("2026-03-11 06:00")
    assert winner(at, 19.3, frozenset({"warm"}))[0] == "warm"
    assert winner(at, 20.0, frozenset({"warm"}))[0] == "low"
    assert winner(local("2026-03-11 10:00"), 15.0, frozenset({"warm"}))[0] == "low"


def test_while_the_temperature_is_not_known_it_begins_at_its_hours() -> None:
    state = room(local("2026-03-11 08:29"), temperature=None)
    holds = decide(BY, state, local("2026-03-11 08:29"), PLACE).held
    assert "warm" not in holds


@pytest.mark.parametrize("fields", [{"hours": ""}, {"target": "radiator.valve"}])
def test_only_a_temperature_with_hours_may_be_early(fields: dict[str, str]) -> None:
    with pytest.raises(RuleFault) as fault:
        compile_rule(
            Rule(
                name="x",
                when="true",
                value=20,
                early=True,
                **{"target": "room.temperature", "hours": "08:00-09:00"} | fields,
            )
        )
    assert fault.value.text == "early: is for rules of room.temperature that have hours"


@given(st.integers(0, 400 * 24 * 60))
def test_the_next_hours_begin_after_now(minutes: int) -> None:
    hours, now = parse_hours("Mo-Fr 08:30-10:00; Su 22:00-02:00"), NOON + minutes * MINUTE
    assert hours is not None
    begin = hours.next_begin(now, ZONE)
    assert now < begin <= now + 3 * 24 * HOUR
    assert hours.include(PLACE.local(begin))
    assert not hours.include(PLACE.local(begin - 1))


# --- learning


def warmed(warmup: WarmUp, gain: float, begun: float = 15.0) -> None:
    """The room gains so much an hour, from ``begun`` to 21 °C."""
    for minute in range(0, 24 * 60, 5):
        warmup.see(21.0, min(21.0, begun + gain * minute / 60), NOON + minute * MINUTE)
    warmup.see(12.0, 21.0, NOON + 24 * HOUR)


def test_a_room_learns_what_it_gains() -> None:
    warmup = WarmUp()
    for _ in range(6):
        warmed(warmup, 2.0)
    assert warmup.gain == pytest.approx(2, abs=0.05)
    assert warmup.needed_ms(21, 15, False) == pytest.approx(3 * HOUR, rel=0.03)


def test_what_teaches_nothing() -> None:
    warmup = WarmUp()
    warmed(warmup, 2.0, begun=20)
    warmup.see(21.0, 15.0, NOON)
    warmup.see(12.0, 18.0, NOON + HOUR)
    warmup.see(None, 18.0, NOON + HOUR)
    warmup.see(21.0, None, NOON + HOUR)
    assert warmup.gain is None


@given(st.lists(st.tuples(st.sampled_from([12.0, 21.0, None]), st.floats(-20, 40), st.integers(0, 10 * HOUR))))
def test_what_it_learns_stays_possible(history: list[tuple[float | None, float, int]]) -> None:
    warmup, now = WarmUp(), NOON
    for wish, temperature, pause in history:
        now += pause
        warmup.see(wish, temperature, now)
        assert warmup.gain is None or LEAST_K_H <= warmup.gain <= MOST_K_H
    assert 0 <= warmup.needed_ms(21, 10, True) <= LONGEST_MS
    assert warmup.needed_ms(21, 22, True) == STAY_MS


def test_a_room_learns_from_its_readings_while_a_temperature_is_held() -> None:
    at = local("2026-03-11 04:00")
    state = room(at, temperature=15)
    for step in range(13):
        now = at + step * 30 * MINUTE
        for point, value in (("temperature", min(21, 15 + step)), ("motion", 1)):
            state.take(reading(point, value, now), now)
        verdict = decide(
            compiled(Rule(name="warm", when="occupied", target="room.temperature", value=21)), state, now, PLACE
        )
        state.held, state.comfort = verdict.held, verdict.comfort
    assert state.warmup.gain == pytest.approx(1.5, abs=0.15)
