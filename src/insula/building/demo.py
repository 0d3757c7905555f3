"""The building that the demo and the tests live in, as the text of a building file."""

from collections.abc import Iterator
from dataclasses import dataclass

from insula.building.file import parse_plan
from insula.building.model import BuildingPlan
from insula.errors import InputError

UUID = "b9407f30-f5f8-466e-aff9-25556b57fe6d"
FLOORS, BLOCS = 8, 255
"""What the addresses of 2020 can name, but for bloc 0."""
ROOMS_A_NETWORK = 115
"""Of two nodes each: a Z-Wave network ends at node 232, and node 1 is the controller."""

_HEAD = """\
[building]
site = "Demo"
name = "Insula"
time_zone = "Europe/Paris"
latitude = 45.76
longitude = 4.84
mode = "active"

[[gateway]]
id = "knx"
type = "knx"
connection = "tcp"
host = "127.0.0.1"
port = {knx_port}
"""

_NETWORK = """
[[gateway]]
id = "{id}"
type = "zwave"
default = {default}
url = "ws://127.0.0.1:{port}"
"""

_TYPE = """
[room_type.office]
devices = [
  {{ kind = "blind", points = {blind} }},
  {{ kind = "radiator" }},
  {{ kind = "sensor", name = "Multisensor 6"{gateway} }},
  {{ kind = "lamp", name = "ZE27"{gateway} }},
]
"""

_BLIND = (
    '{ position = { write = "3/{floor}/{bloc}", status = "4/{floor}/{bloc}" }, move = "1/{floor}/{bloc}", '
    'stop = "2/{floor}/{bloc}", wind_alarm = "5/{floor}/{bloc}" }'
)
"""At the addresses of 2020, and with an alarm object."""


@dataclass(frozen=True, slots=True)
class _Room:
    floor: int
    bloc: int
    number: int
    major: int
    minor: int


_FIRST = (
    _Room(4, 1, 1, 17644, 12302),
    _Room(4, 2, 2, 17644, 31456),
    _Room(4, 10, 10, 30874, 43216),
    _Room(4, 11, 11, 30874, 10279),
)


def demo_building(rooms: int = 4, knx_port: int = 13671, zwave_port: int = 13000) -> str:
    """The building file: rooms 1, 2, 10 and 11 on floor 4, and further ones spread over floors 0 to 7.

    Each further Z-Wave network has the port after the one before it. Raises InputError: 1 to 2040 rooms.
    """
    if not 1 <= rooms <= FLOORS * BLOCS:
        raise InputError(f"a demo building has 1 to {FLOORS * BLOCS} rooms, not {rooms}")
    networks = -(-rooms // ROOMS_A_NETWORK)
    text = _HEAD.format(knx_port=knx_port)
    for index in range(networks):
        text += _NETWORK.format(id=_network(index), default=str(index == 0).lower(), port=zwave_port + index)
    text += _TYPE.format(blind=_BLIND, gateway=', gateway = "{network}"' if networks > 1 else "")
    lines: dict[int, list[str]] = {}
    for index, room in zip(range(rooms), _rooms(rooms), strict=False):
        lines.setdefault(room.floor, []).append(_line(room, index, networks > 1))
    for floor in sorted(lines):
        text += f"\n[[floor]]\nnumber = {floor}\nrooms = [\n" + "".join(lines[floor]) + "]\n"
    return text


def demo_plan(rooms: int = 4, knx_port: int = 13671, zwave_port: int = 13000) -> BuildingPlan:
    """The same building, read."""
    return parse_plan(demo_building(rooms, knx_port, zwave_port))


def _network(index: int) -> str:
    return "zwave" if index == 0 else f"zwave-{index + 1}"


def _rooms(rooms: int) -> Iterator[_Room]:
    """The first four, then floor after floor, bloc after bloc; as many on each floor."""
    yield from _FIRST
    taken = {(room.floor, room.bloc) for room in _FIRST}
    a_floor = min(BLOCS, -(-rooms // FLOORS) + len(_FIRST))
    for floor in range(FLOORS):
        for bloc in range(1, a_floor + 1):
            if (floor, bloc) not in taken:
                yield _Room(floor, bloc, floor * 1000 + 100 + bloc, 40000 + floor, bloc)


def _line(room: _Room, index: int, several: bool) -> str:
    node = 2 + index % ROOMS_A_NETWORK * 2
    network = f', network = "{_network(index // ROOMS_A_NETWORK)}"' if several else ""
    return (
        f'  {{ number = {room.number}, type = "office", bloc = {room.bloc}, nodes = [{node}, {node + 1}]{network}, '
        f'beacon = "{UUID}/{room.major}/{room.minor}" }},\n'
    )
