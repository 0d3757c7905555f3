"""Rules that are decided beside those in force, on the same rooms, and only tell what they would have done. They drive
nothing: what they wish happens to imagined devices alone."""

import hashlib
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from insula.building.freshness import fresh_since
from insula.building.rules import CompiledRules
from insula.building.state import OFF_SHARE, RoomState, Target, near
from insula.clock import Clock
from insula.controller.decisions import decisions
from insula.controller.known import Known
from insula.controller.moments import Moments
from insula.messages import Command, Decision, Reading
from insula.points import ROLES

WRITABLE = tuple(role.name for role in ROLES.values() if role.writable)


class ShadowRoom(RoomState):
    """A room as it would be under other rules. Its sensors, leases and devices are those of the room itself, and so is
    what was learned of its light and warmth; where its devices stand, what was commanded, what holds and how far the
    heating is are its own."""

    real: RoomState | None = None

    def follow(self, room: RoomState) -> None:
        """See what the room sees. A device stands where it was found first, and from then on where these rules, or
        somebody by hand, put it; but it is only known while the real one is."""
        if self.devices != room.devices:
            self.set_devices(room.devices.values())
        self.settled_at, self.record, self.leases = room.settled_at, room.record, room.leases
        self.real, self.light, self.warmup = room, room.light, room.warmup
        self.shade.closed_share, self.shade.rest_ms = room.shade.closed_share, room.shade.rest_ms
        own = {role: dict(self._placed(role, room)) for role in WRITABLE if role in room.readings}
        self.readings = {**room.readings, **own}

    def _placed(self, role: str, room: RoomState) -> Iterator[tuple[int, Reading]]:
        imagined = self.readings.get(role, {})
        for device_id, real in room.readings[role].items():
            before = imagined.get(device_id, real)
            yield device_id, before if _told(before) == _told(real) else _as_told(before, real)

    def daylight(self, now: int) -> float | None:
        """What the room's would be with its own blinds, as far as it is known what they do to it."""
        seen, own = super().daylight(now), self.mean("position", now)
        real = self.real.mean("position", now) if self.real is not None else None
        if seen is None or own is None or real is None or near("position", own, real, OFF_SHARE):
            return seen
        then = self.shade.after(seen, real, own)
        return seen if then is None else then

    def put(self, device_id: int, role: str, value: float, now: int) -> None:
        """An imagined device goes there at once."""
        point = ROLES[role].target
        before = self.last(device_id, point)
        if before is None or role == "stop":
            return
        if point == "position" and value != before.value:
            self.shade.moved_at = now
        place = replace(before, value=value, changed_at=now if value != before.value else before.changed_at)
        self.readings[point] = {**self.readings[point], device_id: place}

    def carried_out(self, command: Command, now: int) -> None:
        target = self.target(command.device_id, command.point)
        target.command(command, now)
        target.carried_out()
        self.put(command.device_id, command.point, command.value, now)

    def moved_by_hand(self, device_id: int, role: str, value: float, now: int) -> None:
        self.put(device_id, role, value, now)
        self.targets[device_id, ROLES[role].target] = Target()


class Shadow:
    """One set of rules that is only tried. ``moments``: when to look at a room again; they are not those of the rules
    in force, which notice nothing of a shadow."""

    def __init__(self, rules: CompiledRules, known: Known, clock: Clock, moments: Moments[int]) -> None:
        self.rules = rules
        self.moments = moments
        self.rooms: dict[int, ShadowRoom] = {}
        self._known = known
        self._clock = clock

    def concerns(self, reading: Reading, before: Reading | None, changed: bool) -> bool:
        """Whether the reading may change an answer. ``changed``: it says something new."""
        aged = reading.point in self.rules.aged
        new = changed or (aged and (before is None or fresh_since(before) != fresh_since(reading)))
        return new and reading.point in self.rules.roles

    def look(self, room: RoomState, cause: str, because: str = "") -> list[Decision]:
        """What these rules would do in the room now; looks again when that may change."""
        now = self._clock.now()
        its = self.follow(room)
        if not its.settled(self.rules.roles, now):
            self.moments.add(its.settled_at, room.room_id)
            return []
        made, changes_at = decisions(self.rules, its, cause, self._clock, self._known.place, because)
        if changes_at is not None:
            self.moments.add(changes_at, room.room_id)
        for command, _ in made:
            its.carried_out(command, now)
        return [_as_shadow(decision) for _, decision in made]

    def follow(self, room: RoomState) -> ShadowRoom:
        """The room as it would be."""
        its = self.rooms.get(room.room_id)
        if its is None:
            its = self.rooms[room.room_id] = ShadowRoom(room.room_id)
        its.follow(room)
        return its

    def by_hand(self, room: RoomState, device_id: int, role: str, value: float) -> None:
        """Somebody drove a device: the imagined one stands there too."""
        its = self.rooms.get(room.room_id)
        if its is not None and role in ROLES and ROLES[role].writable:
            its.moved_by_hand(device_id, role, value, self._clock.now())

    def keep(self, rooms: Iterable[RoomState]) -> None:
        """The building has these rooms now."""
        kept = {room.room_id for room in rooms}
        self.rooms = {room_id: its for room_id, its in self.rooms.items() if room_id in kept}


def _as_shadow(decision: Decision) -> Decision:
    """There is no such command: its id is that of nothing but this decision."""
    id_ = hashlib.sha256(f"shadow/{decision.command_id}".encode()).hexdigest()[:32]
    return replace(decision, id=f"s{id_}", command_id=f"s{id_}", shadow=True)


def _told(reading: Reading) -> tuple[int, int, str]:
    return reading.measured_at, reading.seen_at, reading.quality


def _as_told(imagined: Reading, real: Reading) -> Reading:
    return replace(imagined, measured_at=real.measured_at, seen_at=real.seen_at, quality=real.quality)
