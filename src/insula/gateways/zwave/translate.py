"""Z-Wave values <-> points of devices. Pure.

A value id is written without its node: ``<command class>-<endpoint>-<property>[-<property key>]``, as in
``38-0-targetValue``. Sources: Z-Wave Application Command Class Specification (Silicon Labs SDS13781) for the
command classes and their numbers; property names as given by zwave-js 15.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from insula.messages import DeviceRecord, Point
from insula.points import ROLES

LUX_PER_PERCENT = 10.0
"""For sensors that tell illuminance in percent of their range (option ``lux_per_percent``): 100 % = 1000 lux."""

TOP = 99
"""Multilevel Switch: 0-99; what is above means something else, and yet is answered with success."""
UNKNOWN_LEVEL = 254

# fmt: off  (role -> where its value is, the best first; an id that ends in * stands for any ending)
STATUS: Mapping[str, tuple[str, ...]] = {
    "temperature": ("49-Air temperature",),
    "humidity": ("49-Humidity",),
    "illuminance": ("49-Illuminance",),
    "co2": ("49-Carbon dioxide*",),
    "motion": ("113-Home Security-Motion sensor status", "48-Motion"),
    "window": ("113-Access Control-Door state (simple)", "113-Access Control-Door state", "48-Door/Window"),
    "level": ("38-currentValue",),
    "position": ("38-currentValue",),
    "switch": ("37-currentValue",),
    "setpoint": ("67-setpoint-1",),  # 1 = heating
    "battery": ("128-level",),
    "power": ("50-value-66049", "49-Power"),  # electric meter, W, consumed
    "energy": ("50-value-65537",),  # electric meter, kWh, consumed
}
WRITE: Mapping[str, tuple[str, ...]] = {
    "level": ("38-targetValue",),
    "position": ("38-targetValue",),
    "move": ("38-targetValue",),
    "stop": ("38-Open", "38-Up"),  # False stops the movement, whichever its direction
    "switch": ("37-targetValue",),
    "setpoint": ("67-setpoint-1",),
}
# fmt: on

DOOR_IS_OPEN = 22
"""Notification type Access Control: 22 = window or door is open, 23 = closed."""

_VALUE_ID = re.compile(r"(\d+)-(\d+)-(.+)")


@dataclass(frozen=True, slots=True)
class Bound:
    """A point of a device and where its value is at the node; "" = nowhere."""

    device: DeviceRecord
    point: Point
    status: str
    write: str


def bind(device: DeviceRecord, value_ids: Iterable[str]) -> tuple[Bound, ...]:
    """Each point of the device with its value ids: its own if it names some, else found by its role."""
    known = tuple(value_ids)
    return tuple(
        Bound(
            device,
            point,
            point.status or find(STATUS.get(point.role, ()), known),
            point.write or find(WRITE.get(point.role, ()), known),
        )
        for point in device.points
    )


def find(wanted: Iterable[str], value_ids: Iterable[str]) -> str:
    """The first wanted value that the node has, at its lowest endpoint; "" if none. ``wanted`` is without endpoint."""
    have = sorted((match for one in value_ids if (match := _VALUE_ID.fullmatch(one))), key=lambda it: int(it[2]))
    for want in wanted:
        for match in have:
            if _fits(want, f"{match[1]}-{match[3]}"):
                return match[0]
    return ""


def _fits(want: str, name: str) -> bool:
    return name.startswith(want[:-1]) if want.endswith("*") else name == want


def reading(bound: Bound, value: object, unit: str | None) -> float | None:
    """What the node says, in the role's unit; None: it says nothing that can be used.

    ``unit`` is the one of the value's metadata at this moment: a node may change it from report to report.
    """
    if not isinstance(value, int | float):
        return None
    role, number = bound.point.role, float(value)
    if role in ("level", "position"):
        return _percent(bound, number)
    if role in ("switch", "motion"):
        return 1.0 if number else 0.0
    if role == "window":
        return float(number == DOOR_IS_OPEN) if bound.status.startswith("113-") else float(bool(number))
    return _in_unit(bound, number, unit or "")


def _percent(bound: Bound, level: float) -> float | None:
    """``inverted`` says of a covering that its motor counts the other way; Z-Wave's own 99 is open, as ours."""
    if level == UNKNOWN_LEVEL:
        return None
    percent = 100.0 if level >= TOP else max(0.0, level)
    return 100.0 - percent if bound.point.inverted else percent


def _in_unit(bound: Bound, number: float, unit: str) -> float | None:
    role = bound.point.role
    if role in ("temperature", "setpoint") and unit.endswith("F"):
        return round((number - 32) / 1.8, 2)
    if role == "illuminance" and unit == "%":
        scale = bound.device.options.get("lux_per_percent", LUX_PER_PERCENT)
        return number * float(scale)
    if role == "humidity" and unit not in ("", "%"):
        return None  # absolute humidity, in g/m³: another quantity
    return number * 1000 if unit == "kW" else number


def wire_value(bound: Bound, value: float, unit: str | None) -> int | float | bool:
    """What to set at the node for ``value`` in the role's unit."""
    role = bound.point.role
    if role in ("level", "position", "move"):
        percent = 100.0 - value if bound.point.inverted else value
        return min(TOP, max(0, int(ROLES[role].clean(percent))))
    if role == "switch":
        return value > 0
    if role == "stop":
        return False
    return round(value * 1.8 + 32, 1) if unit is not None and unit.endswith("F") else value
