"""What the rules want of a room now, what of it is to be commanded, and when that can next change. Pure, but for what
the room remembers to be quick."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from insula.building.arbiter import Arbiter, Slot, arbiter_of
from insula.building.comfort import Comfort, hold, mode_for
from insula.building.compiled import CompiledRule, CompiledRules
from insula.building.freshness import fresh_until
from insula.building.local_time import next_passing
from insula.building.named import Value, Values, passings, value
from insula.building.place import Place, next_minute
from insula.building.state import RoomState, near
from insula.messages import RANK, DeviceRecord, Rule
from insula.points import ROLES

NONE = frozenset[str]()
ALARMS = tuple(role.name for role in ROLES.values() if role.alarm)


@dataclass(frozen=True, slots=True)
class Wish:
    """The winning rule's wish for one thing. ``lost``: the rules after it that wished something too; ``names``: the
    values that it and its rivals name; ``temperature``: of a wish for comfort, °C; ``waits_until``: for what a blind
    does to the light that the rule is about (ms)."""

    device: DeviceRecord
    point: str
    value: float
    rule: Rule
    lost: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    temperature: float | None = None
    waits_until: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wishes``: one a thing; ``due``: those to be commanded now. ``values``: the named values that are known.
    ``changes_at``: the moment at which this can change by itself (ms; None: never). ``held``: rules that hold;
    ``comfort``: how far the heating is. The room takes both over: without that, nothing is done that lasts."""

    wishes: tuple[Wish, ...]
    due: tuple[Wish, ...]
    values: Values
    changes_at: int | None
    held: frozenset[str]
    comfort: Comfort | None = None


def decide(rules: CompiledRules, room: RoomState, now: int, place: Place) -> Verdict:
    """Times are ms of the building's clock. The same input gives the same verdict."""
    rules = rules.within(room.record)
    arbiter = arbiter_of(rules, room)
    values = known_values(rules, room, now, place)
    leads = _leads(rules, room, values.get("temperature"), now, place) if rules.early else {}
    early = frozenset(name for name, at in leads.items() if at <= now) if leads else NONE
    holds = arbiter.conditions.answers(values, room.held, place.local(now), early)
    wishes, comfort = _wishes(arbiter, room, holds, now, place)
    moments = [*_moments(rules, room, now, place), *leads.values(), comfort.next_at if comfort is not None else None]
    due = []
    for wish in wishes:
        at = _due_at(wish, room, now)
        if at is not None and at <= now:
            due.append(wish)
        moments += [at, _confirmed_at(wish, room)]
    changes_at = min((moment for moment in moments if moment is not None and moment > now), default=None)
    held = frozenset(name for name, true in holds.items() if true)
    return Verdict(tuple(wishes), tuple(due), values, changes_at, held, comfort)


def known_values(rules: CompiledRules, room: RoomState, now: int, place: Place) -> Values:
    """The values that the rules name and that are known now. What is stale or was never heard of is absent."""
    known = {name: value(name, room, place, now) for name in rules.names}
    return {name: one for name, one in known.items() if one is not None}


def seen_by(wish: Wish, verdict: Verdict, room: RoomState) -> Values:
    """The values that the rules of a wish's thing saw, for the explanation; of luminance also as measured, lamp
    included; of a comfort temperature also what is wished (``wish``, °C)."""
    seen = {name: one for name, one in verdict.values.items() if name in wish.names}
    if "illuminance" in seen and room.light.lit and room.light.measured is not None:
        seen["illuminance_with_lamp"] = room.light.measured
    if wish.temperature is not None:
        seen["wish"] = wish.temperature
    return seen


def _leads(rules: CompiledRules, room: RoomState, temperature: Value | None, now: int, place: Place) -> dict[str, int]:
    """When each rule that may begin early does, before its next hours (ms)."""
    if not isinstance(temperature, float):
        return {}
    return {
        rule.rule.name: rule.hours.next_begin(now, place.zone)
        - room.warmup.needed_ms(rule.rule.value, temperature, rule.rule.name in room.held)
        for rule in rules.early
        if rule.hours is not None
    }


# --- wishes


