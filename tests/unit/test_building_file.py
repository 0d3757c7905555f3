"""The building file: what it may say, and every fault with its line."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insula.building.demo import demo_building, demo_plan
from insula.building.file import load_plan, parse_beacon, parse_plan
from insula.building.file_lines import Lines
from insula.building.file_points import group_address
from insula.building.model import BeaconPlan, DevicePlan
from insula.building.names import devices_of
from insula.building.scheme2020 import points_2020
from insula.errors import InputError
from insula.messages import Point
from tests.building_files import UUID, rooms


def devices(text: str) -> list[DevicePlan]:
    return list(devices_of(parse_plan(text)))


# --- what a file says


def test_the_demo_building() -> None:
    plan = demo_plan()
    assert [(room.number, room.floor) for room in plan.rooms] == [(1, 4), (2, 4), (10, 4), (11, 4)]
    assert [(beacon.major, beacon.minor) for room in plan.rooms for beacon in room.beacons] == [
        (17644, 12302),
        (17644, 31456),
        (30874, 43216),
        (30874, 10279),
    ]
    assert {beacon.uuid for room in plan.rooms for beacon in room.beacons} == {UUID}
    assert [device.name or device.kind for device in plan.rooms[0].devices] == [
        "blind",
        "radiator",
        "Multisensor 6",
        "ZE27",
    ]
    assert [device.bloc for device in devices_of(plan) if device.kind == "blind"] == [1, 2, 10, 11]
    assert [device.node_id for device in devices_of(plan) if device.type == "zwave"] == list(range(2, 10))
    alarm = Point(role="wind_alarm", status="5/4/10")
    assert plan.rooms[2].devices[0].points == (*points_2020("blind", 10, 4), alarm)
    assert [point.role for point in plan.rooms[0].devices[2].points] == [
        "temperature",
        "humidity",
        "illuminance",
        "motion",
        "battery",
    ]
    assert plan.settings.time_zone == "Europe/Paris"
    assert [gateway.options for gateway in plan.gateways] == [
        {"connection": "tcp", "host": "127.0.0.1", "port": 13671},
        {"url": "ws://127.0.0.1:13000"},
    ]


def test_a_larger_demo_building_has_networks_of_at_most_232_nodes() -> None:
    plan = demo_plan(2040, zwave_port=14000)
    assert len(plan.rooms) == 2040
    assert {room.floor for room in plan.rooms} == set(range(8))
    networks = [gateway for gateway in plan.gateways if gateway.type == "zwave"]
    assert [gateway.default for gateway in networks] == [True] + [False] * (len(networks) - 1)
    assert networks[1].id == "zwave-2"
    assert networks[1].options == {"url": "ws://127.0.0.1:14001"}
    nodes = [device.node_id for device in devices_of(plan) if device.node_id is not None]
    assert (min(nodes), max(nodes)) == (2, 231)


@pytest.mark.parametrize("number", [0, 2041])
def test_a_demo_building_ends_where_the_scheme_does(number: int) -> None:
    with pytest.raises(InputError, match="1 to 2040 rooms"):
        demo_building(number)


def test_four_hundred_like_rooms_are_four_hundred_lines() -> None:
    with_400, with_500 = demo_building(400), demo_building(500)
    networks = 6 * (with_500.count("[[gateway]]") - with_400.count("[[gateway]]"))
    assert with_500.count("\n") - with_400.count("\n") == 100 + networks


def test_a_type_is_filled_in_from_the_rooms_line() -> None:
    types = """\
