"""What the rules want of a room now, what of it is to be commanded, and when that can next change. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import cel

from insula.building.local_time import local_time, next_passing
from insula.building.rules import ALIASES, SUBSTITUTES, CompiledRule, CompiledRules
from insula.building.state import RoomState, near
from insula.messages import RANK, DeviceRecord, Rule
from insula.points import ROLES

Values = dict[str, float | bool | str]
ALARMS = tuple(role.name for role in ROLES.values() if role.alarm)


@dataclass(frozen=True, slots=True)
class Wish:
    """The winning rule's wish for one target. ``lost``: the rules after it that wished something too."""

    device: DeviceRecord
    point: str
    value: float
    rule: Rule
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wishes``: one a target; ``due``: those to be commanded now. ``values``: the named values that are known.
    ``changes_at``: the moment at which this can change by itself (ms; None: never). ``held``: rules that hold."""

    wishes: tuple[Wish, ...]
    due: tuple[Wish, ...]
    values: Values
    changes_at: int | None
    held: frozenset[str]


def decide(rules: CompiledRules, room: RoomState, now: int, zone: ZoneInfo) -> Verdict:
    """Times are ms of the building's clock. Nothing is changed; the same input gives the same verdict."""
    values = known_values(rules, room, now, zone)
    context = _context(values)
    holds = {rule.rule.name: _holds(rule, context, values, room.held) for rule in rules.rules}
    wishes = tuple(_wishes(rules, room, holds))
    moments = [next_passing(now, rules.times, zone), *room.expiries(rules.roles, now)]
    due = []
    for wish in wishes:
        at = _due_at(wish, room, now)
        if at is not None and at <= now:
            due.append(wish)
        moments += [at, *_moments(wish, room)]
    moments += [lease.until for lease in room.leases.values()]
    changes_at = min((moment for moment in moments if moment is not None and moment > now), default=None)
    return Verdict(wishes, tuple(due), values, changes_at, frozenset(name for name, true in holds.items() if true))


def known_values(rules: CompiledRules, room: RoomState, now: int, zone: ZoneInfo) -> Values:
    """The values that the rules name and that are known now. What is stale or was never heard of is absent."""
    time = local_time(now, zone)
    calendar: Values = {"local_time": time.text, "weekday": float(time.weekday), "month": float(time.month)}
    values: Values = {}
    for name in rules.names:
        value = calendar[name] if name in calendar else room.value(name, now)
        if value is not None:
            values[name] = value
    return values


def seen_by(wish: Wish, rules: CompiledRules, verdict: Verdict, room: RoomState) -> Values:
    """The values that a target's rules saw, for the explanation; of luminance also as measured, lamp included."""
    names = frozenset().union(*(rule.names for rule in rules.targets[wish.rule.target]))
    seen = {name: value for name, value in verdict.values.items() if name in names}
    if "illuminance" in seen and room.light.lit and room.light.measured is not None:
        seen["illuminance_with_lamp"] = room.light.measured
    return seen


# --- conditions


def _holds(rule: CompiledRule, context: cel.Context, values: Values, held: frozenset[str]) -> bool | None:
    """With hysteresis, a condition that held goes on to hold while it would with values so much higher or lower."""
    answer = rule.holds(context)
    if answer is not False or not rule.rule.hysteresis or rule.rule.name not in held:
        return answer
    return any(rule.holds(_context(_shifted(values, by))) for by in (rule.rule.hysteresis, -rule.rule.hysteresis))


def _shifted(values: Values, by: float) -> Values:
    return {
        name: value + by if name in ROLES and ROLES[name].average == "time" and isinstance(value, float) else value
        for name, value in values.items()
    }


def _context(values: Values) -> cel.Context:
    aliases = {alias: values[name] for alias, name in ALIASES.items() if name in values}
    return cel.Context({**values, **aliases})


# --- wishes


def _wishes(rules: CompiledRules, room: RoomState, holds: dict[str, bool | None]) -> Iterator[Wish]:
    for candidates in rules.targets.values():
        wanting = list(_wanting(candidates, room, holds))
        if not wanting:
            continue
        (winner, value), *losers = wanting
        lost = tuple(rule.rule.name for rule, _ in losers)
        for device in room.devices.values():
            point = _driven_point(device, winner) if device.kind == winner.kind else None
            if point is not None:
                yield Wish(device, point, _value_of(point, winner, value), winner.rule, lost)


def _wanting(
    candidates: Iterable[CompiledRule], room: RoomState, holds: dict[str, bool | None]
) -> Iterator[tuple[CompiledRule, float]]:
    """The rules of a target that wish something. None of those after one of which it is not known whether it would
    wish something else: whoever goes first is not overruled because its sensor is silent."""
    for rule in candidates:
        true = holds[rule.rule.name]
        if true is None and room.can_know(rule.names):
            return
        wish = None if true is None else rule.rule.value if true else rule.rule.otherwise
        if wish is not None:
            yield rule, wish


def _driven_point(device: DeviceRecord, rule: CompiledRule) -> str | None:
    """The point that the rule drives in this device; None if it has none of that sort."""
    for name in (rule.role.name, SUBSTITUTES.get(rule.role.name, "")):
        if device.point(name) is not None:
            return name
    return None


def _value_of(point: str, rule: CompiledRule, value: float) -> float:
    """As the point takes it: a switch is on or off, a blind that only goes up and down does either."""
    if point == rule.role.name:
        return value
    return float(value > 0) if point == "switch" else 100.0 * (value >= 50)


# --- what is due


def _due_at(wish: Wish, room: RoomState, now: int) -> int | None:
    """When this wish is to be commanded (now or a later moment); None: not as things are."""
    device_id = wish.device.device_id
    target = room.target(device_id, wish.point)
    if target.open is not None or _leased(wish, room, now) or _alarmed(device_id, room, now):
        return None
    place = room.where(device_id, wish.point, now)
    if place is not None and near(wish.point, place, wish.value):
        return None
    if place is not None and target.sent is None and not room.is_fresh(device_id, ROLES[wish.point].target, now):
        return None  # once heard of, now silent: it is told when it is heard again
    return max(now, target.retry_at if target.failed == wish.value else 0, _dwelt_at(wish, room))


def _dwelt_at(wish: Wish, room: RoomState) -> int:
    """When the target has rested for the rule's ``dwell_s``."""
    if not wish.rule.dwell_s:
        return 0
    reading = room.last(wish.device.device_id, ROLES[wish.point].target)
    target = room.target(wish.device.device_id, wish.point)
    moved_at = max(target.sent_at, reading.changed_at if reading is not None else 0)
    return moved_at + round(wish.rule.dwell_s * 1000)


def _leased(wish: Wish, room: RoomState, now: int) -> bool:
    lease = room.leases.get(wish.device.device_id)
    return lease is not None and lease.until > now and RANK[lease.class_] > RANK[wish.rule.class_]


def _alarmed(device_id: int, room: RoomState, now: int) -> bool:
    """Wind, rain or a lock: the field's own word goes first."""
    return any(reading.device_id == device_id and reading.value for role in ALARMS for reading in room.fresh(role, now))


def _moments(wish: Wish, room: RoomState) -> Iterable[int]:
    target = room.target(wish.device.device_id, wish.point)
    return (target.confirm_at,) if target.sent is not None else ()
