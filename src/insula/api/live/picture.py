"""What there is to see of the building now, each thing under its key and in its room, encoded for clients."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from insula.api.alerts import shown as alert_shown
from insula.api.board import StateBoard
from insula.api.health import HealthBoard
from insula.api.values import LastValues
from insula.building.freshness import fresh_until
from insula.bus.devices import DeviceIndex
from insula.messages import CommandResult, Lease, Origin, Reading

Key = tuple[str, int | str, str]
"""``("value", device_id, role)``, ``("lease", device_id, "")``, ``("room", room_id, "")``, ``("alert", key, "")``,
``("health", "", "")``; on the wire joined by ``/``."""
HEALTH: Key = ("health", "", "")
OWNERS = ("user", "guest")
"""Kinds of who gives commands and is told what became of them."""

_encode = msgspec.json.Encoder().encode


class Value(msgspec.Struct, frozen=True, gc=False):
    """The last reading of a point; it counts for something until ``fresh_until`` (building's clock)."""

    device_id: int
    room_id: int | None
    point: str
    value: float
    quality: str
    measured_at: int
    changed_at: int
    fresh_until: int


class Sight(NamedTuple):
    """``whole``: also what is of no room; ``names``: also of people, and alerts, in which they may be."""

    rooms: frozenset[int]
    whole: bool = False
    names: bool = True

    def sees(self, room_id: int | None) -> bool:
        """None: what is of no room."""
        return self.whole if room_id is None else room_id in self.rooms

    def tells(self, key: Key) -> bool:
        return self.names or key[0] != "alert"


class Picture:
    """Read from the memory of the API at the moment it is asked: it keeps nothing itself."""

    def __init__(self, devices: DeviceIndex, values: LastValues, board: StateBoard, health: HealthBoard) -> None:
        self._devices = devices
        self._values = values
        self._board = board
        self._health = health

    def place(self, key: Key) -> int | None:
        """The room that it is in; None: in none, or it is not there."""
        match key:
            case ("value" | "lease", int(device_id), _):
                return self.room_of(device_id)
            case ("room", int(room_id), _):
                return room_id
            case ("alert", str(name), _):
                alert = self._board.alerts.get(name)
                return None if alert is None else alert.room_id
            case _:
                return None

    def room_of(self, device_id: int) -> int | None:
        return self._devices.room_of(device_id)

    def rooms_of(self, buildings: frozenset[str]) -> Iterator[int]:
        """The rooms of the buildings with these names."""
        return (room.room_id for room in self._board.rooms.values() if room.building in buildings)

    def entries(self, sight: Sight) -> Iterator[tuple[Key, bytes]]:
        """All that is there to see; of no room there is the health of parts."""
        for key in self._keys(sight):
            data = self.entry(key, names=sight.names) if sight.tells(key) else None
            if data is not None:
                yield key, data

    def _keys(self, sight: Sight) -> Iterator[Key]:
        for room_id in sight.rooms:
            yield "room", room_id, ""
            for device in self._devices.in_room(room_id):
                yield from (("value", device.device_id, point.role) for point in device.points)
                yield "lease", device.device_id, ""
        for alert in self._board.alerts.values():
            if sight.sees(alert.room_id):
                yield "alert", alert.key, ""
        if sight.whole:
            yield HEALTH

    def entry(self, key: Key, *, names: bool = True) -> bytes | None:
        """As JSON; None: there is none, or no longer. ``names``: with those of people."""
        found = self._find(key)
        if isinstance(found, Lease) and not names:
            found = replace(found, owner=Origin(kind=found.owner.kind), reason="")
        return None if found is None else _encode(found)

    def _find(self, key: Key) -> Any:
        match key:
            case ("value", int(device_id), point):
                reading = self._values.get(device_id, point)
                return None if reading is None else self._value(reading)
            case ("lease", int(device_id), _):
                return self._board.leases.get(device_id)
            case ("room", int(room_id), _):
                return self._board.rooms.get(room_id)
            case ("alert", str(name), _):
                alert = self._board.alerts.get(name)
                return None if alert is None else alert_shown(alert)
            case _:
                return self.health()

    def _value(self, reading: Reading) -> Value:
        return Value(
            reading.device_id,
            self.room_of(reading.device_id),
            reading.point,
            reading.value,
            reading.quality,
            reading.measured_at,
            reading.changed_at,
            fresh_until(reading),
        )

    def health(self) -> dict[str, Any]:
        """Of the parts: how each is, without its counters."""
        report = self._health.report()
        parts = {name: part["status"] for name, part in report["parts"].items()}
        return {"status": report["status"], "why": report["why"], "parts": parts}


def looks_other(before: Reading | None, now: Reading) -> bool:
    """Whether a client would see the difference."""
    return (
        before is None
        or (before.value, before.quality, before.measured_at, before.changed_at)
        != (now.value, now.quality, now.measured_at, now.changed_at)
        or fresh_until(before) != fresh_until(now)
    )


def is_own(result: CommandResult, own: Origin) -> bool:
    """``own``: of the person's commands."""
    origin = result.command.origin
    return (origin.kind, origin.name) == (own.kind, own.name)


def outcome(result: CommandResult) -> bytes:
    """What became of a command, for who gave it."""
    command = result.command
    return _encode(
        {
            "id": command.id,
            "device_id": command.device_id,
            "point": command.point,
            "value": command.value,
            "outcome": result.outcome,
            "reason": result.reason,
            "at": result.at,
        }
    )
