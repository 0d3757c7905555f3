"""The names of 2020 for devices that were given none: (kind, bloc, floor) and node ids of the default gateways."""

from collections.abc import Iterator
from itertools import count

import msgspec

from insula.building.model import BuildingPlan, DevicePlan

FIRST_NODE = 2
"""Node 1 of a Z-Wave network is its controller."""


def give_names(plan: BuildingPlan, known: BuildingPlan | None = None) -> BuildingPlan:
    """Give each device of a default gateway that lacks its name of 2020 the one it has in ``known``, else the
    lowest that is free. Devices of other gateways go by their id."""
    names = _Names(plan, known)
    rooms = [
        msgspec.structs.replace(room, devices=tuple(names.named(device) for device in room.devices))
        for room in plan.rooms
    ]
    return msgspec.structs.replace(plan, rooms=tuple(rooms))


def devices_of(plan: BuildingPlan) -> Iterator[DevicePlan]:
    return (device for room in plan.rooms for device in room.devices)


class _Names:
    def __init__(self, plan: BuildingPlan, known: BuildingPlan | None) -> None:
        self._defaults = {gateway.id for gateway in plan.gateways if gateway.default}
        self._known = {(device.gateway_id, device.source): device for device in devices_of(known)} if known else {}
        given = list(devices_of(plan))
        mine = {(device.gateway_id, device.source) for device in given}
        kept = [device for key, device in self._known.items() if key in mine]
        self._taken = {name for device in (*given, *kept) if (name := self._name(device)) is not None}

    def named(self, device: DevicePlan) -> DevicePlan:
        if device.gateway_id not in self._defaults or self._name(device) is not None:
            return device
        before = self._known.get((device.gateway_id, device.source))
        if device.type == "knx":
            same = before is not None and (before.kind, before.floor) == (device.kind, device.floor)
            bloc = before.bloc if before is not None and same else None
            return msgspec.structs.replace(device, bloc=self._free(device, 1) if bloc is None else bloc)
        node = before.node_id if before is not None else None
        return msgspec.structs.replace(device, node_id=self._free(device, FIRST_NODE) if node is None else node)

    @staticmethod
    def _name(device: DevicePlan) -> tuple[object, ...] | None:
        if device.type == "knx":
            name = (device.gateway_id, device.kind, device.floor, device.bloc)
            return None if device.bloc is None else name
        return None if device.node_id is None else (device.gateway_id, device.node_id)

    def _free(self, device: DevicePlan, first: int) -> int:
        start = (device.gateway_id, device.kind, device.floor) if device.type == "knx" else (device.gateway_id,)
        number = next(number for number in count(first) if (*start, number) not in self._taken)
        self._taken.add((*start, number))
        return number