def _wishes(
    arbiter: Arbiter, room: RoomState, holds: Mapping[str, bool | None], now: int, place: Place
) -> tuple[list[Wish], Comfort | None]:
    wishes, comfort = [], None
    for slot in arbiter.slots:
        wanting = list(slot.wanting(room, holds))
        if not wanting:
            continue
        (rule, point, wished), *losers = wanting
        if rule.heats and point == "valve":
            comfort = comfort or _comfort(slot.device.device_id, rule.rule, wished, room, now)
            if comfort is None:
                continue
        drives = comfort.output if comfort is not None and rule.heats else _value_of(point, rule, wished)
        lost = tuple(loser.rule.name for loser, _, _ in losers)
        names = slot.names | {"temperature"} if rule.heats else slot.names
        waits = 0
        if "illuminance" in rule.names and ROLES[point].target == "position":
            waits = _light_waits(arbiter, slot, point, rule, drives, room, now, place)
        wishes.append(Wish(slot.device, point, drives, rule.rule, lost, names, wished if rule.heats else None, waits))
    return wishes, comfort


def _value_of(point: str, rule: CompiledRule, value: float) -> float:
    """As the point takes it: a switch is on or off, a blind that only goes up and down does either, and a thermostat
    without a setpoint has a mode for it."""
    match point:
        case rule.role.name:
            return value
        case "switch":
            return float(value > 0)
        case "hvac_mode":
            return mode_for(value)
    return 100.0 * (value >= 50)


def _light_waits(
    arbiter: Arbiter, slot: Slot, point: str, rule: CompiledRule, value: float, room: RoomState, now: int, place: Place
) -> int:
    """Until when a blind is not moved by the light: while another move's effect is not known yet, and for a while if
    with the light that this one would make a rule that goes before would want it back."""
    before = room.where(slot.device.device_id, point, now)
    if before is None or near(point, before, value):
        return 0
    if now < room.shade.settles_at():
        return room.shade.settles_at()
    daylight = room.daylight(now)
    light = None if daylight is None else room.shade.after(daylight, before, value)
    if light is None or now >= room.shade.rests_until():
        return 0
    then = next(slot.wanting(room, arbiter.conditions.supposing({"illuminance": light}, place.local(now))), None)
    return room.shade.rests_until() if then is not None and slot.before(then[0], rule) else 0


def _comfort(device_id: int, rule: Rule, wish: float, room: RoomState, now: int) -> Comfort | None:
    """The valve's next place; None while the temperature is not known: it stays where it is. While somebody else holds
    it, it is always taken up from where they put it."""
    temperature = room.mean("temperature", now)
    if temperature is None:
        return None
    free = not _leased(device_id, rule, room, now) and not _alarmed(device_id, room, now)
    return hold(room.comfort if free else None, wish, temperature, room.where(device_id, "valve", now), now)


# --- what is due


def _due_at(wish: Wish, room: RoomState, now: int) -> int | None:
    """When this wish is to be commanded (now or a later moment); None: not as things are."""
    device_id = wish.device.device_id
    target = room.target(device_id, wish.point)
    if target.open is not None or _leased(device_id, wish.rule, room, now) or _alarmed(device_id, room, now):
        return None
    place = room.where(device_id, wish.point, now)
    if place is not None and near(wish.point, place, wish.value):
        return None
    if place is not None and target.sent is None and not room.is_fresh(device_id, ROLES[wish.point].target, now):
        return None  # once heard of, now silent: it is told when it is heard again
    retry_at = target.waits_until(wish.value, wish.rule.class_)
    return max(now, retry_at, _dwelt_at(wish, room), wish.waits_until)


def _dwelt_at(wish: Wish, room: RoomState) -> int:
    """When the target has rested for the rule's ``dwell_s``."""
    if not wish.rule.dwell_s:
        return 0
    reading = room.last(wish.device.device_id, ROLES[wish.point].target)
    target = room.target(wish.device.device_id, wish.point)
    moved_at = max(target.sent_at, reading.changed_at if reading is not None else 0)
    return moved_at + round(wish.rule.dwell_s * 1000)


def _leased(device_id: int, rule: Rule, room: RoomState, now: int) -> bool:
    lease = room.leases.get(device_id)
    return lease is not None and lease.until > now and RANK[lease.class_] > RANK[rule.class_]


def _alarmed(device_id: int, room: RoomState, now: int) -> bool:
    """Wind, rain or a lock: the field's own word goes first."""
    said = (room.last(device_id, role) for role in ALARMS)
    return any(reading is not None and reading.value and now < fresh_until(reading) for reading in said)


# --- when that can change


def _moments(rules: CompiledRules, room: RoomState, now: int, place: Place) -> Iterator[int | None]:
    yield next_passing(now, rules.times, place.zone)
    yield next_minute(rules.names, now)
    yield from room.expiries(rules.roles, now)
    for name, limit in rules.limits:
        yield from passings(name, limit, room, now)
    yield from (lease.until for lease in room.leases.values())


def _confirmed_at(wish: Wish, room: RoomState) -> int | None:
    target = room.target(wish.device.device_id, wish.point)
    return target.confirm_at if target.sent is not None else None
