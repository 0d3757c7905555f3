"""Rule files: what they say, what is refused and on which line."""

from pathlib import Path

import pytest

from insula.building.rules import compile_ruleset, load_ruleset, parse_ruleset, version_of
from insula.errors import RuleError
from insula.messages import Rule, RuleSet
from tests.a_room import compiled

ONE = """name = "one"

[[rule]]
name = "lamp"
when = 'occupied'
target = "lamp.level"
value = 90
"""


def faults(text: str) -> list[tuple[int, str]]:
    with pytest.raises(RuleError) as error:
        parse_ruleset(text, "test.toml")
    return list(error.value.faults)


def changed(old: str, new: str) -> str:
    assert old in ONE
    return ONE.replace(old, new)


@pytest.mark.parametrize("name", ["default", "2020"])
def test_the_sets_that_come_with_insula(name: str) -> None:
    rules = compile_ruleset(load_ruleset(name))
    assert rules.name == name
    assert list(rules.targets) == ["radiator.valve", "blind.position", "lamp.level"]
    assert rules.names == {"occupied", "humidity", "illuminance", "local_time"}


def test_comfort_holds_a_temperature_and_has_the_rules_of_safety() -> None:
    rules = compile_ruleset(load_ruleset("comfort"))
    assert list(rules.targets) == ["room.temperature", "blind.position", "lamp.level"]
    safety = [rule.rule for rule in rules.rules if rule.rule.class_ == "safety"]
    assert tuple(safety) == load_ruleset("safety").rules
    assert {"temperature", "setpoint", "hvac_mode", "valve", "window", "motion"} <= rules.roles


def test_times_of_day_are_found_in_the_conditions() -> None:
    assert compile_ruleset(load_ruleset("default")).times == {"07:00", "19:00"}


def test_no_set_of_that_name_says_which_there_are() -> None:
    for name in ("spring", "", "spring.toml"):
        with pytest.raises(RuleError, match="there are: 2020, comfort, default, safety"):
            load_ruleset(name)


def test_a_set_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(ONE)
    assert load_ruleset(str(file)).name == "one"
    file.write_text(ONE.replace("90", "900"))
    with pytest.raises(RuleError, match=r"mine\.toml, line 7"):
        load_ruleset(str(file))


def test_a_rule_has_its_fields() -> None:
    text = ONE + 'otherwise = 0\nclass = "energy"\ndwell_s = 60\nhysteresis = 2.5\n'
    text += 'scope = "floor:-1"\nhours = "Mo-Fr 07:00-19:00"\n'
    (rule,) = parse_ruleset(text).rules
    assert rule == Rule(
        name="lamp",
        when="occupied",
        target="lamp.level",
        value=90,
        otherwise=0,
        class_="energy",
        dwell_s=60,
        hysteresis=2.5,
        scope="floor:-1",
        hours="Mo-Fr 07:00-19:00",
    )


