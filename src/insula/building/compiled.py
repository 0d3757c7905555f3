"""A rule made ready to run: its condition compiled, and all that cannot work refused."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from insula.building import expressions
from insula.building.hours import Hours, parse_hours
from insula.building.local_time import LocalTime
from insula.building.named import AGE, FLAGS, canonical, is_duration, limits, role_of, samples
from insula.building.place import DAILY
from insula.messages import RoomRecord, Rule
from insula.points import ROLES, Role

COMFORT_TARGET = "room.temperature"
HEATING = ("setpoint", "hvac_mode", "valve")
"""What holds a temperature: the room's thermostat if it has one, else its valves."""
SUBSTITUTES = {"level": "switch", "position": "move"}
"""The point a rule drives in a device that lacks the one it names: a lamp that can only be switched ..."""
_FUNCTIONS = frozenset({"double", "int"})
_STRING = re.compile(r"""["']([^"']*)["']""")
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_SCOPE = re.compile(r"|building|(?:floor|room):-?\d{1,9}|tag:\S(?:.*\S)?")


class RuleFault(Exception):
    """What is wrong with a field of a rule."""

    def __init__(self, field: str, text: str) -> None:
        self.field = field
        self.text = f"{field}: {text}" if field else text


@dataclass(frozen=True)
class CompiledRule:
    """``names``: the values that the condition needs, aliases resolved; ``times``: the times of day (``HH:MM``) and
    ``limits``: the numbers of each growing value, at which its answer may change."""

    rule: Rule
    program: Any
    names: frozenset[str]
    times: frozenset[str]
    limits: tuple[tuple[str, float], ...] = ()
    hours: Hours | None = None

    @property
    def kind(self) -> str:
        return self.rule.target.partition(".")[0]

    @cached_property
    def heats(self) -> bool:
        """Whether it wishes a temperature, and leaves open how the room gets it."""
        return self.rule.target == COMFORT_TARGET

    @cached_property
    def role(self) -> Role:
        return ROLES["setpoint"] if self.heats else ROLES[self.rule.target.partition(".")[2]]

    @cached_property
    def roles(self) -> frozenset[str]:
        """The roles whose readings its condition is made of."""
        return frozenset(role for role in map(role_of, self.names) if role is not None)

    def holds(self, context: Any) -> bool | None:
        """None: a value that matters is not known (CEL's ``&&`` and ``||`` pass over one that does not)."""
        try:
            return bool(self.program.execute(context))
        except (RuntimeError, TypeError, ValueError):
            return None

    def counts_at(self, local: LocalTime) -> bool:
        return self.hours is None or self.hours.include(local)

    def counts_in(self, room: RoomRecord | None) -> bool:
        """Whether the room is in the rule's scope."""
        kind, _, name = self.rule.scope.partition(":")
        if kind in ("", "building"):
            return True
        if room is None:
            return False
        if kind == "tag":
            return name in room.tags
        return int(name) == (room.floor if kind == "floor" else room.number)


@dataclass(frozen=True)
class CompiledRules:
    """A rule set ready to run."""

    name: str
    version: str
    rules: tuple[CompiledRule, ...]
    _within: dict[tuple[int, int, tuple[str, ...]] | None, "CompiledRules"] = field(
        default_factory=dict, compare=False, repr=False
    )

    def within(self, room: RoomRecord | None) -> "CompiledRules":
        """Those that count in this room; always the same object for rooms of one sort."""
        if not self._scoped:
            return self
        key = None if room is None else (room.floor, room.number, room.tags)
        if key not in self._within:
            some = tuple(rule for rule in self.rules if rule.counts_in(room))
            self._within[key] = CompiledRules(self.name, self.version, some)
        return self._within[key]

    @cached_property
    def _scoped(self) -> bool:
        return any(rule.rule.scope for rule in self.rules)

    @cached_property
    def names(self) -> frozenset[str]:
        """The values that any rule needs, aliases resolved."""
        of_comfort = frozenset({"temperature"} if any(rule.heats for rule in self.rules) else ())
        return of_comfort.union(*(rule.names for rule in self.rules))

    @cached_property
    def times(self) -> frozenset[str]:
        """The times of day (``HH:MM``) at which an answer may change."""
        return _joined(rule.times for rule in self.rules)

    @cached_property
    def limits(self) -> frozenset[tuple[str, float]]:
        """The growing values, each with the numbers at which an answer may change."""
        return frozenset(limit for rule in self.rules for limit in rule.limits)

    @cached_property
    def targets(self) -> dict[str, tuple[CompiledRule, ...]]:
        """The rules of each target, in their order."""
        targets: dict[str, tuple[CompiledRule, ...]] = {}
        for rule in self.rules:
            targets[rule.rule.target] = (*targets.get(rule.rule.target, ()), rule)
        return targets

    @cached_property
    def early(self) -> tuple[CompiledRule, ...]:
        """Those that may begin before their hours."""
        return tuple(rule for rule in self.rules if rule.rule.early)

    @cached_property
    def roles(self) -> frozenset[str]:
        """Readings of these roles may change an answer."""
        needed = _joined(rule.roles for rule in self.rules)
        driven = {role for rule in self.rules for role in (rule.role.name, rule.role.target)}
        heating = {"temperature", *HEATING} if any(rule.heats for rule in self.rules) else set()
        substitutes = {SUBSTITUTES[role] for role in driven if role in SUBSTITUTES}
        light = {"level", "switch"} if "illuminance" in needed else set()
        alarms = {role.name for role in ROLES.values() if role.alarm}
        return frozenset(needed | driven | heating | substitutes | light | alarms)

    @cached_property
    def aged(self) -> frozenset[str]:
        """Of these roles a reading that says nothing new may change an answer: their age is named."""
        return frozenset(role for name in self.names if name.startswith(AGE) and (role := role_of(name)))


