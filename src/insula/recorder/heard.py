"""What a rehearsal needs beside Log, results and moves: what it cannot be without, if it is to decide the same."""

from collections.abc import Iterator
from hashlib import blake2b

import msgspec

from insula.bus.devices import DeviceIndex
from insula.bus.port import Record
from insula.clock import Clock
from insula.errors import UnknownDevice
from insula.messages import LeaseEnd, Quality, Reading, new_id
from insula.store.heard import LEASE_END, QUALITY, START, HeardIn

STATE_KEYS = ("rules/", "settings/", "room/", "learned/")
"""Of topic ``state``: what deciding depends on. Leases follow from what was done by hand."""
_encode = msgspec.json.Encoder().encode


class Heard:
    """Remembers what it told last: the same again is nothing new."""

    def __init__(self, devices: DeviceIndex, clock: Clock) -> None:
        self._devices = devices
        self._clock = clock
        self._quality: dict[tuple[int, str], Quality] = {}
        self._state: dict[str, bytes] = {}

    def start(self) -> HeardIn:
        """All parts of this process begin, and remember nothing."""
        return HeardIn(new_id(), self._clock.now(), START, b"")

    def reading(self, reading: Reading) -> Iterator[HeardIn]:
        """One that counts less or more than before."""
        key = reading.device_id, reading.point
        if reading.quality != self._quality.get(key, "good"):
            yield self._of(f"{reading.id}/{reading.quality}/{reading.at}", reading, QUALITY, reading.device_id)
        self._quality[key] = reading.quality

    def lease_end(self, end: LeaseEnd) -> HeardIn:
        return self._of(end.id, end, LEASE_END, end.device_id)

    def state(self, record: Record) -> Iterator[HeardIn]:
        """What became of a key of topic ``state``."""
        value = record.value or b""
        if record.key.startswith(STATE_KEYS) and self._state.get(record.key, b"") != value:
            self._state[record.key] = value
            kind, _, number = record.key.partition("/")
            room_id = int(number) if kind in ("room", "learned") and number.isdecimal() else None
            id_ = _id(f"{record.key}/{record.at}/{record.place}")
            yield HeardIn(id_, self._clock.now(), record.key, value, room_id)

    def _of(self, id_: str, message: Reading | LeaseEnd, key: str, device_id: int) -> HeardIn:
        try:
            room_id = self._devices.get(device_id).room_id
        except UnknownDevice:
            room_id = None
        return HeardIn(_id(id_), self._clock.building(message.at), key, _encode(message), room_id)


def _id(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
