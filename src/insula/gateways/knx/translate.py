"""Between Insula's values and KNX telegrams: pure, no connection.

Percent here is 100 = open or full; DPT 5.001 of a blind runs the other way and 1.008 is 0 = up: a role says so
with ``inverted``, and a point whose actuator is set up the other way overrides it.
"""

import math
from enum import Enum
from functools import cache

from xknx.dpt.dpt import DPTBase, DPTEnum, DPTNumeric
from xknx.dpt.payload import DPTArray, DPTBinary
from xknx.exceptions import ConversionError, CouldNotParseAddress, CouldNotParseTelegram
from xknx.telegram import GroupAddress, Telegram
from xknx.telegram.apci import GroupValueRead, GroupValueWrite

from insula.errors import InputError, Refused
from insula.messages import Command, DeviceRecord, Point
from insula.points import ROLES, Role

Payload = DPTArray | DPTBinary

START_STOP = "1.010"
"""0 = stop, 1 = start: the only datapoint type on which a stop is a 0 (1.007 and 1.017: 1)."""

TO_ROLE_UNIT = {
    ("lx", "lux"): 1.0,
    ("kW", "W"): 1000.0,
    ("J", "kWh"): 1 / 3_600_000,
    ("Wh", "kWh"): 1 / 1000,
    ("MWh", "kWh"): 1000.0,
}
"""Factors from a datapoint type's unit to that of a role, where they differ."""


@cache
def group_address(text: str) -> GroupAddress:
    """``main/middle/sub``; raises InputError for anything else, and for 0/0/0, KNX's broadcast."""
    try:
        address = GroupAddress(text)
    except CouldNotParseAddress as error:
        raise InputError(f"{text!r} is no group address") from error
    if address.raw == 0:
        raise InputError("0/0/0 is KNX's broadcast, no group address")
    return address


@cache
def transcoder(dpt: str) -> type[DPTBase]:
    """The codec of a datapoint type (``9.001``); raises InputError unless it holds one number, flag or choice."""
    found = DPTBase.parse_transcoder(dpt)
    if found is None or not issubclass(found, DPTNumeric | DPTEnum):
        raise InputError(f"datapoint type {dpt!r} is unknown, or holds no single value")
    return found


def dpt_of(point: Point, role: Role) -> str:
    return point.dpt or role.dpt


def codec_of(point: Point, role: Role) -> type[DPTBase]:
    """Raises InputError when the point's datapoint type is unknown or in another unit than the role."""
    codec = transcoder(dpt_of(point, role))
    _factor(codec, role)
    return codec


def encode(point: Point, role: Role, value: float) -> Payload:
    """``value`` in the role's unit as KNX payload. Raises InputError when the datapoint type cannot hold it."""
    codec = codec_of(point, role)
    value = _turned(point, role, value)
    try:
        if _one_bit(codec):
            return codec.to_knx(value > role.low)
        return codec.to_knx(round(value) if issubclass(codec, DPTEnum) else value / _factor(codec, role))
    except ConversionError as error:
        raise InputError(f"{value:g} does not fit datapoint type {dpt_of(point, role)}") from error


def decode(point: Point, role: Role, payload: Payload) -> float:
    """The payload's value in the role's unit. Raises InputError when it is none of the point's datapoint type."""
    codec = codec_of(point, role)
    try:
        raw = codec.from_knx(payload)
    except (ConversionError, CouldNotParseTelegram) as error:
        raise InputError(f"{payload} is no value of datapoint type {dpt_of(point, role)}") from error
    number = float(raw.value if isinstance(raw, Enum) else raw)
    if not math.isfinite(number):
        raise InputError(f"{number} is no value")
    if _one_bit(codec):
        return _turned(point, role, role.high if number else role.low)
    return _turned(point, role, number * _factor(codec, role))


def to_telegram(command: Command, device: DeviceRecord) -> Telegram:
    """The one telegram that carries the command out. Raises Refused, with the reason, where there is none."""
    role = ROLES.get(command.point)
    if role is None or not role.writable:
        raise Refused(f"{command.point} is nothing that can be driven")
    if not role.in_range(command.value):
        raise Refused(f"{role.name} {command.value:g} is outside {role.low:g} to {role.high:g} {role.unit}".rstrip())
    point, value = _way(device, role.name, command.value)
    try:
        payload = encode(point, ROLES[point.role], value)
        return Telegram(destination_address=group_address(point.write), payload=GroupValueWrite(payload))
    except InputError as error:
        raise Refused(str(error)) from error


def to_read(address: GroupAddress) -> Telegram:
    """Asks whoever holds the value of this address to send it."""
    return Telegram(destination_address=address, payload=GroupValueRead())


def _way(device: DeviceRecord, role: str, value: float) -> tuple[Point, float]:
    """The point that does what is wished of ``role``, and the value to give it: its own, or the nearest other's."""
    own = _writable(device, role)
    if role == "move":
        if value not in (0, 100):
            raise Refused(f"a blind can move to 100 (open) or 0 (closed), not to {value:g}")
        point, value = own or _writable(device, "position"), value
    elif role == "position" and own is None and (move := _writable(device, "move")) is not None:
        if value not in (0, 100):
            raise Refused(f"{_name(device)} knows only up and down: position {value:g} cannot be reached")
        point = move
    elif role == "level" and own is None:
        point, value = _writable(device, "switch"), 1.0 if value > 0 else 0.0
    elif role == "switch" and own is None:
        point, value = _writable(device, "level"), 100.0 if value > 0 else 0.0
    elif role == "stop" and value != 1:
        raise Refused("stop is 1")
    else:
        point = own
    if point is None:
        raise Refused(f"{_name(device)} has no {role} that can be written")
    return point, value


def _writable(device: DeviceRecord, role: str) -> Point | None:
    point = device.point(role)
    return point if point is not None and point.write else None


def _name(device: DeviceRecord) -> str:
    return f"{device.kind} {device.device_id}"


def _factor(codec: type[DPTBase], role: Role) -> float:
    unit = codec.unit
    if unit is None or not role.unit or unit == role.unit:
        return 1.0
    try:
        return TO_ROLE_UNIT[unit, role.unit]
    except KeyError:
        raise InputError(f"{role.name} is in {role.unit}, datapoint type {codec.dpt_number_str()} in {unit}") from None


def _one_bit(codec: type[DPTBase]) -> bool:
    return codec.payload_type is DPTBinary and codec.payload_length == 1


def _turned(point: Point, role: Role, value: float) -> float:
    """Insula's value as KNX's, or the reverse, for a point whose values run the other way."""
    inverted = role.inverted if point.inverted is None else point.inverted
    if role.name == "stop" and dpt_of(point, role) == START_STOP:
        inverted = not inverted
    return role.low + role.high - value if inverted else value
