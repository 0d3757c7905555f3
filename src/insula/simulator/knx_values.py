"""Insula's values to and from the payload of a KNX group telegram, as the virtual devices see them.

The simulator converts by itself: if it and the gateway are wrong in one way, no test would see it. DPT 5.001 of a blind
counts from open (0 %) to closed, Insula's percent from closed to open: such a value is ``inverted``.
"""

from xknx.dpt.dpt import DPTBase, DPTNumeric
from xknx.dpt.payload import DPTArray, DPTBinary
from xknx.exceptions import XKNXException

from insula.errors import InputError
from insula.messages import Point
from insula.points import Role, role

Payload = DPTArray | DPTBinary
BINARY, HVAC_MODE = "1", "20"
"""Main numbers of the datapoint types that are no numbers to xknx."""


def dpt(point: Point) -> str:
    return point.dpt or role(point.role).dpt


def mirror(point: Point, value: float) -> float:
    """The value as it counts on the other side."""
    meaning = role(point.role)
    inverted = meaning.inverted if point.inverted is None else point.inverted
    return meaning.low + meaning.high - value if inverted else value


def to_payload(point: Point, value: float) -> Payload:
    """InputError if the point's datapoint type cannot carry the value."""
    meaning, there = role(point.role), mirror(point, value)
    main = dpt(point).partition(".")[0]
    if main == BINARY:
        return DPTBinary(int(there > (meaning.low + meaning.high) / 2))
    if main == HVAC_MODE:
        return DPTArray(int(there))
    try:
        return _number(point).to_knx(meaning.clean(there))
    except (XKNXException, ValueError) as error:
        raise InputError(f"{point.role} {value:g} does not fit DPT {dpt(point)}") from error


def from_payload(point: Point, payload: Payload) -> float:
    """InputError if the payload is none of the point's datapoint type, or means nothing that the role may be."""
    meaning = role(point.role)
    value = mirror(point, _decoded(point, meaning, payload))
    if not meaning.in_range(value):
        raise InputError(f"{point.role} cannot be {value:g}")
    return value


def _decoded(point: Point, meaning: Role, payload: Payload) -> float:
    main = dpt(point).partition(".")[0]
    if main == BINARY:
        if not isinstance(payload, DPTBinary) or payload.value > 1:
            raise InputError(f"{payload} is no value of DPT {dpt(point)}")
        return meaning.high if payload.value else meaning.low
    if main == HVAC_MODE:
        if not isinstance(payload, DPTArray) or len(payload.value) != 1:
            raise InputError(f"{payload} is no value of DPT {dpt(point)}")
        return float(payload.value[0])
    try:
        return float(_number(point).from_knx(payload))
    except (XKNXException, ValueError) as error:
        raise InputError(f"{payload} is no value of DPT {dpt(point)}") from error


def _number(point: Point) -> type[DPTNumeric]:
    transcoder = DPTBase.parse_transcoder(dpt(point))
    if transcoder is None or not issubclass(transcoder, DPTNumeric):
        raise InputError(f"{point.role}: no virtual device knows DPT {dpt(point)}")
    return transcoder