[room_type.lab]
devices = [
  { kind = "lamp", gateway = "knx", name = "lamp {room}", points = { switch = "2/{floor}/{lamp}" } },
  { kind = "sensor", node_id = "{sensor}", options = { lux = "{lux}" } },
]
"""
    text = rooms('{ number = 7, type = "lab", lamp = 9, sensor = 5, lux = 1.5 }', before=types)
    lamp, sensor = devices(text)
    assert (lamp.name, lamp.points) == ("lamp 7", (Point(role="switch", write="2/4/9"),))
    assert (sensor.node_id, sensor.options) == (5, {"lux": 1.5})


def test_points_of_a_knx_device_in_full_and_in_short() -> None:
    (device,) = devices(
        rooms(
            '{ number = 1, devices = [{ kind = "controller", points = { temperature = "5/0/1", '
            'setpoint = { write = "5/0/2", status = "5/0/3", listen = ["5/0/4", "5/0/5"], dpt = "9.001" }, '
            'slat = { write = "5/0/6", listen = "5/0/7", inverted = false } } }] }'
        )
    )
    assert device.gateway_id == "knx"
    assert device.points == (
        Point(role="temperature", status="5/0/1"),
        Point(role="setpoint", write="5/0/2", status="5/0/3", listen=("5/0/4", "5/0/5"), dpt="9.001"),
        Point(role="slat", write="5/0/6", listen=("5/0/7",), inverted=False),
    )


def test_points_of_a_zwave_device_by_role_or_by_value_id() -> None:
    listed, named = devices(
        rooms(
            '{ number = 1, nodes = [4, 5], devices = [{ kind = "sensor", points = ["co2"] }, '
            '{ kind = "lamp", points = { level = { write = "38-1-targetValue" } } }] }'
        )
    )
    assert listed.points == (Point(role="co2"),)
    assert named.points == (Point(role="level", write="38-1-targetValue"),)


def test_names_of_2020_are_given_where_the_file_has_none() -> None:
    own = 'gateway = "knx", points = { position = "6/0/%d" }'
    found = devices(
        rooms(
            f'{{ number = 1, bloc = 1, devices = [{{ kind = "blind" }}, {{ kind = "blind", {own % 1} }}, '
            f'{{ kind = "blind", {own % 2} }}, {{ kind = "sensor" }}, {{ kind = "sensor", node_id = 2 }}] }}'
        )
    )
    assert [device.bloc for device in found[:3]] == [1, 2, 3]
    assert [device.node_id for device in found[3:]] == [3, 2]


def test_names_once_given_stay_when_a_device_comes_before() -> None:
    lamp = '{{ kind = "lamp", gateway = "knx", points = {{ switch = "6/0/{}" }} }}'
    before = parse_plan(rooms(f"{{ number = 1, devices = [{lamp.format(1)}] }}"))
    text = rooms(f"{{ number = 2, devices = [{lamp.format(2)}] }}", f"{{ number = 1, devices = [{lamp.format(1)}] }}")
    after = parse_plan(text, known=before)
    assert [(device.source, device.bloc) for device in devices_of(after)] == [("6/0/2", 2), ("6/0/1", 1)]


def test_a_node_once_given_stays() -> None:
    before = parse_plan(rooms('{ number = 1, devices = [{ kind = "sensor" }] }'))
    text = rooms('{ number = 2, devices = [{ kind = "lamp" }] }', '{ number = 1, devices = [{ kind = "sensor" }] }')
    after = parse_plan(text, known=before)
    assert [(device.kind, device.node_id) for device in devices_of(after)] == [("lamp", 3), ("sensor", 2)]


def test_other_gateways_devices_go_by_their_id() -> None:
    second = '[[gateway]]\nid = "old"\ntype = "knx"\ndefault = false\nhost = "127.0.0.2"\n'
    text = rooms(
        '{ number = 1, devices = [{ kind = "lamp", gateway = "old", points = { switch = "1/0/1" } }] }', before=second
    ).replace('type = "knx"\nhost', 'type = "knx"\ndefault = true\nhost', 1)
    (device,) = devices(text)
    assert (device.gateway_id, device.bloc) == ("old", None)


def test_beacons_beside_the_rooms_and_in_them() -> None:
    apart = f'[[beacon]]\nuuid = "{UUID.upper()}"\nmajor = 1\nminor = 0\nroom = 1\n'
    (room,) = parse_plan(rooms(f'{{ number = 1, beacons = ["{UUID}/1/2"] }}') + apart).rooms
    assert room.beacons == (BeaconPlan(uuid=UUID, major=1, minor=2), BeaconPlan(uuid=UUID, major=1, minor=0))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml"):
        load_plan(tmp_path / "none.toml")


def test_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(demo_building(), encoding="utf-8")
    assert load_plan(tmp_path / "b.toml") == demo_plan()


# --- parts


def test_lines_of_every_way_to_write_toml() -> None:
    lines = Lines('a = 1\n[b."c d"]\nx.y = [\n  1, # one\n  { z = 2 },\n]\n[[f]]\n[[f]]\n[f.g]\nh = 1\n[[f.r]]\n')
    assert lines.of(("a",)) == 1
    assert lines.of(("b", "c d", "x", "y", 1, "z")) == 5
    assert lines.of(("f", 1, "g", "h")) == 10
    assert lines.of(("f", 1, "r", 0)) == 11
    assert lines.of(("b", "c d", "x", "y", 7)) == 3
    assert lines.of(("nothing", 4)) == 1


@settings(deadline=None)
@given(st.integers(0, 31), st.integers(0, 7), st.integers(0, 255))
def test_group_addresses_of_two_and_three_levels_are_one_number(main: int, middle: int, sub: int) -> None:
    number = group_address(f"{main}/{middle}/{sub}")
    assert number == group_address(f"{main}/{middle * 256 + sub}")
    assert number == (main * 2048 + middle * 256 + sub or None)


@pytest.mark.parametrize("text", ["", "1", "32/0/0", "1/2048", "1/2/256", "a/b/c", "1/2/3/4", "-1/2/3", "²/0/1"])
def test_what_is_no_group_address(text: str) -> None:
    assert group_address(text) is None


@pytest.mark.parametrize("text", ["", None, 3, f"{UUID}/1", f"{UUID}/-1/2", f"{UUID}/1/2/3", "x/1/2"])
def test_what_is_no_beacon(text: object) -> None:
    assert parse_beacon(text) is None
