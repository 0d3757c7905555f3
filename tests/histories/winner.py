"""Who should win, computed from scratch and plainly: the second opinion that the arbiter is held against."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from insula.messages import RANK, Reading, Rule

LIMIT_MS = 30 * 60_000
Values = Mapping[str, Any]
Holds = Callable[[Values], bool | None]


@dataclass(frozen=True)
class Plain:
    """A rule, and what its condition means: None where a value that matters is not known."""

    rule: Rule
    holds: Holds
    hours: Callable[[str, int], bool] = lambda text, weekday: True

    def wish(self, values: Values) -> float | None:
        true = self.holds(values)
        return None if true is None else self.rule.value if true else self.rule.otherwise


def _rule(name: str, when: str, target: str, value: float, **more: Any) -> Rule:
    return Rule(name=name, when=when, target=target, value=value, **more)


def _if(name: str, test: Callable[[float], bool]) -> Holds:
    return lambda values: test(values[name]) if name in values else None


def _always(values: Values) -> bool:
    return True


PLAIN = (
    Plain(
        _rule("frost", "temperature < 8.0", "radiator.valve", 100, class_="safety"), _if("temperature", lambda t: t < 8)
    ),
    Plain(_rule("soaked", "humidity > 90.0", "blind.position", 0, class_="safety"), _if("humidity", lambda h: h > 90)),
    Plain(
        _rule("cleaning", "true", "blind.position", 100, class_="service", hours="Mo-Fr 02:00-03:30"),
        _always,
        lambda text, weekday: weekday <= 5 and "02:00" <= text < "03:30",
    ),
    Plain(
        _rule("night", 'local_time >= "22:00" || local_time < "06:00"', "radiator.valve", 10, class_="schedule"),
        lambda values: values["local_time"] >= "22:00" or values["local_time"] < "06:00",
    ),
    Plain(
        _rule("between two and three", "true", "lamp.level", 40, class_="schedule", hours="02:15-02:45,12:30-13:00"),
        _always,
        lambda text, weekday: "02:15" <= text < "02:45" or "12:30" <= text < "13:00",
    ),
    Plain(_rule("humid", "humidity > 50.0", "blind.position", 20), _if("humidity", lambda h: h > 50)),
    Plain(_rule("view", "occupied", "blind.position", 80, otherwise=60), _if("occupied", bool)),
    Plain(_rule("warm", "occupied", "radiator.valve", 90), _if("occupied", bool)),
    Plain(_rule("hot", "occupied", "radiator.valve", 100), _if("occupied", bool)),
    Plain(_rule("light", "occupied", "lamp.level", 90, otherwise=0), _if("occupied", bool)),
    Plain(_rule("long there", "occupied_for >= 20.0", "lamp.level", 70), _if("occupied_for", lambda m: m >= 20)),
    Plain(
        _rule("gone", "empty_for >= 10.0", "radiator.valve", 5, class_="energy"), _if("empty_for", lambda m: m >= 10)
    ),
    Plain(_rule("low", "!occupied", "radiator.valve", 20, class_="energy"), _if("occupied", lambda there: not there)),
)


@dataclass(frozen=True)
class Winner:
    rule: str
    value: float
    class_: str


def winners(rules: Iterable[Plain], readings: Iterable[Reading], now: int, zone: ZoneInfo) -> dict[str, Winner]:
    """By target (``blind.position``): who should drive it now."""
    values, local = known(readings, now, zone), datetime.fromtimestamp(now / 1000, zone)
    found: dict[str, Winner] = {}
    blocked: set[str] = set()
    for one in sorted(rules, key=lambda one: -RANK[one.rule.class_]):
        target = one.rule.target
        if target in found or target in blocked or not one.hours(f"{local:%H:%M}", local.isoweekday()):
            continue
        wish = one.wish(values)
        if wish is not None:
            found[target] = Winner(one.rule.name, wish, one.rule.class_)
        elif one.holds(values) is None:
            blocked.add(target)
    return found


def known(readings: Iterable[Reading], now: int, zone: ZoneInfo) -> dict[str, float | str]:
    """The named values of a room with one sensor."""
    values: dict[str, float | str] = {"local_time": f"{datetime.fromtimestamp(now / 1000, zone):%H:%M}"}
    for reading in readings:
        if not fresh(reading, now):
            continue
        values[reading.point] = reading.value
        if reading.point == "motion":
            minutes = (now - reading.changed_at) / 60_000
            values["occupied"] = reading.value
            values["occupied_for"] = minutes if reading.value else 0.0
            values["empty_for"] = 0.0 if reading.value else minutes
    return values


def fresh(reading: Reading, now: int) -> bool:
    since = reading.measured_at
    if reading.point in ("motion", "position", "valve", "level", "wind_alarm"):
        since = max(since, reading.seen_at)
    return reading.quality == "good" and now < since + LIMIT_MS
