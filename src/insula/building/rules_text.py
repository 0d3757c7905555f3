"""A rule set as text for people, and from what an API was given; its faults with their places."""

import re
from typing import Any

import msgspec
import tomli_w

from insula.building.rules import parse_ruleset
from insula.errors import RuleError
from insula.messages import Rule, RuleSet

_HEADER = re.compile(r"\s*\[\[\s*rule\s*\]\]")


def export_ruleset(ruleset: RuleSet) -> str:
    """The set as TOML, what is as it is by default left out; reading it gives the same rules."""
    parts = [tomli_w.dumps({"name": ruleset.name})]
    parts += [f"[[rule]]\n{tomli_w.dumps(_given(rule))}" for rule in ruleset.rules]
    return "\n".join(parts)


def _given(rule: Rule) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(rule)
    defaults = {field.encode_name: field.default for field in msgspec.structs.fields(Rule)}
    return {name: value for name, value in values.items() if value is not None and value != defaults[name]}


def ruleset_of(data: Any) -> tuple[RuleSet, str]:
    """The rule set of a JSON object ``{"name": ..., "rules": [...]}``, and its text. Raises RuleError, with the number
    of the rule (from 1) in the place of a line; 0: the set itself."""
    if not isinstance(data, dict) or not isinstance(data.get("rules"), list):
        raise RuleError([(0, "a rule set is an object with a name and rules")])
    tables = [{name: value for name, value in _table(rule).items() if value is not None} for rule in data["rules"]]
    try:
        text = tomli_w.dumps({"name": data.get("name")}) + "".join(
            f"\n[[rule]]\n{tomli_w.dumps(table)}" for table in tables
        )
    except (TypeError, ValueError) as error:
        raise RuleError([(0, f"what cannot be a rule: {error}")]) from None
    try:
        return parse_ruleset(text), text
    except RuleError as error:
        raise RuleError([(rule_at(text, line), what) for line, what in error.faults]) from None


def _table(rule: Any) -> dict[str, Any]:
    if not isinstance(rule, dict):
        raise RuleError([(0, "each rule is an object")])
    return rule


def rule_at(text: str, line: int) -> int:
    """Which rule (from 1) of the TOML text this line is of; 0: none, it is before the first."""
    return sum(1 for one in text.splitlines()[:line] if _HEADER.match(one))
