"""Automatic rules: TOML -> RuleSet -> compiled conditions (``compiled.py``).

A condition is CEL (the Common Expression Language) over the room's named values (``named.py``). A value that is not
known leaves a condition that needs it without an answer. Whatever cannot work is refused here, before it decides
anything.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import msgspec

from insula.building.compiled import CompiledRule as CompiledRule
from insula.building.compiled import CompiledRules as CompiledRules
from insula.building.compiled import RuleFault, compile_rule
from insula.errors import RuleError
from insula.messages import Rule, RuleSet

SETS = Path(__file__).with_name("rulesets")
_FIELDS = frozenset(field.encode_name for field in msgspec.structs.fields(Rule))


def is_file(name: str) -> bool:
    """Whether this names a file of somebody's own rules; else it is a set that comes with Insula."""
    return name.endswith(".toml")


def load_ruleset(name: str, folder: Path = Path()) -> RuleSet:
    """A set that comes with Insula (``default``, ``2020``), or that of a file (a path that ends in ``.toml``, from
    ``folder`` on). Raises RuleError: no such set, or what is wrong in it."""
    file = folder / name if is_file(name) else SETS / f"{Path(name).name}.toml"
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        known = ", ".join(sorted(entry.name.removesuffix(".toml") for entry in SETS.glob("*.toml")))
        raise RuleError(
            [(0, f"no rule set {name!r} ({error}); there are: {known}, or a path to a .toml file")]
        ) from None
    return parse_ruleset(text, file.name)


def parse_ruleset(text: str, file: str = "rules") -> RuleSet:
    """The rule set in ``text`` (TOML: ``name``, then a ``[[rule]]`` each; ``include``: names of sets that come with
    Insula, whose rules come after). Raises RuleError, which names the lines."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise RuleError([(int(line[1]) if line else text.count("\n") + 1, str(error))], file) from None
    tables = data.get("rule")
    if not isinstance(data.get("name"), str) or not isinstance(tables, list) or not tables:
        raise RuleError([(1, "a rule set has a name and at least one [[rule]]")], file)
    faults: list[tuple[int, str]] = []
    rules: list[Rule] = []
    included = _included(data, text, file)
    for table, lines in zip(tables, chain(_rule_lines(text), repeat({"": 1})), strict=False):
        try:
            rules.append(_rule(table, {rule.name for rule in (*included, *rules)}))
        except RuleFault as fault:
            faults.append((lines.get(fault.field, lines[""]), fault.text))
    if faults:
        raise RuleError(faults, file)
    whole = (*rules, *included)
    return RuleSet(name=data["name"], version=version_of(whole), rules=whole)


def version_of(rules: tuple[Rule, ...]) -> str:
    """The hash of the rules' content: the same rules are the same version, whoever wrote them."""
    return hashlib.sha256(msgspec.json.encode(rules)).hexdigest()[:12]


def compile_ruleset(ruleset: RuleSet) -> CompiledRules:
    """Raises RuleError (line 0) when a rule cannot work."""
    compiled, faults = [], []
    for rule in ruleset.rules:
        try:
            compiled.append(compile_rule(rule))
        except RuleFault as fault:
            faults.append((0, f"rule {rule.name!r}: {fault.text}"))
    if faults:
        raise RuleError(faults)
    return CompiledRules(ruleset.name, ruleset.version, tuple(compiled))


def _included(data: dict[str, Any], text: str, file: str) -> tuple[Rule, ...]:
    line = next((number for number, line in enumerate(text.splitlines(), 1) if line.startswith("include")), 1)
    names = data.get("include", [])
    if not isinstance(names, list) or not all(isinstance(name, str) and not is_file(name) for name in names):
        raise RuleError([(line, 'include: a list of sets that come with Insula, as in ["safety"]')], file)
    try:
        return tuple(rule for name in names for rule in load_ruleset(name).rules)
    except RuleError as error:
        raise RuleError([(line, f"include: {text}") for _, text in error.faults], file) from None


def _rule_lines(text: str) -> Iterator[dict[str, int]]:
    """For each ``[[rule]]`` the line of each of its fields, and of itself under the empty name."""
    where: dict[str, int] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(r"\s*\[\[\s*rule\s*\]\]", line):
            if where is not None:
                yield where
            where = {"": number}
        elif where is not None and (field := re.match(r"\s*(\w+)\s*=(?!=)", line)):
            where.setdefault(field[1], number)
    if where is not None:
        yield where


def _rule(table: Any, taken: set[str]) -> Rule:
    if not isinstance(table, dict):
        raise RuleFault("", "a rule is a table, [[rule]]")
    for field in table:
        if field not in _FIELDS:
            raise RuleFault(field, f"no such field; there are: {', '.join(sorted(_FIELDS))}")
    try:
        rule = msgspec.convert(table, Rule)
    except msgspec.ValidationError as error:
        place = re.search(r"\$\.(\w+)", str(error))
        raise RuleFault(place[1] if place else "", str(error)) from None
    if rule.name in taken:
        raise RuleFault("name", f"two rules are named {rule.name!r}")
    compile_rule(rule)
    return rule
