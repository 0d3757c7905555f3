"""Values and telegrams: golden bytes from the KNX standard, and every percent both ways."""

import csv
import math
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xknx.dpt.payload import DPTArray, DPTBinary
from xknx.telegram import GroupAddress
from xknx.telegram.apci import GroupValueRead, GroupValueWrite

from insula.building.scheme2020 import points_2020
from insula.errors import InputError, Refused
from insula.gateways.knx.translate import Payload, decode, encode, group_address, to_read, to_telegram, transcoder
from insula.messages import Command, DeviceRecord, Point
from insula.points import ROLES

GOLDEN = Path(__file__).parents[1] / "golden" / "knx" / "datapoints.csv"
FLAGS = {"": None, "true": True, "false": False}


def payload_of(text: str) -> Payload:
    """``b1``: one bit in the telegram's header; otherwise bytes in hexadecimal."""
    return DPTBinary(int(text[1])) if text.startswith("b") else DPTArray(bytes.fromhex(text))


def golden() -> list[tuple[Point, float, Payload]]:
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        return [
            (
                Point(role=row["role"], dpt=row["dpt"], inverted=FLAGS[row["inverted"]]),
                float(row["value"]),
                payload_of(row["payload"]),
            )
            for row in csv.DictReader(file)
        ]


def device(kind: str, *points: Point, device_id: int = 7) -> DeviceRecord:
    return DeviceRecord(
        device_id=device_id, room_id=1, room_number=1, type="knx", gateway_id="knx", kind=kind, points=points
    )


def wish(point: str, value: float) -> Command:
    return Command(at=0, device_id=7, gateway_id="knx", point=point, value=value, expires_at=30_000)


def written(point: str, value: float, to: DeviceRecord) -> tuple[str, str]:
    """(group address, payload as in the golden table) of the telegram that carries the wish out."""
    telegram = to_telegram(wish(point, value), to)
    assert isinstance(telegram.payload, GroupValueWrite)
    raw = telegram.payload.value
    text = f"b{raw.value:d}" if isinstance(raw, DPTBinary) else bytes(raw.value).hex().upper()
    return str(telegram.destination_address), text


BLIND = device("blind", *points_2020("blind", bloc=1, floor=4))
RADIATOR = device("radiator", *points_2020("radiator", bloc=1, floor=4))


@pytest.mark.parametrize(("point", "value", "payload"), golden())
def test_a_value_is_written_as_the_standard_says(point: Point, value: float, payload: Payload) -> None:
    assert encode(point, ROLES[point.role], value) == payload


@pytest.mark.parametrize(("point", "value", "payload"), golden())
def test_a_payload_is_read_as_the_standard_says(point: Point, value: float, payload: Payload) -> None:
    assert decode(point, ROLES[point.role], payload) == pytest.approx(value)


@pytest.mark.parametrize("inverted", [None, True, False])
@pytest.mark.parametrize("role", ["position", "slat", "level", "valve"])
def test_every_percent_comes_back_as_it_went(role: str, inverted: bool | None) -> None:
    point = Point(role=role, inverted=inverted)
    back = [decode(point, ROLES[role], encode(point, ROLES[role], percent)) for percent in range(101)]
    assert back == list(range(101))


def test_a_blind_half_open_is_the_other_half_on_the_bus() -> None:
    position = ROLES["position"]
    turned = [encode(Point(role="position"), position, percent) for percent in range(101)]
    assert turned == [encode(Point(role="valve"), ROLES["valve"], 100 - percent) for percent in range(101)]


@given(st.integers(0, 255))
def test_every_byte_of_a_percentage_is_a_percentage(byte: int) -> None:
    assert 0 <= decode(Point(role="position"), ROLES["position"], DPTArray(byte)) <= 100


@given(st.floats(5, 35))
def test_a_wished_temperature_arrives_within_its_resolution(value: float) -> None:
    point, role = Point(role="setpoint"), ROLES["setpoint"]
    assert decode(point, role, encode(point, role, value)) == pytest.approx(value, abs=0.011)


@given(st.sampled_from(list(ROLES)), st.binary(max_size=8))
def test_no_payload_is_more_than_refused(role: str, data: bytes) -> None:
    value = 0.0
    with suppress(InputError):
        value = decode(Point(role=role), ROLES[role], DPTArray(data))
    assert math.isfinite(value)


@pytest.mark.parametrize(
    ("point", "payload"),
    [
        (Point(role="position"), DPTBinary(1)),
        (Point(role="position"), DPTArray((1, 2))),
        (Point(role="move"), DPTArray(1)),
        (Point(role="move"), DPTBinary(2)),
        (Point(role="temperature"), DPTArray((0x7F, 0xFF))),
        (Point(role="hvac_mode"), DPTArray(17)),
        (Point(role="power"), DPTArray(bytes.fromhex("7FC00000"))),
        (Point(role="power"), DPTArray(bytes.fromhex("7F800000"))),
    ],
    ids=["one bit", "too long", "too short", "two bits", "invalid marker", "no such mode", "NaN", "infinity"],
)
def test_a_payload_that_is_no_value_is_an_input_error(point: Point, payload: Payload) -> None:
    with pytest.raises(InputError, match=r"no value"):
        decode(point, ROLES[point.role], payload)


@pytest.mark.parametrize("dpt", ["99.001", "apples", "3.007", "16.000", "9.001.1"])
def test_a_datapoint_type_without_a_single_value_is_an_input_error(dpt: str) -> None:
    with pytest.raises(InputError, match=dpt):
        transcoder(dpt)


