"""Every fault of a building file comes with its line, all at once."""

import pytest

from insula.building.file import parse_plan
from insula.errors import BuildingFileError
from tests.building_files import FIRST_ROOM, UUID, faults, only_fault, rooms


def test_what_is_no_toml_names_its_line() -> None:
    line, text = only_fault("[building]\nname = \n")
    assert line == 2
    assert text.startswith("not TOML")
    assert only_fault("a = [\n1,\n")[0] == 2


KNX_LAMP = 'kind = "lamp", gateway = "knx"'

FAULTY_ROOMS = {
    "a room twice": (["{ number = 1 }", "{ number = 1 }"], 1, "room 1 twice: first on line 12"),
    "no number": (['{ name = "x" }'], 0, "number is missing"),
    "wrong type": (['{ number = "one" }'], 0, "number must be a whole number, not 'one'"),
    "no boolean for a number": (["{ number = true }"], 0, "number must be a whole number, not True"),
    "unknown key": (["{ number = 1, blok = 3 }"], 0, "unknown key 'blok' in room 1; did you mean 'bloc'?"),
    "unknown type": (['{ number = 1, type = "ofice" }'], 0, "unknown room type 'ofice'"),
    "incomplete beacon": ([f'{{ number = 1, beacon = "{UUID}/1" }}'], 0, "is no beacon"),
    "beacon out of range": ([f'{{ number = 1, beacon = "{UUID}/1/65536" }}'], 0, "is no beacon"),
    "no uuid": (['{ number = 1, beacon = "b9407f30/1/2" }'], 0, "is no beacon"),
    "beacons no list": (['{ number = 1, beacons = "x" }'], 0, "beacons must be a list"),
    "a beacon twice": (
        [f'{{ number = 1, beacon = "{UUID}/1/2" }}', f'{{ number = 2, beacon = "{UUID.upper()}/1/2" }}'],
        1,
        f"beacon {UUID}/1/2 twice",
    ),
    "a node twice": (
        [
            '{ number = 1, nodes = [4], devices = [{ kind = "lamp" }] }',
            '{ number = 2, nodes = [4], devices = [{ kind = "sensor" }] }',
        ],
        1,
        "node 4 of gateway zwave twice",
    ),
    "a 2020 name twice": (
        [
            f'{{ number = {n}, bloc = 1, devices = [{{ kind = "blind", points = {{ slat = "6/0/{n}" }} }}] }}'
            for n in (1, 2)
        ],
        1,
        "blind of bloc 1, floor 4 twice",
    ),
    "two devices report on one address": (
        [
            f'{{ number = 1, devices = [{{ {KNX_LAMP}, points = {{ level = {{ status = "1/2/3" }} }} }}, '
            f'{{ {KNX_LAMP}, points = {{ switch = {{ status = "1/515" }} }} }}] }}'
        ],
        0,
        "status address 1/515 (lamp switch) twice",
    ),
    "two devices of one identity": (
        [
            f'{{ number = 1, devices = [{{ {KNX_LAMP}, points = {{ level = "1/2/3" }} }}, '
            f'{{ {KNX_LAMP}, points = {{ level = "1/2/3" }} }}] }}'
        ],
        0,
        "give each a source of its own",
    ),
    "unknown gateway": (
        ['{ number = 1, devices = [{ kind = "lamp", gateway = "zwav" }] }'],
        0,
        "unknown gateway 'zwav'; did you mean 'zwave'?",
    ),
    "no kind": (['{ number = 1, devices = [{ name = "x" }] }'], 0, "kind is missing"),
    "bloc out of range": (
        ['{ number = 1, bloc = 256, devices = [{ kind = "radiator" }] }'],
        0,
        "radiator: floor 4, bloc 256",
    ),
    "no bloc": (['{ number = 1, devices = [{ kind = "blind" }] }'], 0, "without points it needs a bloc"),
    "no points": ([f"{{ number = 1, devices = [{{ {KNX_LAMP} }}] }}"], 0, "a knx lamp has no points by default"),
    "kind misspelt": (['{ number = 1, bloc = 1, devices = [{ kind = "blnd" }] }'], 0, "did you mean 'blind'?"),
    "unknown role": (
        [f'{{ number = 1, devices = [{{ {KNX_LAMP}, points = {{ levl = "1/2/3" }} }}] }}'],
        0,
        "unknown role 'levl'; did you mean 'level'?",
    ),
    "unknown role in a list": (
        ['{ number = 1, nodes = [2], devices = [{ kind = "sensor", points = ["co"] }] }'],
        0,
        "unknown role 'co'; did you mean 'co2'?",
    ),
    "a role twice": (
        ['{ number = 1, nodes = [2], devices = [{ kind = "sensor", points = ["co2", "co2"] }] }'],
        0,
        "points names a role twice",
    ),
    "no datapoint type": (
        [f'{{ number = 1, devices = [{{ {KNX_LAMP}, points = {{ level = {{ write = "1/2/3", dpt = "5" }} }} }}] }}'],
        0,
        "level: '5' is no datapoint type",
    ),
    "bad group address": (
        [f'{{ number = 1, devices = [{{ {KNX_LAMP}, points = {{ level = "1/8/3" }} }}] }}'],
        0,
        "level: '1/8/3' is no group address",
    ),
    "no group address": (
        [f'{{ number = 1, devices = [{{ {KNX_LAMP}, points = {{ level = {{ dpt = "5.001" }} }} }}] }}'],
        0,
        "level has no group address",
    ),
    "points, but none": (
        [f"{{ number = 1, devices = [{{ {KNX_LAMP}, points = {{}} }}] }}"],
        0,
        "points names no role",
    ),
    "bad listen": (
        [f'{{ number = 1, devices = [{{ {KNX_LAMP}, points = {{ level = {{ write = "1/2/3", listen = 4 }} }} }}] }}'],
        0,
        "listen must be an address or a list of addresses",
    ),
    "a point of another kind": (
        [f"{{ number = 1, devices = [{{ {KNX_LAMP}, points = {{ level = 4 }} }}] }}"],
        0,
        "level must be an address or a table, not 4",
    ),
    "nodes left over": (["{ number = 1, nodes = [2] }"], 0, "nodes [2] are left over"),
    "nodes no list": (['{ number = 1, nodes = ["2"] }'], 0, "nodes must be a list of node ids"),
    "a bad option": (
        ['{ number = 1, nodes = [2], devices = [{ kind = "lamp", options = { a = [1] } }] }'],
        0,
        "option a must be a number, text, true or false",
    ),
    "unknown device key": (
        ['{ number = 1, nodes = [2], devices = [{ kind = "lamp", nam = "x" }] }'],
        0,
        "unknown key 'nam' in a device; did you mean 'name'?",
    ),
    "a room that is no table": (["3"], 0, "rooms must hold tables, not 3"),
    "devices no list": (["{ number = 1, devices = 3 }"], 0, "devices must be a list of tables"),
    "options no table": (
        ['{ number = 1, nodes = [2], devices = [{ kind = "lamp", options = 3 }] }'],
        0,
        "options must be a table, not 3",
    ),
}


