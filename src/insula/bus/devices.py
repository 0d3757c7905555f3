"""The devices of the building, as topic ``db`` tells them: every part's index of who is who."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from insula.errors import UnknownDevice
from insula.messages import DeviceRecord


class DeviceIndex:
    """Finds devices by id, by their names of 2020, by room and by gateway. Filled by ``Channel.follow_devices``."""

    def __init__(self) -> None:
        self.version = 0
        """Another one after each change of a record: for who keeps what it found here."""
        self._by_id: dict[int, DeviceRecord] = {}
        self._points: dict[int, frozenset[str]] = {}
        self._knx: dict[tuple[str, int, int], DeviceRecord] = {}
        self._zwave: dict[int, DeviceRecord] = {}
        self._rooms: dict[int, list[DeviceRecord]] | None = None
        self._having: dict[tuple[int, str], list[DeviceRecord]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._complete = asyncio.Event()

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[DeviceRecord]:
        return iter(tuple(self._by_id.values()))

    def get(self, device_id: int) -> DeviceRecord:
        try:
            return self._by_id[device_id]
        except KeyError:
            raise UnknownDevice(f"no device {device_id}") from None

    def room_of(self, device_id: int) -> int | None:
        """The id of its room; None: there is no such device."""
        device = self._by_id.get(device_id)
        return None if device is None else device.room_id

    def has(self, device_id: int, point: str) -> bool:
        """Whether there is such a device, and it has this point."""
        return point in self._points.get(device_id, ())

    def knx(self, kind: str, bloc: int, floor: int) -> DeviceRecord:
        """The device of the default KNX gateway with this name of 2020."""
        try:
            return self._knx[kind, bloc, floor]
        except KeyError:
            raise UnknownDevice(f"no KNX {kind} with bloc {bloc}, floor {floor}") from None

    def zwave(self, node_id: int) -> DeviceRecord:
        """The device of the default Z-Wave gateway with this node id."""
        try:
            return self._zwave[node_id]
        except KeyError:
            raise UnknownDevice(f"no Z-Wave node {node_id}") from None

    def in_room(self, room_id: int) -> list[DeviceRecord]:
        """By id."""
        if self._rooms is None:
            self._rooms = {}
            for _, device in sorted(self._by_id.items()):
                self._rooms.setdefault(device.room_id, []).append(device)
        return list(self._rooms.get(room_id, ()))

    def in_room_with(self, room_id: int, point: str) -> list[DeviceRecord]:
        """Those of the room that have this point, by id."""
        found = self._having.get((room_id, point))
        if found is None:
            found = [device for device in self.in_room(room_id) if self.has(device.device_id, point)]
            if found:
                self._having[room_id, point] = found
        return list(found)

    def of_gateway(self, gateway_id: str) -> list[DeviceRecord]:
        return [device for device in self._by_id.values() if device.gateway_id == gateway_id]

    def put(self, device: DeviceRecord) -> None:
        """Add a device or replace its earlier record."""
        self._forget_names(device.device_id)
        self._by_id[device.device_id] = device
        self._points[device.device_id] = frozenset(point.role for point in device.points)
        if device.default_gateway:
            if device.type == "knx" and device.bloc is not None and device.floor is not None:
                self._knx[device.kind, device.bloc, device.floor] = device
            elif device.type == "zwave" and device.node_id is not None:
                self._zwave[device.node_id] = device

    def remove(self, device_id: int) -> None:
        self._forget_names(device_id)
        self._by_id.pop(device_id, None)
        self._points.pop(device_id, None)

    def _forget_names(self, device_id: int) -> None:
        self.version += 1
        self._rooms = None
        self._having.clear()
        old = self._by_id.get(device_id)
        if old is None:
            return
        if old.bloc is not None and old.floor is not None:
            self._forget(self._knx, (old.kind, old.bloc, old.floor), device_id)
        if old.node_id is not None:
            self._forget(self._zwave, old.node_id, device_id)

    @staticmethod
    def _forget(names: dict[Any, DeviceRecord], name: Any, device_id: int) -> None:
        if name in names and names[name].device_id == device_id:
            del names[name]

    # --- following

    def completed(self) -> None:
        """The list on ``db`` has been read to its marker; tells the listeners of any change since."""
        self._complete.set()
        self._tell()

    def removed(self) -> None:
        """A device was removed outside of a list; before the first whole list nobody is told."""
        if self._complete.is_set():
            self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    @property
    def known(self) -> bool:
        """Whether the whole list has been read once."""
        return self._complete.is_set()

    async def complete(self) -> None:
        """Waits until the whole list has been read once."""
        await self._complete.wait()

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """``listener`` is called after each change of the list; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
