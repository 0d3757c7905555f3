"""The answers of a room's rules: a condition is evaluated again only when a value that it names has changed."""

from collections.abc import Mapping

from insula.building import expressions
from insula.building.compiled import CompiledRule, CompiledRules
from insula.building.local_time import LocalTime
from insula.building.named import Value, Values, spellings
from insula.points import ROLES


class Conditions:
    """Remembers the last values, and what each condition said to them: with the same values it says the same."""

    def __init__(self, rules: CompiledRules) -> None:
        self._rules = rules
        self._values: Values = {}
        self._context = expressions.Context()
        self._said: dict[str, bool | None] = {}

    def answers(
        self, values: Values, held: frozenset[str], local: LocalTime, early: frozenset[str] = frozenset()
    ) -> dict[str, bool | None]:
        """By rule; None: a value that matters is not known. A rule that does not count at this hour is not there,
        unless it begins ``early``."""
        changed = self._take(values)
        for rule in self._rules.rules:
            if rule.rule.name not in self._said or not changed.isdisjoint(rule.names):
                self._said[rule.rule.name] = rule.holds(self._context)
        return {
            rule.rule.name: self._answer(rule, held)
            for rule in self._rules.rules
            if rule.counts_at(local) or rule.rule.name in early
        }

    def supposing(self, values: Values, local: LocalTime) -> dict[str, bool | None]:
        """By rule, were these values others than at the last time."""
        context = expressions.Context(_spelled({**self._values, **values}))
        return {rule.rule.name: rule.holds(context) for rule in self._rules.rules if rule.counts_at(local)}

    def _take(self, values: Values) -> set[str]:
        """The names whose values are others than at the last time."""
        before, self._values = self._values, values
        changed = {name for name, value in values.items() if before.get(name) != value}
        gone = before.keys() - values.keys()
        if gone:
            self._context = expressions.Context(_spelled(values))
        elif changed:
            self._context.update(_spelled({name: values[name] for name in changed}))
        return changed | gone

    def _answer(self, rule: CompiledRule, held: frozenset[str]) -> bool | None:
        """With hysteresis, a condition that held goes on to hold while it would with values so much higher or lower."""
        said = self._said[rule.rule.name]
        if said is not False or not rule.rule.hysteresis or rule.rule.name not in held:
            return said
        shifts = (rule.rule.hysteresis, -rule.rule.hysteresis)
        return any(rule.holds(expressions.Context(_spelled(_shifted(self._values, by)))) for by in shifts)


def _spelled(values: Mapping[str, Value]) -> Values:
    """Each under its aliases too."""
    return {spelling: value for name, value in values.items() for spelling in spellings(name)}


def _shifted(values: Values, by: float) -> Values:
    return {
        name: value + by if name in ROLES and ROLES[name].average == "time" and isinstance(value, float) else value
        for name, value in values.items()
    }
