"""The rooms of the building as the controller knows them: all of them, decided by this one or not."""

from collections.abc import Iterable, Iterator

from insula.building.state import RoomState
from insula.messages import DeviceRecord, Learned, Lease, RoomRecord


class Rooms:
    """Finds a room by its id or by one of its devices; keeps what is held or was learned until the room is known."""

    def __init__(self) -> None:
        self._rooms: dict[int, RoomState] = {}
        self._of_device: dict[int, RoomState] = {}
        self._leases: dict[int, Lease] = {}
        self._learned: dict[int, Learned] = {}
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
        room = RoomState(room_id, record=self._records.get(room_id))
        self.remind(room)
        return room

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

    def learn(self, learned: Learned) -> None:
        """What was learned of a room before, by whoever decided for it."""
        self._learned[learned.room_id] = learned
        room = self.get(learned.room_id)
        if room is not None:
            self.remind(room)

    def remind(self, room: RoomState) -> None:
        """Of what was learned of it before, where it has learned nothing itself: that would be newer."""
        learned = self._learned.get(room.room_id)
        if learned is None:
            return
        if room.light.lux_per_percent is None:
            room.light.lux_per_percent = learned.lux_per_percent
        if room.shade.closed_share is None:
            room.shade.closed_share = learned.closed_share
        if room.warmup.gain is None:
            room.warmup.gain = learned.gain_k_h

    def newly_learned(self, room: RoomState) -> Learned | None:
        """What is to be published, if some of it differs from what was."""
        known = self._learned.get(room.room_id)
        before = (None, None, None) if known is None else (known.lux_per_percent, known.closed_share, known.gain_k_h)
        lessons = (room.light.lux_per_percent, room.shade.closed_share, room.warmup.gain)
        if not any(map(_differ, before, lessons)):
            return None
        lux, share, gain = (None if value is None else round(value, 4) for value in lessons)
        learned = Learned(room_id=room.room_id, lux_per_percent=lux, closed_share=share, gain_k_h=gain)
        self._learned[room.room_id] = learned
        return learned


def _differ(before: float | None, now: float | None) -> bool:
    """By more than 5 %."""
    return now is not None and (before is None or abs(now - before) > 0.05 * before)
