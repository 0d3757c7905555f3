"""What no line of a building file can tell alone: the same room, beacon, node or address twice."""

from collections.abc import Hashable, Iterator
from typing import TypeVar

import msgspec

from insula.building.file_lines import Path
from insula.building.file_points import group_address
from insula.building.file_table import Faults
from insula.building.model import BeaconPlan, DevicePlan, GatewayPlan, RoomPlan

T = TypeVar("T", bound=Hashable)


class Placed:
    """What has been read so far, each with its place in the file."""

    def __init__(self, gateways: dict[str, GatewayPlan]) -> None:
        self.gateways = gateways
        self.rooms: list[tuple[Path, RoomPlan]] = []
        self.beacons: list[tuple[Path, BeaconPlan, int]] = []
        self._numbers: set[int] = set()

    def add(self, room: RoomPlan, path: Path) -> None:
        self._numbers.add(room.number)
        self.rooms.append((path, msgspec.structs.replace(room, beacons=())))
        self.beacons.extend((path, beacon, room.number) for beacon in room.beacons)

    def add_beacon(self, beacon: BeaconPlan, room_number: int, path: Path) -> None:
        self.beacons.append((path, beacon, room_number))

    def has_room(self, number: int) -> bool:
        return number in self._numbers

    def devices(self) -> Iterator[tuple[Path, DevicePlan]]:
        return ((path, device) for path, room in self.rooms for device in room.devices)

    def plans(self) -> tuple[RoomPlan, ...]:
        beacons: dict[int, list[BeaconPlan]] = {}
        for _, beacon, number in self.beacons:
            beacons.setdefault(number, []).append(beacon)
        return tuple(
            msgspec.structs.replace(room, beacons=tuple(beacons.get(room.number, ()))) for _, room in self.rooms
        )


def check_placed(placed: Placed, faults: Faults) -> None:
    """Add a fault, at the second place, for everything that is there twice and may not be; and one for a file
    without rooms, whose import would remove the whole building."""
    _once(faults, ((path, room.number, f"room {room.number}") for path, room in placed.rooms))
    _once(
        faults,
        ((path, beacon, f"beacon {beacon.uuid}/{beacon.major}/{beacon.minor}") for path, beacon, _ in placed.beacons),
    )
    _once(faults, _names(placed))
    _once(faults, _addresses(placed))
    _once(faults, _sources(placed, faults))
    if not placed.rooms and not faults.in_order():
        faults.add((), "no room: a building has at least one")


def _once(faults: Faults, found: Iterator[tuple[Path, T, str]]) -> None:
    first: dict[T, Path] = {}
    for path, key, what in found:
        if key in first:
            faults.add(path, f"{what} twice: first on line {faults.line(first[key])}")
        else:
            first[key] = path


def _names(placed: Placed) -> Iterator[tuple[Path, Hashable, str]]:
    for path, device in placed.devices():
        gateway = device.gateway_id
        if device.node_id is not None:
            yield path, (gateway, device.node_id), f"node {device.node_id} of gateway {gateway}"
        elif device.bloc is not None:
            name = f"{device.kind} of bloc {device.bloc}, floor {device.floor}"
            yield path, (gateway, device.kind, device.bloc, device.floor), name


def _addresses(placed: Placed) -> Iterator[tuple[Path, Hashable, str]]:
    """Status addresses: two points that report on one cannot be told apart."""
    for path, device in placed.devices():
        for point in device.points if device.type == "knx" else ():
            number = group_address(point.status)
            if number is not None:
                what = f"status address {point.status} ({device.kind} {point.role})"
                yield path, (device.gateway_id, number), what


def _sources(placed: Placed, faults: Faults) -> Iterator[tuple[Path, Hashable, str]]:
    """Only where nothing else is wrong: a source derives from addresses and nodes."""
    if faults.in_order():
        return
    for path, device in placed.devices():
        what = f"device {device.source!r} of gateway {device.gateway_id} (give each a source of its own)"
        yield path, (device.gateway_id, device.source), what
