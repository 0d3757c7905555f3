"""Who wins: of all the rules that drive one thing, the first that wishes something, by class and then in order."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from insula.building.compiled import HEATING, SUBSTITUTES, CompiledRule, CompiledRules
from insula.building.conditions import Conditions
from insula.building.state import RoomState
from insula.messages import RANK, DeviceRecord
from insula.points import ROLES

THINGS = {"level": "light", "switch": "light", "setpoint": "heat", "hvac_mode": "heat", "valve": "heat"}
"""Points by which one thing is driven: whoever wins drives it alone. Others: what the role drives."""


@dataclass(frozen=True)
class Slot:
    """One thing that can be driven, and the rules that may, by class and then in order, each with its point."""

    device: DeviceRecord
    rules: tuple[tuple[CompiledRule, str], ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """The values that these rules name."""
        return frozenset[str]().union(*(rule.names for rule, _ in self.rules))

    def before(self, one: CompiledRule, other: CompiledRule) -> bool:
        """Whether ``one`` goes before the other."""
        order = [rule for rule, _ in self.rules]
        return order.index(one) < order.index(other)

    def wanting(self, room: RoomState, holds: Mapping[str, bool | None]) -> Iterator[tuple[CompiledRule, str, float]]:
        """The rules that wish something, the winner first. None of those after one of which it is not known whether it
        would wish something else: whoever goes first is not overruled because its sensor is silent."""
        for rule, point in self.rules:
            if rule.rule.name not in holds:
                continue
            true = holds[rule.rule.name]
            if true is None and room.can_know(rule.roles):
                return
            wish = None if true is None else rule.rule.value if true else rule.rule.otherwise
            if wish is not None:
                yield rule, point, wish


class Arbiter:
    """The rules of one room against its devices; made anew when either change."""

    def __init__(self, rules: CompiledRules, room: RoomState) -> None:
        self.rules = rules
        self.conditions = Conditions(rules)
        self.slots = tuple(_slots(rules, room))


def arbiter_of(rules: CompiledRules, room: RoomState) -> Arbiter:
    """The room's, remembered in it."""
    if not isinstance(room.memo, Arbiter) or room.memo.rules is not rules:
        room.memo = Arbiter(rules, room)
        room.aged = rules.aged
    return room.memo


def _slots(rules: CompiledRules, room: RoomState) -> Iterator[Slot]:
    ordered = sorted(rules.rules, key=lambda rule: -RANK[rule.rule.class_])
    heating = _heating(room.devices.values())
    for device in room.devices.values():
        things: dict[str, list[tuple[CompiledRule, str]]] = {}
        for rule in ordered:
            point = _driven_point(device, rule, heating)
            if point is not None:
                things.setdefault(THINGS.get(point, ROLES[point].target), []).append((rule, point))
        yield from (Slot(device, tuple(some)) for some in things.values())


def _heating(devices: Iterable[DeviceRecord]) -> str:
    """By which point the room is heated: its thermostat's setpoint or mode, else its valves."""
    points = {point.role for device in devices for point in device.points}
    return next((role for role in HEATING if role in points), "")


def _driven_point(device: DeviceRecord, rule: CompiledRule, heating: str) -> str | None:
    """The point that the rule drives in this device; None if it has none of that sort, or a thermostat drives it."""
    if rule.heats:
        return heating if device.point(heating) is not None else None
    if device.kind != rule.kind or (rule.role.name == "valve" and heating != "valve"):
        return None
    for name in (rule.role.name, SUBSTITUTES.get(rule.role.name, "")):
        if device.point(name) is not None:
            return name
    return None
