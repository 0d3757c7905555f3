"""Who wins: classes, order, scope and hours; thermostats; and what must hold whatever the rules and readings are."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insula.building.arbiter import THINGS
from insula.building.decide import Verdict, Wish, decide, seen_by
from insula.building.rules import CompiledRules, compile_ruleset, load_ruleset
from insula.building.state import RoomState
from insula.messages import RANK, CommandClass, DeviceRecord, RoomRecord, Rule
from insula.points import ROLES
from tests.a_room import (
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
)

CLASSES: tuple[CommandClass, ...] = ("safety", "service", "occupant", "schedule", "comfort", "energy")


def lamp(name: str, value: float, **more: object) -> Rule:
    return Rule(**{"name": name, "when": "humidity >= 0.0", "target": "lamp.level", "value": value, **more})


def warm(name: str, value: float, **more: object) -> Rule:
    return lamp(name, value, **{"target": "room.temperature", **more})


def winner(by: CompiledRules, state: RoomState, now: int = NOON, device_id: int = LAMP) -> Wish | None:
    found = [wish for wish in decide(by, state, now, PLACE).wishes if wish.device.device_id == device_id]
    assert len(found) <= 1
    return found[0] if found else None


def driven(by: CompiledRules, state: RoomState, now: int = NOON) -> dict[tuple[int, str], float]:
    return {(wish.device.device_id, wish.point): wish.value for wish in decide(by, state, now, PLACE).wishes}


# --- class, then order


def test_the_class_goes_before_the_order() -> None:
    some = [lamp(name, value, class_=name) for value, name in enumerate(reversed(CLASSES))]
    won = winner(compiled(*some), room())
    assert won is not None
    assert (won.rule.name, won.lost) == ("safety", CLASSES[1:])


def test_of_one_class_the_first_wins() -> None:
    won = winner(compiled(lamp("a", 10, class_="energy"), lamp("b", 20), lamp("c", 30)), room())
    assert won is not None
    assert (won.rule.name, won.lost) == ("b", ("c", "a"))


def test_one_thing_is_driven_by_one_rule_whatever_point_it_names() -> None:
    both = DeviceRecord(
        device_id=LAMP,
        room_id=1,
        room_number=1,
        type="knx",
        gateway_id="knx",
        kind="lamp",
        points=points("level", "switch"),
    )
    state = room()
    state.set_devices([*devices()[:3], both])
    by = compiled(lamp("off", 0, target="lamp.switch"), lamp("on", 90, class_="safety"))
    assert driven(by, state) == {(LAMP, "level"): 90}


def test_while_it_is_not_known_what_safety_wants_nobody_else_does_anything() -> None:
    by = compiled(lamp("on", 90), lamp("off when hot", 0, when="temperature > 40.0", class_="safety"))
    assert winner(by, room(temperature=None)) is None
    assert winner(by, room(temperature=20)) is not None


def test_an_occupants_lease_goes_before_comfort_and_after_safety() -> None:
    state = room()
    state.leases[LAMP] = lease(LAMP, NOON, NOON + HOUR)
    assert decide(compiled(lamp("a", 90)), state, NOON, PLACE).due == ()
    assert decide(compiled(lamp("a", 90)), state, NOON, PLACE).changes_at <= NOON + HOUR
    assert len(decide(compiled(lamp("a", 90, class_="safety")), state, NOON, PLACE).due) == 1


# --- scope and hours


@pytest.mark.parametrize(
    ("scope", "counts"),
    [
        ("", True),
        ("building", True),
        ("floor:4", True),
        ("floor:5", False),
        ("room:12", True),
        ("room:1", False),
        ("tag:office", True),
        ("tag:lab", False),
    ],
)
def test_scope(scope: str, counts: bool) -> None:
    state = room()
    state.record = RoomRecord(room_id=1, number=12, floor=4, tags=("office", "south"))
    by = compiled(lamp("a", 90, scope=scope))
    assert (winner(by, state) is not None) is counts
    state.record = None
    assert (winner(by, state) is not None) is (scope in ("", "building"))


def test_rooms_of_one_sort_share_their_rules() -> None:
    by = compiled(lamp("a", 90, scope="floor:4"), lamp("b", 10))
    one = RoomRecord(room_id=1, number=12, floor=4)
    assert by.within(one) is by.within(msgspec.structs.replace(one, name="Library"))
    assert [rule.rule.name for rule in by.within(msgspec.structs.replace(one, floor=3)).rules] == ["b"]


def test_outside_its_hours_a_rule_is_not_there() -> None:
    by = compiled(lamp("day", 0, hours="Mo-Fr 07:00-19:00", class_="schedule"), lamp("always", 90))
    day, night = local("2026-03-11 18:59"), local("2026-03-11 19:00")
    won = winner(by, room(day), day)
    assert won is not None
    assert won.rule.name == "day"
    assert decide(by, room(day), day, PLACE).changes_at == night
    won = winner(by, room(night), night)
    assert won is not None
    assert (won.rule.name, won.lost) == ("always", ())


def test_a_rule_out_of_its_hours_does_not_go_on_to_hold() -> None:
    by = compiled(lamp("damp", 0, when="humidity > 50", hours="07:00-19:00", hysteresis=5, otherwise=90))
    state = room(humidity=55)
    for at, humidity, value in (("18:00", 55, 0), ("18:10", 48, 0), ("20:00", 55, None), ("07:00", 48, 90)):
        now = local(f"2026-03-11 {at}") + (24 * HOUR if at == "07:00" else 0)
        state.take(reading("humidity", humidity, now), now)
        found = decide(by, state, now, PLACE)
        state.held = found.held
        assert next((wish.value for wish in found.wishes), None) == value


# --- heating


def thermostat(*roles: str) -> RoomState:
    own = DeviceRecord(
        device_id=8, room_id=1, room_number=1, type="knx", gateway_id="knx", kind="thermostat", points=points(*roles)
    )
    state = room()
    state.set_devices([*devices(), own])
    return state


def test_a_thermostat_gets_the_wish_and_its_valves_are_left_alone() -> None:
    by = compiled(warm("warm", 21), lamp("valve", 90, target="radiator.valve", class_="safety"))
    assert driven(by, thermostat("setpoint", "hvac_mode", "temperature")) == {(8, "setpoint"): 21}
    assert driven(by, thermostat("hvac_mode")) == {(8, "hvac_mode"): 1}


def test_without_one_the_valve_is_moved() -> None:
    state = room(temperature=17, valve=0)
    found = decide(compiled(warm("warm", 21)), state, NOON, PLACE)
    (wish,) = found.wishes
    assert (wish.point, wish.value, wish.temperature) == ("valve", 100, 21)
    assert seen_by(wish, found, state) == {"humidity": 40, "temperature": 17, "wish": 21}
    assert found.comfort is not None
    assert found.changes_at == found.comfort.next_at


def test_a_valve_stays_where_it_is_while_the_temperature_is_not_known() -> None:
    assert driven(compiled(warm("warm", 21)), room(temperature=None)) == {}


def test_heat_has_one_winner_too() -> None:
    by = compiled(lamp("low", 10, target="radiator.valve"), warm("frost", 10, when="temperature < 7", class_="safety"))
    assert driven(by, room(temperature=6, valve=0)) == {(RADIATOR, "valve"): 100}
    assert driven(by, room(temperature=8, valve=0)) == {(RADIATOR, "valve"): 10}


def test_after_a_hand_the_valve_goes_on_from_where_it_was_put() -> None:
    by, state = compiled(warm("warm", 21)), room(temperature=20.5, valve=30)
    state.leases[RADIATOR] = lease(RADIATOR, NOON, NOON + HOUR)
    state.comfort = decide(by, state, NOON, PLACE).comfort
    state.take(reading("valve", 70, NOON + 1), NOON + 1)
    state.comfort = decide(by, state, NOON + 1, PLACE).comfort
    state.leases.clear()
    assert driven(by, state, NOON + 2) == {(RADIATOR, "valve"): 70}


@pytest.mark.parametrize(
    ("values", "wish"),
    [
        ({"temperature": 6}, 10),
        ({"temperature": 6, "window": 1}, 10),
        ({"temperature": 20, "window": 1}, 5),
        ({"temperature": 20, "window": 0, "motion": 1}, 21),
    ],
)
def test_what_comes_with_insula_protects(values: dict[str, float], wish: float) -> None:
    state = room(**{"motion": 1, **{name: value for name, value in values.items() if name != "window"}})
    sensor = msgspec.structs.replace(devices()[2], points=(*devices()[2].points, *points("window")))
    state.set_devices([*devices()[:2], sensor, devices()[3]])
    if "window" in values:
        state.take(reading("window", values["window"]), NOON)
    else:
        state.take(reading("window", 0), NOON)
    won = winner(compile_ruleset(load_ruleset("comfort")), state, device_id=RADIATOR)
    assert won is not None
    assert won.temperature == wish


# --- properties

CONDITIONS = (
    "occupied",
    "!occupied",
    "humidity > 50",
    "luminance <= 20",
    "temperature < 19.0",
    "empty_for >= 10.0",
    'local_time < "19:00"',
    "sun_elevation > 30.0",
    "window > 0",
)
TARGETS = ("lamp.level", "lamp.switch", "radiator.valve", "room.temperature", "blind.position", "blind.move")
VALUES = st.fixed_dictionaries(
    {
        "motion": st.sampled_from([None, 0, 1]),
        "humidity": st.sampled_from([None, 40, 60]),
        "illuminance": st.sampled_from([None, 0, 500]),
        "temperature": st.sampled_from([None, 15, 20, 22]),
        "valve": st.sampled_from([None, 0, 50]),
    }
)


@st.composite
def some_rules(draw: st.DrawFn, least: int = 1) -> CompiledRules:
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(CONDITIONS),
                st.sampled_from(TARGETS),
                st.sampled_from(CLASSES),
                st.sampled_from(["", "Mo-Fr 07:00-19:00", "19:00-07:00"]),
                st.booleans(),
            ),
            min_size=least,
            max_size=8,
        )
    )
    return compiled(*(_rule(f"r{number}", *one) for number, one in enumerate(drawn)))


def _rule(name: str, when: str, target: str, class_: CommandClass, hours: str, otherwise: bool) -> Rule:
    value, other = {"temperature": (21, 17), "switch": (1, 0)}.get(target.partition(".")[2], (90, 10))
    more = {"otherwise": other} if otherwise else {}
    return Rule(name=name, when=when, target=target, value=value, class_=class_, hours=hours, **more)


def things(wishes: Sequence[Wish]) -> list[tuple[int, str]]:
    return [(wish.device.device_id, THINGS.get(wish.point, ROLES[wish.point].target)) for wish in wishes]


@settings(deadline=None)
@given(some_rules(), VALUES, st.integers(0, 24 * 60 - 1))
def test_one_winner_and_it_ranks_highest(by: CompiledRules, values: dict[str, float | None], minute: int) -> None:
    now = local("2026-03-11 00:00") + minute * MINUTE
    found = decide(by, room(now, **values), now, PLACE)
    assert len(things(found.wishes)) == len(set(things(found.wishes)))
    rules = {rule.rule.name: rule.rule for rule in by.rules}
    for wish in found.wishes:
        assert all(RANK[rules[lost].class_] <= RANK[wish.rule.class_] for lost in wish.lost)


@settings(deadline=None)
@given(some_rules(), VALUES, st.sampled_from(["lamp.level", "room.temperature", "blind.position"]))
def test_safety_never_loses(by: CompiledRules, values: dict[str, float | None], target: str) -> None:
    others = [rule.rule for rule in by.rules if rule.rule.class_ != "safety"]
    state = room(**{**values, "temperature": 20, "humidity": 40})
    safety = _rule("safe", "humidity < 50.0", target, "safety", "", False)
    won = [wish for wish in decide(compiled(*others, safety), state, NOON, PLACE).wishes if wish.rule.name == "safe"]
    assert len(won) == 1


@settings(deadline=None)
@given(some_rules(), VALUES, st.permutations(range(8)))
def test_rules_of_other_things_and_classes_do_not_matter(
    by: CompiledRules, values: dict[str, float | None], order: list[int]
) -> None:
    """In whatever order the classes stand among each other in the file, the verdict is the same."""
    state = room(**values)
    ranked = sorted(enumerate(by.rules), key=lambda one: (order[RANK[one[1].rule.class_]], one[0]))
    mixed = compiled(*(rule.rule for _, rule in ranked))
    assert decide(mixed, state, NOON, PLACE).wishes == decide(by, state, NOON, PLACE).wishes


@settings(deadline=None)
@given(some_rules(), VALUES, st.integers(0, 24 * 60 - 1))
def test_it_stays_so_until_the_moment_it_names(by: CompiledRules, values: dict[str, float | None], minute: int) -> None:
    now = local("2026-03-11 00:00") + minute * MINUTE
    state = room(now, **values)
    first = decide(by, state, now, PLACE)
    state.held, state.comfort = first.held, first.comfort
    if first.changes_at is not None:
        assert decide(by, state, first.changes_at - 1, PLACE).wishes == first.wishes


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["motion", "humidity", "illuminance", "temperature", "valve", "lease", "memo", "restart"]),
        st.integers(0, 3),
        st.integers(0, 40 * 60_000),
    ),
    max_size=25,
)
LEVELS = {"motion": (0, 1, 0, 1), "humidity": (40, 49, 51, 60), "illuminance": (0, 20, 21, 500)}


def replayed(by: CompiledRules, steps: list[tuple[str, int, int]], *, forgetful: bool) -> list[Verdict]:
    """The verdicts of a history. ``forgetful``: nothing is remembered of what conditions said before."""
    now, state, verdicts = NOON, room(), []
    for what, which, pause in steps:
        now += pause
        if what == "lease":
            state.leases[LAMP] = lease(LAMP, now, now + which * 10 * MINUTE)
        elif what == "restart":
            state = room(now)
        elif what != "memo":
            value = LEVELS.get(what, (15, 20, 21, 22))[which]
            state.take(reading(what, value, now), now)
        if forgetful or what == "memo":
            state.memo = None
        verdicts.append(decide(by, state, now, PLACE))
        state.held, state.comfort = verdicts[-1].held, verdicts[-1].comfort
    return verdicts


@settings(deadline=None)
@given(some_rules(), STEPS)
def test_the_same_history_gives_the_same_verdicts(by: CompiledRules, steps: list[tuple[str, int, int]]) -> None:
    """What a room remembers of its conditions makes it quick, and nothing else."""
    first = replayed(by, steps, forgetful=False)
    assert replayed(by, steps, forgetful=False) == first
    assert replayed(by, steps, forgetful=True) == first