@pytest.mark.parametrize("case", FAULTY_ROOMS)
def test_a_faulty_room_is_named_with_its_line(case: str) -> None:
    lines, at, expected = FAULTY_ROOMS[case]
    line, text = only_fault(rooms(*lines))
    assert line == FIRST_ROOM + at
    assert expected in text


FAULTY_TOPS = {
    "unknown key": ("[buildin]\n", 1, "unknown key 'buildin' in the file; did you mean 'building'?"),
    "unknown time zone": ('[building]\ntime_zone = "Europe/Lyon"\n', 2, "unknown time zone 'Europe/Lyon'"),
    "bad time zone": ('[building]\ntime_zone = "/etc"\n', 2, "unknown time zone"),
    "latitude": ("[building]\nlatitude = 91\n", 2, "latitude must be between -90 and 90 degrees"),
    "unknown rules": ('[building]\nrules = "2021"\n', 2, "2021"),
    "negative hold": ("[building]\nhand_hold_min = -1\n", 2, "hand_hold_min must not be negative"),
    "no name": ('[building]\nname = ""\n', 2, "name must not be empty"),
    "gateway without id": ('[[gateway]]\ntype = "zwave"\nurl = "x"\n', 1, "id is missing"),
    "gateway type": ('[[gateway]]\nid = "x"\ntype = "dali"\n', 3, "unknown gateway type 'dali'"),
    "no url": ('[[gateway]]\nid = "x"\ntype = "zwave"\n', 1, "url is missing"),
    "port of a url": ('[[gateway]]\nid = "x"\ntype = "zwave"\nurl = "ws://h:99999"\n', 4, "out of range 0-65535"),
    "port": ('[[gateway]]\nid = "x"\ntype = "knx"\nhost = "h"\nport = 99999\n', 5, "port must be 0-65535"),
    "no host": ('[[gateway]]\nid = "x"\ntype = "knx"\n', 1, "host is missing"),
    "connection": (
        '[[gateway]]\nid = "x"\ntype = "knx"\nconnection = "udb"\nhost = "h"\n',
        4,
        "unknown connection 'udb': tcp, udp, routing; did you mean 'udp'?",
    ),
    "no default": (
        '[[gateway]]\nid = "x"\ntype = "zwave"\nurl = "x"\ndefault = false\n',
        1,
        "no default gateway of type zwave",
    ),
    "two defaults": (
        '[[gateway]]\nid = "x"\ntype = "zwave"\nurl = "x"\ndefault = true\n'
        '[[gateway]]\nid = "y"\ntype = "zwave"\nurl = "x"\ndefault = true\n',
        6,
        "more than one default gateway of type zwave: x, y",
    ),
    "beacon without a room": (f'[[beacon]]\nuuid = "{UUID}"\nmajor = 1\nminor = 2\n', 1, "a beacon without a room"),
    "beacon in no room": (
        f'[[beacon]]\nuuid = "{UUID}"\nmajor = 1\nminor = 2\nroom = 3\n',
        5,
        "a beacon without a room: there is no room 3",
    ),
    "half a beacon": (f'[[floor]]\nnumber = 1\nrooms = [{{ number = 3 }}]\n[[beacon]]\nuuid = "{UUID}"\n'
                      "minor = 2\nroom = 3\n", 4, "major is missing"),
    "no beacon": (
        '[[floor]]\nnumber = 1\nrooms = [{ number = 3 }]\n[[beacon]]\nuuid = "u"\nmajor = 1\nminor = 2\nroom = 3\n',
        4,
        "is no beacon",
    ),
    "no default for a kind": (
        '[[floor]]\nnumber = 1\nrooms = [\n{ number = 1, devices = [{ kind = "sensor" }] },\n]\n',
        4,
        "sensor: no default gateway of type zwave",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTY_TOPS)
def test_a_faulty_table_is_named_with_its_line(case: str) -> None:
    text, line, expected = FAULTY_TOPS[case]
    found = only_fault(text)
    assert found[0] == line
    assert expected in found[1]


def test_a_gateway_twice() -> None:
    assert (6, "gateway 'x' twice") in faults(
        '[[gateway]]\nid = "x"\ntype = "zwave"\nurl = "x"\n[[gateway]]\nid = "x"\ntype = "zwave"\nurl = "x"\n'
    )


OFFICE = '[room_type.office]\ndevices = [\n{ kind = "blind" },\n{ kind = "lamp", node_id = "{lamp}", nam = "x" },\n]\n'


def test_a_types_own_fault_is_told_once_and_a_rooms_at_its_line() -> None:
    text = rooms(
        '{ number = 1, type = "office", bloc = 1, lamp = 2 }',
        '{ number = 2, type = "office", bloc = 300, lamp = 3 }',
        '{ number = 3, type = "office", bloc = 3 }',
        before=OFFICE,
    )
    assert faults(text) == [
        (12, "unknown key 'nam' in a device; did you mean 'name'?"),
        (18, "blind: floor 4, bloc 300: the addresses of 2020 end at floor 7, bloc 255"),
        (19, "lamp is missing: the room's devices name it in braces"),
    ]


def test_a_bad_address_made_from_the_rooms_line_is_the_rooms_fault() -> None:
    types = f'[room_type.a]\ndevices = [{{ {KNX_LAMP}, points = {{ switch = {{ write = "1/2/{{lamp}}" }} }} }}]\n'
    line, text = only_fault(rooms('{ number = 1, type = "a", lamp = 256 }', before=types))
    assert (line, text[:22]) == (14, "switch: '1/2/256' is n")


def test_all_faults_come_at_once_in_order() -> None:
    text = rooms("{ number = 1, x = 1 }", "{ number = 1 }", f'{{ number = 2, beacon = "{UUID}" }}')
    found = faults(f'[building]\ntime_zone = "x"\n{text}')
    assert [line for line, _ in found] == [2, 14, 15, 16]
    with pytest.raises(BuildingFileError, match="line 2: unknown time zone"):
        parse_plan(f'[building]\ntime_zone = "x"\n{text}')
