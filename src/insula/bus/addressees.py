"""Which point of which device a record on ``knx`` or ``zwave`` is about."""

from insula.bus.devices import DeviceIndex
from insula.bus.port import Record
from insula.bus.wire import Action, Whole, WireMessage, whole_in
from insula.errors import Undecodable, UnknownDevice
from insula.messages import DeviceRecord
from insula.points import ROLES, Role

Addressee = tuple[DeviceRecord, Role]


class Addressees:
    """Finds them in the index. What a record with an id was about, the next one with the same is, as long as the
    devices stay as they are."""

    def __init__(self, devices: DeviceIndex) -> None:
        self._devices = devices
        self._found: dict[tuple[str, str, int, str | None], Addressee] = {}
        self._version = devices.version

    def of(self, record: Record, wire: WireMessage, action: Action | None) -> Addressee:
        """The device, by its id if the record has one, else by its name of 2020; and the role. Raises Undecodable and
        UnknownDevice."""
        if type(wire.device_id) is not int:  # true is no key that 1 is to be found under
            return self._look_up(record, wire, action)
        if self._version != self._devices.version:
            self._found.clear()
            self._version = self._devices.version
        place = (record.topic, record.key, wire.device_id, wire.point if action is None else None)
        found = self._found.get(place)
        if found is None:
            found = self._found[place] = self._look_up(record, wire, action)
        return found

    def _look_up(self, record: Record, wire: WireMessage, action: Action | None) -> Addressee:
        device = self._device(wire, action)
        if device.type != record.topic:
            raise UnknownDevice(f"device {device.device_id} is no {record.topic} device")
        point = wire.point if action is None else action.point
        if point == "move" and not self._devices.has(device.device_id, "move"):
            point = "position"
        return self.point(device.device_id, point or "")

    def _device(self, wire: WireMessage, action: Action | None) -> DeviceRecord:
        if wire.device_id is not None:
            return self._devices.get(whole_in(wire.device_id, "device_id"))
        if action is None:
            raise Undecodable("device_id is missing")
        if action.topic == "knx":
            return self._devices.knx(action.kind, _needed(wire.bloc, "bloc"), _needed(wire.floor, "floor"))
        return self._devices.zwave(_needed(wire.node_id, "node_id"))

    def point(self, device_id: int, point: str) -> Addressee:
        device = self._devices.get(device_id)
        if not self._devices.has(device_id, point) or point not in ROLES:
            raise UnknownDevice(f"device {device_id} has no point {point!r}")
        return device, ROLES[point]


def _needed(value: Whole | None, what: str) -> int:
    if value is None:
        raise Undecodable(f"{what} is missing")
    return whole_in(value, what)