def compile_rule(rule: Rule) -> CompiledRule:
    """Raises RuleFault, which names the field."""
    _check_target(rule)
    if not _SCOPE.fullmatch(rule.scope):
        raise RuleFault("scope", f"{rule.scope!r} is not floor:2, room:12 or tag:office, nor empty: the building")
    hours = _hours(rule)
    if rule.early and (hours is None or rule.target != COMFORT_TARGET):
        raise RuleFault("early", f"is for rules of {COMFORT_TARGET} that have hours")
    try:
        program = expressions.compile(rule.when)
    except ValueError as error:
        raise RuleFault("when", str(error).splitlines()[0]) from None
    _check_names(program)
    _try_out(program)
    times = _times(rule.when)
    names = frozenset(canonical(name) for name in program.variables())
    if "local_time" in names and not times:
        raise RuleFault("when", 'local_time is compared with a time of day, as in local_time < "19:00"')
    midnight = frozenset({"00:00"}) if names & DAILY else frozenset[str]()
    of_hours = hours.times if hours is not None else frozenset[str]()
    return CompiledRule(rule, program, names, times | midnight | of_hours, tuple(_limits(names, rule.when)), hours)


def _joined(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*sets)


def _check_target(rule: Rule) -> None:
    kind, dot, point = rule.target.partition(".")
    if not kind or not dot or point not in ROLES:
        raise RuleFault("target", f"{rule.target!r} is not kind.point, as in blind.position")
    role = ROLES["setpoint"] if rule.target == COMFORT_TARGET else ROLES[point]
    if not role.writable:
        raise RuleFault("target", f"a {point} cannot be driven")
    for name, value in (("value", rule.value), ("otherwise", rule.otherwise)):
        if value is not None and not role.in_range(value):
            raise RuleFault(name, f"{value:g} is not within {role.low:g} to {role.high:g} {role.unit}".rstrip())
    for name, value in (("dwell_s", rule.dwell_s), ("hysteresis", rule.hysteresis)):
        if not 0 <= value < float("inf"):
            raise RuleFault(name, "is a number from 0 on")


def _hours(rule: Rule) -> Hours | None:
    try:
        return parse_hours(rule.hours)
    except ValueError as error:
        raise RuleFault("hours", str(error)) from None


def _check_names(program: Any) -> None:
    known = samples()
    for name in program.variables():
        if name not in known:
            raise RuleFault("when", f"no value named {name!r}; there are: {', '.join(known)}")
    for name in program.functions():
        if name.isidentifier() and name not in _FUNCTIONS:
            raise RuleFault("when", f"no function {name!r}; there are: {', '.join(sorted(_FUNCTIONS))}")


def _try_out(program: Any) -> None:
    """Wrong types show only when CEL runs: ``humidity + 1``, ``occupied > 3``, a condition that is a number."""
    known = samples()
    named = [flag for flag in FLAGS if flag in program.variables()]
    for values in product((True, False), repeat=len(named)):
        try:
            answer = program.execute(expressions.Context({**known, **dict(zip(named, values, strict=True))}))
        except (RuntimeError, TypeError, ValueError) as error:
            raise RuleFault("when", f"{error} (numbers have a decimal point when added: humidity + 1.0)") from None
        if not isinstance(answer, bool):
            raise RuleFault("when", f"a condition is true or false, this one is {answer!r}")


def _times(condition: str) -> frozenset[str]:
    texts = _STRING.findall(condition)
    for text in texts:
        if not _TIME_OF_DAY.fullmatch(text):
            raise RuleFault("when", f'"{text}" is no time of day from "00:00" to "23:59"')
    return frozenset(texts)


def _limits(names: Iterable[str], condition: str) -> Iterable[tuple[str, float]]:
    for name in filter(is_duration, sorted(names)):
        found = limits(name, condition)
        if found is None:
            raise RuleFault("when", f"{name} is compared with a number alone, by < <= > or >=, as in {name} >= 10.0")
        yield from ((name, limit) for limit in found)
