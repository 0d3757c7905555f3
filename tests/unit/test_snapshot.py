"""A simulated building goes on where it stopped."""

from insula.simulator.physical import Blind, Lamp, RoomWorld, Valve
from insula.simulator.snapshot import decode, encode, restore, snapshot


def room(number: int = 1) -> RoomWorld:
    made = RoomWorld(number=number)
    made.blinds.append(Blind())
    made.valves.append(Valve())
    made.lamps.append(Lamp())
    return made


def test_everything_physical_is_kept() -> None:
    before, after = room(), room()
    before.temperature, before.co2, before.window_open, before.hvac_mode = 18.5, 900.0, True, 2
    before.blinds[0].go(37)
    before.blinds[0].step(100)
    before.valves[0].set(0)
    before.lamps[0].set(90)
    restore({1: after}, decode(encode(snapshot({1: before}))))
    assert snapshot({1: after}) == snapshot({1: before})
    assert (after.window_open, after.hvac_mode) == (True, 2)
    assert not after.blinds[0].moving


def test_rooms_that_changed_keep_what_they_have() -> None:
    bare = RoomWorld(number=1)
    restore({1: bare, 2: room(2)}, snapshot({1: room(), 3: room(3)}))
    assert (bare.blinds, bare.temperature) == ([], 20.0)