@pytest.mark.parametrize(("role", "dpt"), [("temperature", "9.027"), ("slat", "5.003"), ("temperature", "9.002")])
def test_a_datapoint_type_in_another_unit_is_an_input_error(role: str, dpt: str) -> None:
    with pytest.raises(InputError, match=f"{role} is in"):
        encode(Point(role=role, dpt=dpt), ROLES[role], 20)


@pytest.mark.parametrize("text", ["", "0/0/0", "32/0/1", "1/8/1", "1/2/256", "here"])
def test_what_is_no_group_address_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        group_address(text)


def test_a_blind_of_2020_is_driven_at_its_addresses() -> None:
    assert written("move", 100, BLIND) == ("1/4/1", "b0")
    assert written("move", 0, BLIND) == ("1/4/1", "b1")
    assert written("stop", 1, BLIND) == ("2/4/1", "b1")
    assert written("position", 0, BLIND) == ("3/4/1", "FF")
    assert written("position", 100, BLIND) == ("3/4/1", "00")
    assert written("position", 60, BLIND) == ("3/4/1", "66")
    assert BLIND.point("position") == Point(role="position", write="3/4/1", status="4/4/1")


def test_a_radiator_of_2020_is_driven_at_its_address() -> None:
    assert written("valve", 0, RADIATOR) == ("0/4/1", "00")
    assert written("valve", 42, RADIATOR) == ("0/4/1", "6B")


def test_other_kinds_have_no_points_of_2020() -> None:
    assert points_2020("lamp", bloc=1, floor=4) == ()


@pytest.mark.parametrize(("bloc", "floor"), [(1, 8), (256, 4), (-1, 4), (1, -1)])
def test_the_scheme_of_2020_ends_at_floor_7_and_bloc_255(bloc: int, floor: int) -> None:
    with pytest.raises(InputError, match="floor 7, bloc 255"):
        points_2020("blind", bloc, floor)


def test_a_radiator_of_2020_cannot_have_the_broadcast_address() -> None:
    with pytest.raises(InputError, match="0/0/0"):
        points_2020("radiator", bloc=0, floor=0)
    assert points_2020("blind", bloc=0, floor=0)[0].write == "3/0/0"


def test_up_and_down_go_to_the_position_where_the_blind_has_no_other() -> None:
    only_position = device("blind", Point(role="position", write="3/4/1"))
    assert written("move", 100, only_position) == ("3/4/1", "00")
    assert written("move", 0, only_position) == ("3/4/1", "FF")


def test_a_position_at_an_end_goes_to_up_and_down_where_the_blind_has_no_other() -> None:
    only_move = device("blind", Point(role="move", write="1/4/1"), Point(role="position", status="4/4/1"))
    assert written("position", 100, only_move) == ("1/4/1", "b0")
    assert written("position", 0, only_move) == ("1/4/1", "b1")
    with pytest.raises(Refused, match="knows only up and down: position 40"):
        to_telegram(wish("position", 40), only_move)


def test_a_level_goes_to_the_switch_where_the_lamp_has_no_other() -> None:
    lamp = device("lamp", Point(role="switch", write="5/4/1"))
    assert written("level", 0, lamp) == ("5/4/1", "b0")
    assert written("level", 1, lamp) == ("5/4/1", "b1")


def test_on_and_off_go_to_the_level_where_the_lamp_has_no_other() -> None:
    lamp = device("lamp", Point(role="level", write="5/4/2"))
    assert written("switch", 1, lamp) == ("5/4/2", "FF")
    assert written("switch", 0, lamp) == ("5/4/2", "00")


@pytest.mark.parametrize(
    ("point", "value", "why"),
    [
        ("temperature", 20, "nothing that can be driven"),
        ("soup", 1, "nothing that can be driven"),
        ("position", 101, "outside 0 to 100 %"),
        ("position", -1, "outside"),
        ("position", float("nan"), "outside"),
        ("move", 40, "not to 40"),
        ("stop", 0, "stop is 1"),
        ("slat", 50, "blind 7 has no slat"),
        ("level", 50, "no level"),
        ("setpoint", 21, "no setpoint"),
    ],
)
def test_what_the_blind_cannot_do_is_refused_with_the_reason(point: str, value: float, why: str) -> None:
    with pytest.raises(Refused, match=why):
        to_telegram(wish(point, value), BLIND)


@pytest.mark.parametrize(
    "point",
    [Point(role="valve", write="9/9/999"), Point(role="valve", write="1/2/3", dpt="77.1"), Point(role="valve")],
    ids=["no address", "no datapoint type", "nothing to write"],
)
def test_a_point_that_is_described_wrongly_is_refused(point: Point) -> None:
    with pytest.raises(Refused):
        to_telegram(wish("valve", 50), device("radiator", point))


def test_a_value_that_the_datapoint_type_cannot_hold_is_refused() -> None:
    controller = device("room_controller", Point(role="hvac_mode", write="6/0/1", dpt="1.001"))
    assert written("hvac_mode", 1, controller) == ("6/0/1", "b1")
    with pytest.raises(Refused, match="does not fit"):
        to_telegram(wish("setpoint", 30), device("x", Point(role="setpoint", write="6/0/2", dpt="20.102")))


def test_a_state_is_asked_for_by_a_read() -> None:
    telegram = to_read(GroupAddress("4/4/1"))
    assert isinstance(telegram.payload, GroupValueRead)
    assert str(telegram.destination_address) == "4/4/1"
