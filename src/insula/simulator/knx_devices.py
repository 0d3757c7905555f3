"""The virtual KNX devices: group objects on the bus, wired to the physical things of their rooms."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import structlog
from xknx.exceptions import XKNXException
from xknx.telegram import GroupAddress, IndividualAddress, Telegram
from xknx.telegram.apci import APCI, GroupValueRead, GroupValueResponse, GroupValueWrite

from insula.building.model import BuildingPlan, DevicePlan
from insula.building.scheme2020 import points_2020
from insula.clock import Clock
from insula.errors import InputError, UnknownDevice
from insula.messages import Point
from insula.points import role
from insula.simulator.knx_interface import KnxInterface
from insula.simulator.knx_objects import ALARMS, CHANGE, READ, WRITE, Things
from insula.simulator.knx_values import from_payload, to_payload
from insula.simulator.physical import RoomWorld

log = structlog.get_logger("insula.simulator")

CYCLE_S = 600.0
"""How often a sensor sends its value also if it did not change (building's clock)."""
MOVING_MS = 1000
"""A moving blind tells its position this often (real time: the bus is real)."""
PER_LINE, LINES = 99, 15
"""Individual addresses of devices: 1.1.1 to 1.1.99, 1.2.1 ...; those above belong to tunnels and wall switches."""
WALL_SWITCH, WEATHER_STATION = "1.1.200", "1.1.250"


def individual_address(number: int) -> str:
    """Of the device with that place in the building file, from 0."""
    line, device = divmod(number, PER_LINE)
    return f"{1 + line // LINES}.{1 + line % LINES}.{1 + device}"


class GroupObject:
    """A point of a virtual device: the addresses it obeys, the one at which it answers reads, and the one at which it
    tells its value by itself: an actuator's point without a status address does not. Empty: nowhere."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self.role = role(point.role)
        self.sent = 0.0
        """The value that the bus saw last, or that it could have read at the start."""
        self.sent_at = 0
        obeys = [point.write, *point.listen] if point.role in WRITE else []
        if self.role.alarm:
            obeys = [point.write, *point.listen, point.status]
        self.obeys = frozenset(_raw(address) for address in obeys if address)
        answers = point.status or point.write or next(iter(point.listen), "")
        self.answers = answers if point.role in READ else ""
        self.tells = self.answers if point.status or point.role not in WRITE else ""
        self.switch = next(iter(point.listen), "") or point.write or (point.status if self.role.alarm else "")
        """Where a wall switch or a weather station writes to it."""

    def changed(self, value: float) -> bool:
        change = round(abs(self.role.clean(value) - self.role.clean(self.sent)), 6)
        return change > 0 and change >= CHANGE.get(self.role.name, 0)


class VirtualDevice:
    """One KNX device. While ``dead`` it neither sends nor obeys, but what it moves keeps moving."""

    def __init__(self, bus: "VirtualKnxBus", plan: DevicePlan, room: RoomWorld, number: int) -> None:
        self.plan, self.address, self.dead = plan, individual_address(number), False
        self.objects = tuple(GroupObject(point) for point in _points(plan))
        self.things = Things(room)
        self._bus = bus
        self._until_cycle = CYCLE_S * (number % 97 + 1) / 97  # spread, so that they do not all send at once
        self.things.install(frozenset(one.role.name for one in self.objects))
        for one in self.objects:
            if one.answers:
                one.sent = READ[one.role.name](self.things)

    def find(self, role_name: str) -> GroupObject:
        """UnknownDevice if it has no point of that role."""
        for one in self.objects:
            if one.role.name == role_name:
                return one
        raise UnknownDevice(f"device {self.plan.source!r} has no point {role_name!r}")

    def step(self, seconds: float) -> None:
        self.things.step(seconds)
        if self.dead:
            return
        self.tell_changes()
        self._until_cycle -= seconds
        if self._until_cycle <= 0:
            self._until_cycle = CYCLE_S
            self._tell_measured()

    def handle(self, address: int, payload: APCI | None) -> None:
        """A telegram on the bus; one that means nothing to the device is passed over."""
        if self.dead:
            return
        for one in self.objects:
            if isinstance(payload, GroupValueRead):
                if one.answers and _raw(one.answers) == address:
                    self._tell(one, GroupValueResponse)
            elif isinstance(payload, GroupValueWrite) and address in one.obeys:
                self._obey(one, address, payload)
        self.tell_changes()

    def tell_changes(self) -> None:
        """A telegram for each value that differs from what the bus saw last."""
        for one in self.objects:
            if one.tells and one.changed(READ[one.role.name](self.things)) and not self._too_soon(one):
                self._tell(one)

    def _too_soon(self, one: GroupObject) -> bool:
        moving = one.role.name == "position" and self.things.blind.moving
        return moving and self._bus.clock.real() - one.sent_at < MOVING_MS

    def _obey(self, one: GroupObject, address: int, payload: GroupValueWrite) -> None:
        try:
            value = from_payload(one.point, payload.value)
        except InputError as error:
            log.debug("virtual device passed over a telegram", device=self.plan.source, why=str(error))
            return
        if one.answers and _raw(one.answers) == address:
            one.sent = value
        if one.role.name in ALARMS:
            self.things.alarm(one.role.name, bool(value))
        elif not self.things.blocked:
            WRITE[one.role.name](self.things, value)

    def _tell_measured(self) -> None:
        for one in self.objects:
            if one.tells and one.role.freshness == "measured":
                self._tell(one)

    def _tell(self, one: GroupObject, kind: type[GroupValueWrite | GroupValueResponse] = GroupValueWrite) -> None:
        value = READ[one.role.name](self.things)
        try:
            payload = to_payload(one.point, value)
        except InputError as error:
            log.debug("virtual device cannot tell a value", device=self.plan.source, why=str(error))
            return
        one.sent, one.sent_at = value, self._bus.clock.real()
        self._bus.send(one.answers, kind(payload), self)


class VirtualKnxBus:
    """The KNX devices of a plan (of one gateway, if named) on an interface.

    It puts their blinds, valves and lamps into ``rooms`` and moves them: ``step`` is the only one to do so.
    """

    def __init__(
        self,
        interface: KnxInterface,
        rooms: Mapping[int, RoomWorld],
        plan: BuildingPlan,
        clock: Clock,
        *,
        gateway_id: str | None = None,
    ) -> None:
        self.interface, self.clock = interface, clock
        self._rooms: dict[int, list[VirtualDevice]] = defaultdict(list)
        self._at: dict[int, list[VirtualDevice]] = defaultdict(list)
        for number, (room, device) in enumerate(_knx_devices(plan, gateway_id)):
            self._add(room, VirtualDevice(self, device, rooms[room], number))
        self.close = interface.on_telegram(self._on_telegram)

    def step(self, seconds: float) -> None:
        """So many seconds of the building's clock have passed."""
        for devices in self._rooms.values():
            for device in devices:
                device.step(seconds)

    def device(self, room_number: int, device: str | int) -> VirtualDevice:
        """A room's KNX device by its source, or by its place among them from 0; UnknownDevice if there is none."""
        devices = self._rooms.get(room_number, [])
        for place, one in enumerate(devices):
            if device in (place, one.plan.source):
                return one
        raise UnknownDevice(f"room {room_number} has no KNX device {device!r}")

    def press(self, room_number: int, device: str | int, role: str, value: float, source: str = WALL_SWITCH) -> None:
        """Somebody presses a wall switch: it writes where the device listens for one.

        UnknownDevice; InputError if the point cannot be written, or not to that value, or ``source`` (the switch) is
        no individual address.
        """
        one = self.device(room_number, device).find(role)
        if not one.obeys or not one.role.in_range(value):
            raise InputError(f"no wall switch can write {value:g} to {role}")
        payload = GroupValueWrite(to_payload(one.point, value))
        self.interface.send(one.switch, payload, _checked(source))
        self._deliver(_raw(one.switch), payload)

    def alarm(
        self, room_number: int, device: str | int, role: str, value: float, source: str = WEATHER_STATION
    ) -> None:
        """A weather station (or a lock) sets or ends an alarm. Raises as ``press``."""
        if role not in ALARMS:
            raise InputError(f"{role} is no alarm; these are: {', '.join(sorted(ALARMS))}")
        self.press(room_number, device, role, value, source)

    def fail(self, room_number: int, device: str | int, dead: bool = True) -> None:
        """A device dies: it neither sends nor obeys; or lives again."""
        self.device(room_number, device).dead = dead

    def send(self, address: str, payload: GroupValueWrite | GroupValueResponse, sender: VirtualDevice) -> None:
        self.interface.send(address, payload, sender.address)

    def _add(self, room: int, device: VirtualDevice) -> None:
        self._rooms[room].append(device)
        addresses = {address for one in device.objects for address in one.obeys}
        addresses |= {_raw(one.answers) for one in device.objects if one.answers}
        for address in addresses:
            self._at[address].append(device)

    def _on_telegram(self, telegram: Telegram) -> None:
        if isinstance(telegram.destination_address, GroupAddress):
            self._deliver(telegram.destination_address.raw, telegram.payload)

    def _deliver(self, address: int, payload: APCI | None) -> None:
        for device in self._at.get(address, ()):
            device.handle(address, payload)


def _knx_devices(plan: BuildingPlan, gateway_id: str | None) -> Iterator[tuple[int, DevicePlan]]:
    for room in plan.rooms:
        for device in room.devices:
            if device.type == "knx" and gateway_id in (None, device.gateway_id):
                yield room.number, device


def _points(device: DevicePlan) -> tuple[Point, ...]:
    if device.points or device.bloc is None or device.floor is None:
        return device.points
    return points_2020(device.kind, device.bloc, device.floor)


def _raw(address: str) -> int:
    try:
        return GroupAddress(address).raw
    except XKNXException as error:
        raise InputError(f"{address!r} is no group address") from error


def _checked(source: str) -> str:
    try:
        return str(IndividualAddress(source))
    except XKNXException as error:
        raise InputError(f"{source!r} is no individual address") from error