def test_version_follows_content_alone() -> None:
    version = parse_ruleset(ONE).version
    assert parse_ruleset("# a remark\n" + changed('"one"', '"two"')).version == version
    assert parse_ruleset(changed("value = 90", "value = 91")).version != version
    assert version == version_of(parse_ruleset(ONE).rules)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        (changed("when = 'occupied'", "when = 'ocupied'"), 5, "no value named 'ocupied'"),
        (changed("when = 'occupied'", "when = 'occupied &&'"), 5, "parse"),
        (changed("when = 'occupied'", "when = 'humidity'"), 5, "true or false"),
        (changed("when = 'occupied'", "when = 'occupied > 3'"), 5, "overload"),
        (changed("when = 'occupied'", "when = 'humidity + 1 > 3.0'"), 5, "humidity + 1.0"),
        (changed("when = 'occupied'", "when = 'size(local_time) > 3'"), 5, "no function 'size'"),
        (changed("when = 'occupied'", "when = 'local_time < \"7:00\"'"), 5, "no time of day"),
        (changed("when = 'occupied'", "when = 'local_time == local_time'"), 5, "compared with a time of day"),
        (changed("lamp.level", "lamp"), 6, "kind.point"),
        (changed("lamp.level", "lamp.brightness"), 6, "kind.point"),
        (changed("lamp.level", "sensor.humidity"), 6, "cannot be driven"),
        (changed("value = 90", "value = 101"), 7, "not within 0 to 100 %"),
        (changed("value = 90", 'value = "much"'), 7, "float"),
        (changed("value = 90", ""), 3, "value"),
        (ONE + "otherwise = -1\n", 8, "not within"),
        (ONE + "dwell_s = -1\n", 8, "from 0 on"),
        (ONE + "hysteresis = inf\n", 8, "from 0 on"),
        (ONE + 'colour = "red"\n', 8, "no such field"),
        (ONE + 'class = "urgent"\n', 8, "class"),
        (ONE + 'scope = "wing:2"\n', 8, "floor:2, room:12 or tag:office"),
        (ONE + 'scope = "floor:two"\n', 8, "floor:2"),
        (ONE + 'hours = "Mo-Fr 7-19"\n', 8, "such as Mo-Fr 07:00-19:00"),
        (changed("lamp.level", "room.temperature"), 7, "not within 5 to 35 °C"),
        (changed("lamp.level", "room.humidity"), 6, "cannot be driven"),
        (changed("when = 'occupied'", "when = 'empty_for > 10.0 + 1.0'"), 5, "compared with a number alone"),
        (changed("when = 'occupied'", "when = 'age_of_sun > 1.0'"), 5, "no value named 'age_of_sun'"),
        (changed('name = "one"', 'name = "one"\ninclude = ["unsafety"]'), 2, "no rule set 'unsafety'"),
        (changed('name = "one"', 'name = "one"\ninclude = ["mine.toml"]'), 2, "sets that come with Insula"),
        (changed('name = "one"', 'name = "one"\ninclude = "safety"'), 2, "a list of sets"),
        (
            changed('name = "one"', 'name = "one"\ninclude = ["safety"]').replace('"lamp"', '"frost protection"'),
            5,
            "two rules are named 'frost protection'",
        ),
        (ONE + ONE.removeprefix('name = "one"\n'), 10, "two rules are named 'lamp'"),
        (changed('name = "one"', ""), 1, "has a name"),
        ('name = "none"\n', 1, "at least one"),
        ('name = "none"\nrule = 3\n', 1, "at least one"),
        (changed("value = 90", "value = = 90"), 7, "Invalid value"),
        (changed("[[rule]]", "[[rule"), 3, "Expected"),
        ("rule", 1, ""),
    ],
)
def test_what_cannot_work_is_refused_with_its_line(text: str, line: int, why: str) -> None:
    ((found, said),) = faults(text)
    assert found == line
    assert why in said


def test_every_fault_is_told_at_once() -> None:
    text = ONE + ONE.removeprefix('name = "one"\n').replace('"lamp"', '"other"').replace("occupied", "x")
    assert [line for line, _ in faults(text.replace("value = 90", "value = 900", 1))] == [7, 11]


def test_the_message_names_file_and_line() -> None:
    with pytest.raises(RuleError, match=r"test\.toml, line 7: value: 101 is not within 0 to 100 %"):
        parse_ruleset(changed("value = 90", "value = 101"), "test.toml")


def test_a_rule_that_is_no_table() -> None:
    ((line, said),) = faults('name = "a"\nrule = [3]\n')
    assert (line, said) == (1, "a rule is a table, [[rule]]")


def test_a_set_that_came_by_the_bus_is_checked_too() -> None:
    bad = Rule(name="odd", when="humdity > 3", target="lamp.level", value=1)
    with pytest.raises(RuleError, match="rule 'odd': when: no value named 'humdity'"):
        compile_ruleset(RuleSet(name="x", version="1", rules=(bad,)))


def test_luminance_is_another_name_of_illuminance() -> None:
    rules = compiled(Rule(name="a", when="luminance < 20.0", target="lamp.level", value=1))
    assert rules.names == {"illuminance"}
    assert "illuminance" in rules.roles


def test_a_weekday_changes_at_midnight() -> None:
    rules = compiled(Rule(name="a", when="weekday <= 5", target="lamp.level", value=1))
    assert rules.times == {"00:00"}
