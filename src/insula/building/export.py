"""A building as the text of a building file: reading that text gives the same building."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import tomli_w

from insula.building.file_devices import PROTOCOLS
from insula.building.file_points import ZWAVE_POINTS
from insula.building.identity import derived_source
from insula.building.model import BeaconPlan, BuildingPlan, DevicePlan, GatewayPlan, RoomPlan
from insula.building.scheme2020 import points_2020
from insula.errors import InputError
from insula.messages import Point

DAYS = ("country", "subdivision", "vacation_from", "vacation_to")
"""Settings of the calendar that most buildings leave out."""


def export_text(plan: BuildingPlan) -> str:
    """One room a line, with its devices spelled out; points only where they are not the default ones."""
    defaults: dict[str, str] = {gateway.type: gateway.id for gateway in plan.gateways if gateway.default}
    parts = [_table("[building]", _building(plan))]
    parts += [_table("[[gateway]]", _gateway(gateway)) for gateway in plan.gateways]
    # Rooms keep their order: it is that of the devices' and rooms' ids.
    for floor, rooms in groupby(plan.rooms, key=lambda room: room.floor):
        lines = "".join(f"  {_inline(_room(room, defaults))},\n" for room in rooms)
        parts.append(f"[[floor]]\nnumber = {floor}\nrooms = [\n{lines}]\n")
    return "\n".join(parts)


def _building(plan: BuildingPlan) -> dict[str, Any]:
    settings = plan.settings
    return {
        "site": plan.site,
        "name": settings.name,
        "time_zone": settings.time_zone,
        "latitude": settings.latitude,
        "longitude": settings.longitude,
        "rules": settings.rules,
        **({} if plan.mode is None else {"mode": plan.mode}),
        "hand_hold_min": settings.hand_hold_s / 60,
        "empty_hold_min": settings.empty_hold_s / 60,
        **{key: getattr(settings, key) for key in DAYS if getattr(settings, key)},
    }


def _gateway(gateway: GatewayPlan) -> dict[str, Any]:
    return {"id": gateway.id, "type": gateway.type, "default": gateway.default, **gateway.options}


def _room(room: RoomPlan, defaults: Mapping[str, str]) -> dict[str, Any]:
    kinds: Counter[str] = Counter()
    devices = []
    for device in room.devices:
        kinds[device.kind] += 1
        devices.append(dict(_device(device, room, kinds[device.kind], defaults)))
    line: dict[str, Any] = {"number": room.number, "name": room.name, "tags": list(room.tags), "mode": room.mode}
    for key, seconds in (("hand_hold_min", room.hand_hold_s), ("empty_hold_min", room.empty_hold_s)):
        line[key] = None if seconds is None else seconds / 60
    line["beacons"] = [_beacon(beacon) for beacon in room.beacons]
    return {key: value for key, value in {**line, "devices": devices}.items() if value not in ("", [], None)}


def _beacon(beacon: BeaconPlan) -> str:
    return f"{beacon.uuid}/{beacon.major}/{beacon.minor}"


def _device(device: DevicePlan, room: RoomPlan, nth: int, defaults: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    yield "kind", device.kind
    if device.gateway_id != defaults.get(PROTOCOLS.get(device.kind, "knx")):
        yield "gateway", device.gateway_id
    for key in ("name", "bloc", "node_id"):
        value = getattr(device, key)
        if value not in ("", None):
            yield key, value
    if device.type == "knx" and device.floor != room.floor:
        yield "floor", device.floor
    if device.source != derived_source(device, room.number, nth):
        yield "source", device.source
    if device.points != _default_points(device):
        yield "points", {point.role: _point(point) for point in device.points}
    if device.options:
        yield "options", device.options


def _default_points(device: DevicePlan) -> tuple[Point, ...]:
    if device.type == "zwave":
        return tuple(Point(role=name) for name in ZWAVE_POINTS.get(device.kind, ()))
    if device.bloc is None or device.floor is None:
        return ()
    try:
        return points_2020(device.kind, device.bloc, device.floor)
    except InputError:
        return ()


def _point(point: Point) -> dict[str, Any]:
    fields = {
        "write": point.write,
        "status": point.status,
        "listen": list(point.listen),
        "dpt": point.dpt,
        "inverted": point.inverted,
    }
    return {key: value for key, value in fields.items() if value not in ("", [], None)}


def _table(header: str, values: Mapping[str, Any]) -> str:
    return f"{header}\n" + "".join(f"{_key(key)} = {_inline(value)}\n" for key, value in values.items())


def _key(key: str) -> str:
    return tomli_w.dumps({key: 0}).partition(" = ")[0]


def _inline(value: Any) -> str:
    """The value on one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_inline(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_inline(item) for item in value)}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")
