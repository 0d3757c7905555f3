"""Automatic rules: TOML -> RuleSet -> compiled conditions.

A condition is CEL (the Common Expression Language) over the room's named values: every role of points.py under
its name and its alias (a number), ``occupied`` (true or false), ``local_time`` (``"HH:MM"``), ``weekday``
(1 = Monday ... 7 = Sunday) and ``month`` (1-12). A value that is not known leaves a condition that needs it
without an answer. Whatever cannot work is refused here, before it decides anything.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import cel
import msgspec

from insula.errors import RuleError
from insula.messages import Rule, RuleSet
from insula.points import ROLES, Role

ALIASES: dict[str, str] = {role.alias: role.name for role in ROLES.values() if role.alias}
SETS = Path(__file__).with_name("rulesets")
CALENDAR = frozenset({"weekday", "month"})
_FUNCTIONS = frozenset({"double", "int"})
_STRING = re.compile(r"""["']([^"']*)["']""")
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_FIELDS = frozenset(field.encode_name for field in msgspec.structs.fields(Rule))

SUBSTITUTES = {"level": "switch", "position": "move"}
"""The point a rule drives in a device that lacks the one it names: a lamp that can only be switched ..."""


def samples() -> dict[str, float | bool | str]:
    """Every name that a condition may use, with a value of its type."""
    numbers = [*ROLES, *ALIASES, *CALENDAR]
    return {**dict.fromkeys(numbers, 1.0), "occupied": True, "local_time": "12:00"}


@dataclass(frozen=True)
class CompiledRule:
    """A rule with its condition ready to run; ``names`` are the values it needs, aliases resolved."""

    rule: Rule
    program: Any
    names: frozenset[str]
    times: frozenset[str]

    @property
    def kind(self) -> str:
        return self.rule.target.partition(".")[0]

    @property
    def role(self) -> Role:
        return ROLES[self.rule.target.partition(".")[2]]

    def holds(self, context: Any) -> bool | None:
        """None: a value that matters is not known (CEL's ``&&`` and ``||`` pass over one that does not)."""
        try:
            return bool(self.program.execute(context))
        except (RuntimeError, TypeError, ValueError):
            return None


@dataclass(frozen=True)
class CompiledRules:
    """A rule set ready to run."""

    name: str
    version: str
    rules: tuple[CompiledRule, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """The values that any rule needs, aliases resolved."""
        return frozenset().union(*(rule.names for rule in self.rules))

    @cached_property
    def times(self) -> frozenset[str]:
        """The times of day (``HH:MM``) at which an answer may change."""
        return frozenset().union(*(rule.times for rule in self.rules))

    @cached_property
    def targets(self) -> dict[str, tuple[CompiledRule, ...]]:
        """The rules of each target, in their order."""
        targets: dict[str, tuple[CompiledRule, ...]] = {}
        for rule in self.rules:
            targets[rule.rule.target] = (*targets.get(rule.rule.target, ()), rule)
        return targets

    @cached_property
    def roles(self) -> frozenset[str]:
        """Readings of these roles may change an answer."""
        needed = {
            ("motion" if name == "occupied" else name) for name in self.names if name in ROLES or name == "occupied"
        }
        driven = {role for rule in self.rules for role in (rule.role.name, rule.role.target)}
        substitutes = {SUBSTITUTES[role] for role in driven if role in SUBSTITUTES}
        light = {"level", "switch"} if "illuminance" in needed else set()
        alarms = {role.name for role in ROLES.values() if role.alarm}
        return frozenset(needed | driven | substitutes | light | alarms)


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
    """The rule set in ``text`` (TOML: ``name``, then a ``[[rule]]`` each). Raises RuleError, which names the lines."""
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
    for table, lines in zip(tables, chain(_rule_lines(text), repeat({"": 1})), strict=False):
        try:
            rules.append(_rule(table, {rule.name for rule in rules}))
        except _Fault as fault:
            faults.append((lines.get(fault.field, lines[""]), fault.text))
    if faults:
        raise RuleError(faults, file)
    return RuleSet(name=data["name"], version=version_of(tuple(rules)), rules=tuple(rules))


def version_of(rules: tuple[Rule, ...]) -> str:
    """The hash of the rules' content: the same rules are the same version, whoever wrote them."""
    return hashlib.sha256(msgspec.json.encode(rules)).hexdigest()[:12]


def compile_ruleset(ruleset: RuleSet) -> CompiledRules:
    """Raises RuleError (line 0) when a rule cannot work."""
    compiled, faults = [], []
    for rule in ruleset.rules:
        try:
            compiled.append(compile_rule(rule))
        except _Fault as fault:
            faults.append((0, f"rule {rule.name!r}: {fault.text}"))
    if faults:
        raise RuleError(faults)
    return CompiledRules(ruleset.name, ruleset.version, tuple(compiled))


class _Fault(Exception):
    def __init__(self, field: str, text: str) -> None:
        self.field = field
        self.text = f"{field}: {text}" if field else text


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
        raise _Fault("", "a rule is a table, [[rule]]")
    for field in table:
        if field not in _FIELDS:
            raise _Fault(field, f"no such field; there are: {', '.join(sorted(_FIELDS))}")
    try:
        rule = msgspec.convert(table, Rule)
    except msgspec.ValidationError as error:
        place = re.search(r"\$\.(\w+)", str(error))
        raise _Fault(place[1] if place else "", str(error)) from None
    if rule.name in taken:
        raise _Fault("name", f"two rules are named {rule.name!r}")
    compile_rule(rule)
    return rule


def compile_rule(rule: Rule) -> CompiledRule:
    _check_target(rule)
    try:
        program = cel.compile(rule.when)
    except ValueError as error:
        raise _Fault("when", str(error).splitlines()[0]) from None
    _check_names(program)
    _try_out(program)
    times = _times(rule.when)
    names = frozenset(ALIASES.get(name, name) for name in program.variables())
    if "local_time" in names and not times:
        raise _Fault("when", 'local_time is compared with a time of day, as in local_time < "19:00"')
    return CompiledRule(rule, program, names, times | ({"00:00"} if names & CALENDAR else frozenset()))


def _check_target(rule: Rule) -> None:
    kind, dot, point = rule.target.partition(".")
    if not kind or not dot or point not in ROLES:
        raise _Fault("target", f"{rule.target!r} is not kind.point, as in blind.position")
    role = ROLES[point]
    if not role.writable:
        raise _Fault("target", f"a {point} cannot be driven")
    for field, value in (("value", rule.value), ("otherwise", rule.otherwise)):
        if value is not None and not role.in_range(value):
            raise _Fault(field, f"{value:g} is not within {role.low:g} to {role.high:g} {role.unit}".rstrip())
    for field, value in (("dwell_s", rule.dwell_s), ("hysteresis", rule.hysteresis)):
        if not 0 <= value < float("inf"):
            raise _Fault(field, "is a number from 0 on")


def _check_names(program: Any) -> None:
    known = samples()
    for name in program.variables():
        if name not in known:
            raise _Fault("when", f"no value named {name!r}; there are: {', '.join(known)}")
    for name in program.functions():
        if name.isidentifier() and name not in _FUNCTIONS:
            raise _Fault("when", f"no function {name!r}; there are: {', '.join(sorted(_FUNCTIONS))}")


def _try_out(program: Any) -> None:
    """Wrong types show only when CEL runs: ``humidity + 1``, ``occupied > 3``, a condition that is a number."""
    known = samples()
    for occupied in (True, False):
        try:
            answer = program.execute(cel.Context({**known, "occupied": occupied}))
        except (RuntimeError, TypeError, ValueError) as error:
            raise _Fault("when", f"{error} (numbers have a decimal point when added: humidity + 1.0)") from None
        if not isinstance(answer, bool):
            raise _Fault("when", f"a condition is true or false, this one is {answer!r}")


def _times(condition: str) -> frozenset[str]:
    texts = _STRING.findall(condition)
    for text in texts:
        if not _TIME_OF_DAY.fullmatch(text):
            raise _Fault("when", f'"{text}" is no time of day from "00:00" to "23:59"')
    return frozenset(texts)
