"""The points of a device, as its line in the building file gives them."""

import re
from collections.abc import Mapping
from typing import Any

from insula.building.file_table import Table, hint
from insula.messages import Point, Protocol
from insula.points import ROLES

ZWAVE_POINTS = {
    "sensor": ("temperature", "humidity", "illuminance", "motion", "battery"),
    "lamp": ("level",),
}
"""What a Z-Wave device of that kind has when its line names no points; the gateway finds them by role."""

_DPT = re.compile(r"\d{1,5}\.\d{1,5}")
_LIMITS = {2: (31, 2047), 3: (31, 7, 255)}


def group_address(text: str) -> int | None:
    """A KNX group address (``1/2/3`` or ``1/2``) as the number it has on the bus; None if it is none."""
    parts = text.split("/")
    limits = _LIMITS.get(len(parts))
    if limits is None or not all(re.fullmatch(r"\d{1,4}", part) for part in parts):
        return None
    numbers = [int(part) for part in parts]
    if any(number > limit for number, limit in zip(numbers, limits, strict=True)):
        return None
    number = numbers[0] << 11 | (numbers[1] if len(parts) == 2 else numbers[1] << 8 | numbers[2])
    return number or None


def read_points(device: Table, protocol: Protocol) -> tuple[Point, ...] | None:
    """The points the device's line names; None if it leaves that out."""
    if device.raw("points") is None:
        return None
    if not device.raw("points"):
        device.fault("points names no role: leave it out for the default points of the kind", "points")
    if protocol == "zwave" and isinstance(device.raw("points"), list):
        return _listed(device, device.raw("points"))
    table = device.table("points")
    points = []
    for name in table.values:
        if name in ROLES:
            points.append(_point(table, name, protocol))
        else:
            table.fault(f"unknown role {name!r}{hint(name, ROLES)}", name)
    return tuple(points)


def _listed(device: Table, names: list[Any]) -> tuple[Point, ...]:
    for name in names:
        if name not in ROLES:
            device.fault(f"unknown role {name!r}{hint(str(name), ROLES)}", "points")
    if len(set(map(str, names))) < len(names):
        device.fault("points names a role twice", "points")
    return tuple(Point(role=name) for name in names if name in ROLES)


def _point(points: Table, name: str, protocol: Protocol) -> Point:
    """``switch = "1/2/3"`` is short for ``switch = { write = ... }``, or ``status`` where nothing can be written."""
    value = points.values[name]
    if isinstance(value, str):
        point = Point(role=name, write=value) if ROLES[name].writable else Point(role=name, status=value)
    elif isinstance(value, Mapping):
        point = _detailed(points.table(name), name, protocol)
    else:
        points.fault(f"{name} must be an address or a table, not {value!r}", name)
        return Point(role=name)
    if protocol == "knx":
        _check_knx(points, point)
    return point


def _detailed(table: Table, name: str, protocol: Protocol) -> Point:
    point = Point(
        role=name,
        write=table.get("write", str, ""),
        status=table.get("status", str, ""),
        listen=_listen(table) if protocol == "knx" else (),
        dpt=table.get("dpt", str, "") if protocol == "knx" else "",
        inverted=table.get("inverted", bool, False) if "inverted" in table.values else None,
    )
    table.close(f"point {name} of a {protocol} device")
    return point


def _listen(table: Table) -> tuple[str, ...]:
    value = table.raw("listen")
    addresses = [value] if isinstance(value, str) else value or []
    if not isinstance(addresses, list) or not all(isinstance(address, str) for address in addresses):
        table.fault("listen must be an address or a list of addresses", "listen")
        return ()
    return tuple(addresses)


def _check_knx(points: Table, point: Point) -> None:
    addresses = [address for address in (point.write, point.status, *point.listen) if address]
    if not addresses:
        points.fault(f"{point.role} has no group address", point.role)
    for address in addresses:
        if group_address(address) is None:
            points.fault(f"{point.role}: {address!r} is no group address (0/0/1 to 31/7/255)", point.role)
    if point.dpt and not _DPT.fullmatch(point.dpt):
        points.fault(f"{point.role}: {point.dpt!r} is no datapoint type (such as 5.001)", point.role)
