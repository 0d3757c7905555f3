"""What readings and commands look like on the wire: the actions of 2020, and the fields of every action.

Numbers may come in as strings and flags as booleans, as programs of 2020 send them; they go out as numbers.
"""

from math import isfinite
from typing import Annotated, Any, NamedTuple

import msgspec

from insula.errors import Undecodable
from insula.messages import CommandClass, DeviceRecord, Origin, Protocol, Quality, Text
from insula.points import Role

READ_POINT = "read_point"
SET_POINT = "set_point"

Number = float | str | bool
Whole = int | float | str
Millis = Annotated[int, msgspec.Meta(ge=0, lt=7_258_118_400_000)]
"""1970 to 2199: what lies outside is no time, but would be kept for ever."""


class Action(NamedTuple):
    """A key of 2020, and the one point that it is about. ``kind``: of a KNX device, whose name it is part of.
    ``value``: what the key itself says, where no field does."""

    topic: Protocol
    key: str
    point: str
    kind: str = ""
    reason: str = ""
    value: float | None = None


READINGS = (
    Action("knx", "read_percentage_blinds", "position", kind="blind", reason="read_percentage_blinds"),
    Action("knx", "read_percentage_radiator", "valve", kind="radiator", reason="read_percentage_radiator"),
    Action("zwave", "sensors_get_temperature", "temperature", reason="temperature"),
    Action("zwave", "sensors_get_humidity", "humidity", reason="relative humidity"),
    Action("zwave", "sensors_get_luminance", "illuminance", reason="luminance"),
    Action("zwave", "sensors_get_motion", "motion", reason="sensor"),
    Action("zwave", "dimmers_get_level", "level", reason="get_dimmer_level"),
)
COMMANDS = (
    Action("knx", "open_blinds", "move", kind="blind", value=100.0),
    Action("knx", "close_blinds", "move", kind="blind", value=0.0),
    Action("knx", "percentage_blinds", "position", kind="blind"),
    Action("knx", "percentage_radiator", "valve", kind="radiator"),
    Action("zwave", "dimmers_set_level", "level"),
)


READINGS_BY_KEY: dict[tuple[str, str], Action] = {(action.topic, action.key): action for action in READINGS}
COMMANDS_BY_KEY: dict[tuple[str, str], Action] = {(action.topic, action.key): action for action in COMMANDS}
_readings_by_point = {(action.topic, action.kind, action.point): action for action in READINGS}
_commands_by_point = {(action.topic, action.kind, action.point, action.value): action for action in COMMANDS}


def reading_action(device: DeviceRecord, role: Role) -> Action | None:
    """The action of 2020 that says this of this device; None if there is none."""
    return _readings_by_point.get((device.type, _kind(device), role.name)) if _named_in_2020(device) else None


def command_action(device: DeviceRecord, role: Role, value: float) -> Action | None:
    """The action of 2020 that asks this of this device; None if there is none."""
    said_by_key = value if role.name == "move" else None
    action = _commands_by_point.get((device.type, _kind(device), role.name, said_by_key))
    return action if _named_in_2020(device) else None


def _kind(device: DeviceRecord) -> str:
    return device.kind if device.type == "knx" else ""


def _named_in_2020(device: DeviceRecord) -> bool:
    if not device.default_gateway:
        return False
    return device.node_id is not None if device.type == "zwave" else None not in (device.bloc, device.floor)


class WireMessage(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """Fields of both: the 2020 name of the device, or its id; then what was added since."""

    kind: Any = None
    bloc: Whole | None = None
    floor: Whole | None = None
    node_id: Whole | None = None
    id: Text | None = None
    at: Millis | None = None
    device_id: Whole | None = None
    gateway_id: Text | None = None
    point: Text | None = None
    origin: Origin | None = None


class WireReading(WireMessage, kw_only=True, omit_defaults=True):
    reason: Any = None
    value: Number
    measured_at: Millis | None = None
    changed_at: Millis | None = None
    seen_at: Millis | None = None
    quality: Quality | None = None


class WireCommand(WireMessage, kw_only=True, omit_defaults=True):
    percentage: Number | None = None
    value: Number | None = None
    class_: CommandClass | None = msgspec.field(default=None, name="class")
    expires_at: Millis | None = None


def number_in(value: Number | None, role: Role) -> float:
    """A number of this role from the wire; Undecodable if it is none. ``true`` and ``false`` are flags only."""
    if isinstance(value, float):
        return value
    if isinstance(value, bool) and role.whole and role.high == 1:
        return float(value)
    if isinstance(value, str) and "_" not in value:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if isfinite(number):
            return number
    raise Undecodable(f"{role.name} is no number: {value!r}")


def number_out(value: float, role: Role) -> float:
    """As it goes out: a whole number (an int, so that JSON has 42 and not 42.0) where the role is whole."""
    if not isfinite(value):
        raise Undecodable(f"{role.name} is no number: {value}")
    return int(role.clean(value)) if role.whole else value


def whole_in(value: Whole, what: str) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if not (value.is_integer() and abs(value) < 2**53):
            raise Undecodable(f"{what} is no whole number: {value}")
        return int(value)
    try:
        return int(value.replace("_", "?"))
    except ValueError:
        raise Undecodable(f"{what} is no whole number: {value[:40]!r}") from None
