"""The rooms of the building as the controller knows them: all of them, decided by this one or not."""

from collections.abc import Iterable, Iterator

from insula.building.lamplight import RoomLight
from insula.building.state import RoomState
from insula.messages import DeviceRecord, LampLight, Lease, RoomRecord


class Rooms:
    """Finds a room by its id or by one of its devices; keeps what is held or was learned until the room is known."""

    def __init__(self) -> None:
        self._rooms: dict[int, RoomState] = {}
        self._of_device: dict[int, RoomState] = {}
        self._leases: dict[int, Lease] = {}
        self._learned: dict[int, float] = {}
        self._records: dict[int, RoomRecord] = {}

    def __iter__(self) -> Iterator[RoomState]:
        return iter(tuple(self._rooms.values()))

    def __len__(self) -> int:
        return len(self._rooms)

    def get(self, room_id: int) -> RoomState | None:
        return self._rooms.get(room_id)

    def of_device(self, device_id: int) -> RoomState | None:
        return self._of_device.get(device_id)

    def set_devices(self, devices: Iterable[DeviceRecord]) -> None:
        """The building has these devices now; what is known of those that stay in their room is kept."""
        by_room: dict[int, list[DeviceRecord]] = {}
        for device in devices:
            by_room.setdefault(device.room_id, []).append(device)
        self._rooms = {room_id: self._rooms.get(room_id) or self._new(room_id) for room_id in by_room}
        for room_id, room in self._rooms.items():
            room.set_devices(by_room[room_id])
            room.leases = {key: lease for key, lease in self._leases.items() if key in room.devices}
        self._of_device = {device_id: room for room in self._rooms.values() for device_id in room.devices}

    def _new(self, room_id: int) -> RoomState:
        light = RoomLight(self._learned.get(room_id))
        return RoomState(room_id, light, record=self._records.get(room_id))

    def record(self, room_id: int) -> RoomRecord | None:
        return self._records.get(room_id)

    def describe(self, record: RoomRecord) -> RoomState | None:
        """What the building says of a room; gives it."""
        self._records[record.room_id] = record
        room = self.get(record.room_id)
        if room is not None:
            room.record = record
        return room

    def forget(self, room_id: int) -> None:
        """The building has no such room any more."""
        self._records.pop(room_id, None)

    def hold(self, lease: Lease) -> RoomState | None:
        """The device's lease is this one; gives its room."""
        self._leases[lease.device_id] = lease
        room = self.of_device(lease.device_id)
        if room is not None:
            room.leases[lease.device_id] = lease
        return room

    def release(self, device_id: int) -> RoomState | None:
        """Nobody holds the device; gives its room if somebody did."""
        if self._leases.pop(device_id, None) is None:
            return None
        room = self.of_device(device_id)
        if room is not None:
            room.leases.pop(device_id, None)
        return room

    def learn(self, learned: LampLight) -> None:
        """What was learned of a room's lamps before, by whoever decided for it."""
        self._learned[learned.room_id] = learned.lux_per_percent
        room = self.get(learned.room_id)
        if room is not None and room.light.lux_per_percent is None:
            room.light.lux_per_percent = learned.lux_per_percent

    def newly_learned(self, room: RoomState) -> LampLight | None:
        """What is to be published, if it differs by more than 5 % from what was."""
        known, learned = self._learned.get(room.room_id), room.light.lux_per_percent
        if learned is None or (known is not None and abs(learned - known) <= 0.05 * known):
            return None
        self._learned[room.room_id] = learned
        return LampLight(room_id=room.room_id, lux_per_percent=round(learned, 4))
