"""What an import will do: the difference between two descriptions of a building."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from insula.building.model import BuildingPlan, DevicePlan, RoomPlan

Kind = Literal["add", "change", "remove"]


@dataclass(frozen=True, slots=True)
class PlanChange:
    """``what`` as a person reads it: ``room 12``, ``blind 4/4/1 in room 12: points``."""

    kind: Kind
    what: str

    def __str__(self) -> str:
        return f"{ {'add': '+', 'change': '~', 'remove': '-'}[self.kind] } {self.what}"


def with_modes(plan: BuildingPlan, current: BuildingPlan) -> BuildingPlan:
    """Where the plan says nothing of the mode it is as it is now: an import of an old file takes nobody's hands off,
    and puts nobody's on."""
    modes = {room.number: room.mode for room in current.rooms}
    rooms = (msgspec.structs.replace(room, mode=room.mode or modes.get(room.number)) for room in plan.rooms)
    return msgspec.structs.replace(plan, mode=plan.mode or current.mode, rooms=tuple(rooms))


def difference(plan: BuildingPlan, current: BuildingPlan | None) -> list[PlanChange]:
    """What importing ``plan`` changes in ``current`` (None, or one without a site: there is no building yet)."""
    before = current or BuildingPlan(site="")
    plan = with_modes(plan, before)
    changes = [*_building(plan, before)]
    changes += _compare(
        {f"gateway {gateway.id}": gateway for gateway in plan.gateways},
        {f"gateway {gateway.id}": gateway for gateway in before.gateways},
    )
    changes += _compare(_rooms(plan), _rooms(before))
    changes += _compare(_beacons(plan), _beacons(before))
    changes += _devices(plan, before)
    return changes


def _building(plan: BuildingPlan, current: BuildingPlan) -> Iterator[PlanChange]:
    if not current.site:
        yield PlanChange("add", f"building {plan.settings.name}")
        return
    fields = _changed(plan.settings, current.settings)
    if plan.mode != current.mode:
        fields.append(f"mode {current.mode!r} -> {plan.mode!r}")
    if plan.site != current.site:
        fields.insert(0, f"site {current.site!r} -> {plan.site!r}")
    if fields:
        yield PlanChange("change", f"building: {', '.join(fields)}")
    if plan.rules != current.rules and plan.settings.rules == current.settings.rules:
        yield PlanChange("change", f"rules: {plan.settings.rules} changed")


def _rooms(plan: BuildingPlan) -> dict[str, RoomPlan]:
    return {f"room {room.number}": msgspec.structs.replace(room, beacons=(), devices=()) for room in plan.rooms}


def _beacons(plan: BuildingPlan) -> dict[str, int]:
    return {
        f"beacon {beacon.uuid}/{beacon.major}/{beacon.minor} in room {room.number}": index
        for room in plan.rooms
        for index, beacon in enumerate(room.beacons)
    }


def _devices(plan: BuildingPlan, before: BuildingPlan) -> Iterator[PlanChange]:
    new, old = _placed(plan), _placed(before)
    for key, (room, place, device) in new.items():
        if key not in old:
            yield PlanChange("add", _text(device, room))
            continue
        fields = _changed(device, old[key][2])
        if room != old[key][0]:
            fields.insert(0, f"moved from room {old[key][0]}")
        elif place != old[key][1]:
            fields.append("order")
        if fields:
            yield PlanChange("change", f"{_text(device, room)}: {', '.join(fields)}")
    for key, (room, _, device) in old.items():
        if key not in new:
            yield PlanChange("remove", _text(device, room))


def _placed(plan: BuildingPlan) -> dict[tuple[str, str], tuple[int, int, DevicePlan]]:
    return {
        (device.gateway_id, device.source): (room.number, place, device)
        for room in plan.rooms
        for place, device in enumerate(room.devices)
    }


def _text(device: DevicePlan, room: int) -> str:
    return f"{device.name or device.kind} ({device.gateway_id} {device.source}) in room {room}"


def _compare(new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[PlanChange]:
    for name, value in new.items():
        if name not in old:
            yield PlanChange("add", name)
        elif value != old[name]:
            fields = _changed(value, old[name]) if isinstance(value, msgspec.Struct) else ["order"]
            yield PlanChange("change", f"{name}: {', '.join(fields)}")
    yield from (PlanChange("remove", name) for name in old if name not in new)


def _changed(new: msgspec.Struct, old: msgspec.Struct) -> list[str]:
    """Fields that differ; the points are not spelled out."""
    found = []
    for field in new.__struct_fields__:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            found.append(field if isinstance(after, (tuple, dict)) else f"{field} {before!r} -> {after!r}")
    return found
