"""Which readings tell of a move: those with a cause, or made by a hand at the wall. Log does not say who."""

from insula.bus.devices import DeviceIndex
from insula.errors import UnknownDevice
from insula.messages import Reading
from insula.points import role
from insula.store.moves import MoveIn


class Moves:
    """A re-send, or the same value again for the same cause, is no move."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, str], Reading] = {}
        self._pressed: dict[tuple[int, str], str] = {}

    def rows(self, reading: Reading, devices: DeviceIndex) -> list[MoveIn]:
        """None, or the one row for this reading."""
        origin, meaning = reading.origin, role(reading.point)
        pressed = origin.kind == "switch" and meaning.writable
        if reading.resend or not (pressed or origin.cause):
            return []
        last = self._last.get((reading.device_id, reading.point))
        if last is not None and (last.id == reading.id or (last.value, last.origin) == (reading.value, origin)):
            return []
        self._last[reading.device_id, reading.point] = reading
        return [MoveIn(reading, _room(reading.device_id, devices), pressed and self._first(reading, meaning.target))]

    def _first(self, reading: Reading, target: str) -> bool:
        press, key = reading.origin.cause or reading.id, (reading.device_id, target)
        first = self._pressed.get(key) != press
        self._pressed[key] = press
        return first


def _room(device_id: int, devices: DeviceIndex) -> int | None:
    try:
        return devices.get(device_id).room_id
    except UnknownDevice:
        return None
