"""Values of Z-Wave nodes <-> points of devices."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.gateways.zwave.translate import STATUS, WRITE, Bound, bind, find, reading, wire_value
from insula.messages import DeviceRecord, Point
from insula.points import ROLES

GOLDEN = Path(__file__).parents[1] / "golden" / "zwave" / "value_ids.json"
MULTISENSOR: list[str] = json.loads(GOLDEN.read_text())["multisensor"]
DIMMER: list[str] = json.loads(GOLDEN.read_text())["dimmer"]


def device(*points: Point, **options: float | str | bool) -> DeviceRecord:
    return DeviceRecord(
        device_id=1,
        room_id=1,
        room_number=1,
        type="zwave",
        gateway_id="zwave",
        kind="sensor",
        node_id=2,
        points=points,
        options=options,
    )


def bound(role: str, status: str = "", *, inverted: bool | None = None, **options: float | str | bool) -> Bound:
    point = Point(role=role, inverted=inverted)
    return Bound(device(point, **options), point, status, "")


def places(role: str, value_ids: list[str]) -> tuple[str, str]:
    (one,) = bind(device(Point(role=role)), value_ids)
    return one.status, one.write


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("temperature", "49-0-Air temperature"),
        ("humidity", "49-0-Humidity"),
        ("illuminance", "49-0-Illuminance"),
        ("motion", "113-0-Home Security-Motion sensor status"),
        ("battery", "128-0-level"),
    ],
)
def test_a_multisensors_values_are_found_by_role(role: str, status: str) -> None:
    assert places(role, MULTISENSOR) == (status, "")


def test_a_dimmer_reports_and_is_set_at_different_values() -> None:
    assert places("level", DIMMER) == ("38-0-currentValue", "38-0-targetValue")
    assert places("position", DIMMER) == ("38-0-currentValue", "38-0-targetValue")
    assert places("stop", DIMMER) == ("", "38-0-Up")


def test_a_node_that_tells_motion_twice_is_heard_once_and_one_without_the_newer_class_too() -> None:
    older = [value_id for value_id in MULTISENSOR if not value_id.startswith("113-")]
    assert places("motion", MULTISENSOR)[0].startswith("113-")
    assert places("motion", older) == ("48-0-Motion", "")


@pytest.mark.parametrize(
    ("role", "value_ids", "status"),
    [
        ("co2", ["49-0-Carbon dioxide (CO₂) level"], "49-0-Carbon dioxide (CO₂) level"),
        ("power", ["50-0-value-65537", "50-0-value-66049"], "50-0-value-66049"),
        ("energy", ["50-0-value-65537", "50-0-value-66049"], "50-0-value-65537"),
        ("window", ["113-0-Access Control-Door state"], "113-0-Access Control-Door state"),
        ("setpoint", ["67-0-setpoint-11", "67-0-setpoint-1"], "67-0-setpoint-1"),
        ("level", ["38-2-currentValue", "38-1-currentValue"], "38-1-currentValue"),
        ("temperature", ["49-0-Humidity", "nonsense"], ""),
    ],
)
def test_values_of_other_nodes(role: str, value_ids: list[str], status: str) -> None:
    assert places(role, value_ids)[0] == status


def test_a_device_may_name_its_own_values() -> None:
    point = Point(role="level", status="38-2-currentValue", write="38-2-targetValue")
    (one,) = bind(device(point), DIMMER)
    assert (one.status, one.write) == ("38-2-currentValue", "38-2-targetValue")


def test_the_tables_name_roles_that_there_are() -> None:
    assert set(STATUS) | set(WRITE) <= set(ROLES)
    assert all(ROLES[role].writable for role in WRITE)


@pytest.mark.parametrize(
    ("role", "value", "unit", "expected"),
    [
        ("temperature", 21.5, "°C", 21.5),
        ("temperature", 77, "°F", 25.0),
        ("temperature", 32, "F", 0.0),
        ("temperature", -40, "°F", -40.0),
        ("temperature", 0, "°C", 0.0),
        ("humidity", 43, "%", 43.0),
        ("humidity", 9.1, "g/m³", None),
        ("illuminance", 120, "Lux", 120.0),
        ("illuminance", 0, "Lux", 0.0),
        ("illuminance", 12, "%", 120.0),
        ("motion", 8, None, 1.0),
        ("motion", 0, None, 0.0),
        ("motion", True, None, 1.0),
        ("motion", False, None, 0.0),
        ("switch", True, None, 1.0),
        ("switch", False, None, 0.0),
        ("level", 0, None, 0.0),
        ("level", 1, None, 1.0),
        ("level", 98, None, 98.0),
        ("level", 99, None, 100.0),
        ("level", 100, None, 100.0),
        ("level", 255, None, 100.0),
        ("level", 254, None, None),
        ("level", -1, None, 0.0),
        ("power", 1.5, "kW", 1500.0),
        ("power", 60, "W", 60.0),
        ("setpoint", 71.6, "°F", 22.0),
        ("battery", 95, "%", 95.0),
        ("temperature", None, "°C", None),
        ("temperature", "warm", "°C", None),
        ("level", {"value": 3}, None, None),
    ],
)
def test_readings_are_in_the_units_of_their_roles(
    role: str, value: object, unit: str | None, expected: float | None
) -> None:
    assert reading(bound(role), value, unit) == expected


@pytest.mark.parametrize(("value", "expected"), [(22, 1.0), (23, 0.0)])
def test_a_door_is_open_by_its_notification(value: int, expected: float) -> None:
    assert reading(bound("window", "113-0-Access Control-Door state (simple)"), value, None) == expected


@pytest.mark.parametrize(("value", "expected"), [(True, 1.0), (False, 0.0)])
def test_a_door_is_open_by_its_contact(value: bool, expected: float) -> None:
    assert reading(bound("window", "48-0-Door/Window"), value, None) == expected


def test_a_sensor_of_light_in_percent_may_say_what_its_range_is() -> None:
    assert reading(bound("illuminance", lux_per_percent=20.0), 12, "%") == 240.0


@pytest.mark.parametrize(
    ("role", "value", "unit", "expected"),
    [
        ("level", 0, None, 0),
        ("level", 1, None, 1),
        ("level", 49.5, None, 50),
        ("level", 99, None, 99),
        ("level", 100, None, 99),
        ("level", 300, None, 99),
        ("level", -5, None, 0),
        ("position", 100, None, 99),
        ("move", 100, None, 99),
        ("move", 0, None, 0),
        ("switch", 1, None, True),
        ("switch", 0, None, False),
        ("stop", 1, None, False),
        ("setpoint", 21.5, "°C", 21.5),
        ("setpoint", 21.5, "°F", 70.7),
        ("setpoint", 21.5, None, 21.5),
    ],
)
def test_commands_in_the_units_of_the_node(role: str, value: float, unit: str | None, expected: object) -> None:
    sent = wire_value(bound(role), value, unit)
    assert sent == expected
    assert type(sent) is type(expected)


@given(st.integers(0, 100))
def test_a_level_comes_back_as_it_was_sent_but_for_the_two_highest(level: int) -> None:
    sent = wire_value(bound("level"), level, None)
    assert reading(bound("level"), sent, None) == (100 if level >= 99 else level)


@given(st.integers(0, 100))
def test_a_motor_that_counts_the_other_way(position: int) -> None:
    other_way = bound("position", inverted=True)
    sent = wire_value(other_way, position, None)
    back = reading(other_way, sent, None)
    assert sent == min(99, 100 - position)
    assert back is not None
    assert abs(back - position) <= 1


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_level_that_a_dimmer_would_misunderstand_is_ever_sent(level: float) -> None:
    assert 0 <= wire_value(bound("level"), level, None) <= 99


@given(st.lists(st.text(max_size=20)), st.lists(st.text(max_size=20)))
def test_what_is_found_is_one_of_the_nodes_values(wanted: list[str], value_ids: list[str]) -> None:
    found = find(wanted, value_ids)
    assert found == "" or found in value_ids
