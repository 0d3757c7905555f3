"""The last value of every point of a gateway: since when it is so, how good it is, and the re-sends. Pure."""

from collections.abc import Iterable

from msgspec.structs import replace

from insula.messages import DeviceRecord, Origin, Quality, Reading
from insula.points import ROLES, Role

Key = tuple[int, str]
SHORTEST_MS = min(role.fresh_s for role in ROLES.values()) * 1000
"""After so long a silence something may have become too old."""


class LastValues:
    """Nothing is known of a point before its device has reported it.

    A change of quality alone (the device died, the link dropped, it is alive again) keeps the reading's ``id``,
    ``measured_at`` and ``changed_at``: it is the same measurement, trusted less or more. ``now`` is the building's
    time, ``real`` the real one (ms).
    """

    def __init__(self, gateway_id: str) -> None:
        self.gateway_id = gateway_id
        self._readings: dict[Key, Reading] = {}
        self._seen: dict[int, int] = {}
        self._before_death: dict[Key, Quality] = {}
        self._read_back: set[Key] = set()

    def report(
        self,
        device_id: int,
        role: Role,
        value: float,
        *,
        origin: Origin,
        now: int,
        real: int,
        measured_at: int | None = None,
    ) -> Reading:
        """A finite value was reported: a new reading, outside of the role's range an ``uncertain`` one.

        With ``measured_at`` the field bus remembers it: if we do too, it is the same reading, and counts again.
        """
        key = (device_id, role.name)
        measured = now if measured_at is None else measured_at
        before, clean = self._readings.get(key), role.clean(value)
        quality: Quality = "good" if role.in_range(value) else "uncertain"
        self._seen[device_id] = max(measured, self._seen.get(device_id, 0))
        self._before_death.pop(key, None)
        same = before is not None and before.value == clean
        if before is not None and same and measured_at == before.measured_at:
            return self._mark(key, quality, real)
        self._readings[key] = reading = Reading(
            at=real,
            device_id=device_id,
            gateway_id=self.gateway_id,
            point=role.name,
            value=clean,
            measured_at=measured,
            changed_at=before.changed_at if before is not None and same else measured,
            seen_at=self._seen[device_id],
            quality=quality,
            origin=origin,
        )
        return reading

    def adopt(self, reading: Reading, *, connected: bool) -> None:
        """Another process that hears the same field bus has told this. What it says and we heard too is one reading,
        its; of what we have not heard, it is the last that is known."""
        key = (reading.device_id, reading.point)
        before = self._readings.get(key)
        if before is not None and before.value != reading.value:
            return
        quality = before.quality if before is not None else reading.quality if connected else "stale"
        self._readings[key] = replace(reading, quality=quality, resend=False)
        self._seen[reading.device_id] = max(self._seen.get(reading.device_id, 0), reading.seen_at, reading.measured_at)

    # --- quality

    def alive(self, device_id: int, now: int, real: int) -> list[Reading]:
        """A sign of life. Returns the readings whose quality it changes: they count again because the device had been
        dead; but what it tells only when that changes may have changed meanwhile, and is ``uncertain`` until it is told
        again. So is what had become too old by its silence."""
        missed = self._missed(device_id, now)
        self._seen[device_id] = now
        back = {key: self._before_death.pop(key) for key in tuple(self._before_death) if key[0] == device_id}
        doubtful: Quality = "uncertain"
        revived = {key: doubtful if ROLES[key[1]].freshness == "link" else quality for key, quality in back.items()}
        return [self._mark(key, quality, real) for key, quality in (revived | missed).items()]

    def _missed(self, device_id: int, now: int) -> dict[Key, Quality]:
        """What a device that was silent for too long could have told of meanwhile. KNX states are read back."""
        silent_ms = now - self._seen.get(device_id, now)
        return {
            key: "uncertain"
            for key, reading in (self._readings.items() if silent_ms >= SHORTEST_MS else ())
            if key[0] == device_id
            and key not in self._read_back
            and reading.quality == "good"
            and ROLES[key[1]].freshness == "link"
            and silent_ms >= ROLES[key[1]].fresh_s * 1000
        }

    def dead(self, device_id: int, real: int) -> list[Reading]:
        """The device does not answer: its readings that have become ``stale``."""
        fallen = [key for key, reading in self._readings.items() if key[0] == device_id and reading.quality != "stale"]
        self._before_death.update({key: self._readings[key].quality for key in fallen})
        return [self._mark(key, "stale", real) for key in fallen]

    def lost(self, real: int) -> list[Reading]:
        """The link is down: every reading that has become ``stale``, until it is reported again."""
        self._before_death.clear()
        return [self._mark(key, "stale", real) for key, one in self._readings.items() if one.quality != "stale"]

    def _mark(self, key: Key, quality: Quality, real: int) -> Reading:
        reading = replace(self._readings[key], at=real, quality=quality, seen_at=self._seen[key[0]], resend=False)
        self._readings[key] = reading
        return reading

    # --- re-sends

    def keys(self) -> tuple[Key, ...]:
        return tuple(self._readings)

    def again(self, keys: Iterable[Key], now: int, real: int) -> list[Reading]:
        """These readings once more, from memory: only ``at`` and the last sign of life are new."""
        return [
            replace(reading, at=real, seen_at=self._sign_of_life(key, reading, now), resend=True)
            for key in keys
            if (reading := self._readings.get(key)) is not None
        ]

    def _sign_of_life(self, key: Key, reading: Reading, now: int) -> int:
        """What KNX can read back has been true for as long as the link has held since it was read."""
        if key in self._read_back and reading.quality != "stale":
            return now
        return self._seen[key[0]]

    def keep(self, devices: Iterable[DeviceRecord]) -> None:
        """These are the devices now: what is known of others is forgotten."""
        devices = tuple(devices)
        kept = {device.device_id for device in devices}
        self._read_back = {
            (device.device_id, point.role)
            for device in devices
            if device.type == "knx"
            for point in device.points
            if point.status or (point.role in ROLES and ROLES[point.role].writable)
        }
        self._readings = {key: reading for key, reading in self._readings.items() if key[0] in kept}
        self._before_death = {key: quality for key, quality in self._before_death.items() if key[0] in kept}
        self._seen = {device_id: seen for device_id, seen in self._seen.items() if device_id in kept}
