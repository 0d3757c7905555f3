"""What the controller knows when topic ``state`` is read to its end."""

from msgspec.structs import replace

from insula.bus.channel import Received
from insula.bus.port import Record
from insula.controller.known import Known
from insula.messages import BuildingSettings, BusMessage, Rule, RuleSet

RULES = RuleSet(
    name="mine", version="1", rules=(Rule(name="a", when="humidity > 50", target="blind.position", value=0),)
)


def heard(known: Known, key: str, message: BusMessage) -> None:
    known.learn(Received(Record("state", 0, 0, key, b""), message))


def test_without_published_rules_the_packaged_set_of_the_settings_applies() -> None:
    known = Known()
    heard(known, "settings/building", BuildingSettings(rules="2020"))
    known.complete()
    assert known.rules is not None
    assert (known.rules.name, known.fault) == ("2020", "")


def test_in_place_of_rules_that_do_not_compile_stand_those_of_before_else_frost_protection() -> None:
    broken = replace(RULES, name="broken", rules=(replace(RULES.rules[0], when="nobody > 1"),))
    fresh, old = Known(), Known()
    heard(old, "rules/building", RULES)
    for known in (fresh, old):
        heard(known, "rules/building", broken)
        known.complete()
        assert "'broken' is not used" in known.fault
    assert [known.rules.name for known in (fresh, old) if known.rules is not None] == ["safety", "mine"]


def test_rules_of_a_file_are_waited_for() -> None:
    known = Known()
    heard(known, "settings/building", BuildingSettings(rules="mine.toml"))
    known.complete()
    assert known.rules is not None
    assert known.rules.name == "safety"
    assert "mine.toml" in known.fault
    heard(known, "rules/building", RULES)
    assert known.rules is not None
    assert (known.rules.name, known.fault) == ("mine", "")
