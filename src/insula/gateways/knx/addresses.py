"""Who means a group address: built from the devices' records, looked up for each telegram."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import structlog
from xknx.telegram import GroupAddress

from insula.errors import InputError
from insula.gateways.knx.translate import codec_of, group_address
from insula.messages import DeviceRecord, Point
from insula.points import ROLES, Role

log = structlog.get_logger("insula.knx")

GROUPS = (("position", "move", "stop", "slat"), ("level", "switch"))
"""Roles that one hand on a wall switch changes together; every other role stands alone."""
_GROUP = {role: group[0] for group in GROUPS for role in group}


def driven_group(role: str) -> str:
    """The name under which a role is driven: that of its group, or its own."""
    return _GROUP.get(role, role)


@dataclass(frozen=True, slots=True)
class Heard:
    """A point for which an address has a meaning.

    ``status``: what is sent there is the point's state. ``driven``: what is sent there drives the point.
    """

    device_id: int
    point: Point
    role: Role
    status: bool
    driven: bool


@dataclass(frozen=True, slots=True)
class StatusAddress:
    """An address to read, and for which point of which device."""

    device_id: int
    point: Point
    address: GroupAddress


class AddressIndex:
    """Points by the group addresses they listen to; any number of devices may share an address."""

    def __init__(self, devices: Iterable[DeviceRecord] = ()) -> None:
        self._heard: dict[GroupAddress, list[Heard]] = defaultdict(list)
        self._telling: set[tuple[int, str]] = set()
        self._confirming: dict[tuple[int, str], list[GroupAddress]] = defaultdict(list)
        self.statuses: list[StatusAddress] = []
        for device in devices:
            for point in device.points:
                try:
                    self._add(device, point)
                except InputError as error:
                    log.warning("point ignored", device_id=device.device_id, point=point.role, why=str(error))

    def at(self, address: GroupAddress) -> Sequence[Heard]:
        """The points that mean this address; none if it is not ours."""
        return self._heard.get(address, ())

    def tells(self, device_id: int, role: str) -> bool:
        """The device reports this role at an address where nobody writes: then a write alone is no reading."""
        return (device_id, role) in self._telling

    def confirming(self, device_id: int, role: str) -> Sequence[GroupAddress]:
        """Where the device tells what became of a command to this role, or to one that is driven with it."""
        return self._confirming.get((device_id, driven_group(role)), ())

    def _add(self, device: DeviceRecord, point: Point) -> None:
        role = ROLES.get(point.role)
        if role is None:
            raise InputError(f"no role {point.role!r}")
        codec_of(point, role)
        status, drives = _addresses(point, role)
        for address in dict.fromkeys((*status, *drives)):
            heard = Heard(
                device_id=device.device_id,
                point=point,
                role=role,
                status=address in status,
                driven=address in drives,
            )
            self._heard[address].append(heard)
        if telling := [address for address in status if address not in drives]:
            self._telling.add((device.device_id, role.name))
            self._confirming[device.device_id, driven_group(role.name)] += telling
        self.statuses.extend(StatusAddress(device.device_id, point, address) for address in status)


def _addresses(point: Point, role: Role) -> tuple[tuple[GroupAddress, ...], tuple[GroupAddress, ...]]:
    """(addresses that tell the point's state, addresses that drive it). What only measures is driven by nobody."""

    def parsed(*texts: str) -> Iterator[GroupAddress]:
        return (group_address(text) for text in texts if text)

    status, control = tuple(parsed(point.status)), tuple(parsed(point.write, *point.listen))
    return (status, control) if role.writable else (tuple(dict.fromkeys(status + control)), ())
