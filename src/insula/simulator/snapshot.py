"""The physical state of the simulated rooms as plain data, so that a simulated building can go on where it stopped."""

from collections.abc import Mapping

import msgspec

from insula.simulator.physical import RoomWorld

AIR = ("temperature", "humidity", "co2", "setpoint", "hvac_mode", "window_open")


class RoomSnapshot(msgspec.Struct, frozen=True):
    """``air``: what AIR names; blinds (position, slat), valves and lamps in %, in the order of the room's devices."""

    air: dict[str, float]
    blinds: list[tuple[float, float]]
    valves: list[float]
    lamps: list[float]


Snapshot = dict[int, RoomSnapshot]
"""By room number."""


def snapshot(rooms: Mapping[int, RoomWorld]) -> Snapshot:
    return {
        number: RoomSnapshot(
            {name: float(getattr(room, name)) for name in AIR},
            [(blind.position, blind.slat) for blind in room.blinds],
            [valve.position for valve in room.valves],
            [lamp.level for lamp in room.lamps],
        )
        for number, room in rooms.items()
    }


def restore(rooms: Mapping[int, RoomWorld], earlier: Snapshot) -> None:
    """Rooms that are no longer there, or have other devices now, keep what they have."""
    for number, room in rooms.items():
        known = earlier.get(number)
        if known is None:
            continue
        for name, value in known.air.items():
            if name in AIR:
                setattr(room, name, type(getattr(room, name))(value))
        for blind, (position, slat) in zip(room.blinds, known.blinds, strict=False):
            blind.position = blind.target = position
            blind.slat = slat
        for valve, position in zip(room.valves, known.valves, strict=False):
            valve.position = position
        for lamp, level in zip(room.lamps, known.lamps, strict=False):
            lamp.level = level


def encode(state: Snapshot) -> bytes:
    return msgspec.json.encode(state)


def decode(data: bytes) -> Snapshot:
    """Raises msgspec.MsgspecError for anything else than ``encode`` gave."""
    return msgspec.json.decode(data, type=Snapshot)
