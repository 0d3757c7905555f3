"""What is known of a room: the last reading of each point, who holds what, and what was commanded.

Times are ms of the building's clock.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean

from insula.building.comfort import Comfort
from insula.building.freshness import fresh_since, fresh_until
from insula.building.lamplight import RoomLight
from insula.building.shade import Shade
from insula.building.warmup import WarmUp
from insula.messages import RANK, Command, CommandClass, DeviceRecord, Lease, Reading, RoomRecord
from insula.points import ROLES

BACK_OFF_MS, LONGEST_BACK_OFF_MS = 60_000, 30 * 60_000
"""A command that was not carried out is tried again after so long, twice as long each time."""
SETTLE_MS = 6_000
"""A cut, a return or a start changes what is known of many points, one after the other: every gateway has told all its
values again within 5 s."""
CONFIRM_MS = 120_000
"""By then a device that took a command has shown where it went (a blind travels for up to a minute or two)."""
TRIES = 3
"""How often a command that was taken, but is not confirmed, is sent."""
NEAR_SHARE = 0.01
"""Two values that differ by less of the role's range are the same: actuators round."""
OFF_SHARE = 0.05
"""A device whose confirmed value differs by more did not do what it was told: blinds stop some percent off."""


@dataclass(slots=True)
class Target:
    """One thing that can be driven: what was last commanded (None: nothing in this run), and what became of it."""

    sent: float | None = None
    sent_at: int = 0
    tries: int = 0
    open: Command | None = None
    last_id: str = ""
    failures: int = 0
    failed: Command | None = None
    retry_at: int = 0

    def command(self, command: Command, now: int) -> None:
        """It is on its way: nothing else is sent until it is answered or has expired."""
        value = None if command.point == "stop" else command.value
        self.tries = min(self.tries + 1, TRIES) if self.sent == value else 1
        self.open, self.last_id = command, command.id
        self.sent, self.sent_at = value, now

    def carried_out(self) -> None:
        self.open, self.failures, self.failed = None, 0, None

    def not_carried_out(self, now: int) -> None:
        """Refused, expired or failed: what the device does is what it last reported."""
        self.failed = self.open
        self.retry_at = now + min(BACK_OFF_MS << min(self.failures, 10), LONGEST_BACK_OFF_MS)
        self.failures += 1
        self.open, self.sent, self.tries = None, None, 0

    def moved_by_others(self) -> None:
        """What was commanded before no longer says anything."""
        self.sent, self.tries, self.failures, self.failed = None, 0, 0, None

    def waits_until(self, value: float, class_: CommandClass) -> int:
        """When this may be tried (0: now): what was not carried out is no sooner, unless it is more urgent now."""
        failed = self.failed
        if failed is None or failed.value != value or RANK[class_] > RANK[failed.class_]:
            return 0
        return self.retry_at

    def clock_was_set(self, now: int) -> None:
        """Nothing was sent after now, and nothing waits for longer than from now on."""
        self.sent_at, self.retry_at = min(self.sent_at, now), min(self.retry_at, now + BACK_OFF_MS)

    @property
    def confirm_at(self) -> int:
        """From then on the device's own word counts, not the command's."""
        return self.sent_at + (CONFIRM_MS << max(0, self.tries - 1))


@dataclass
class RoomState:
    """Everything that deciding for a room needs. ``held``: names of the rules whose condition held at last;
    ``comfort``: how far its heating is. Until ``settled_at`` nothing is to be decided by the part of the room that is
    known, unless that is all of it. ``aged``: roles whose readings count though they say nothing new, as rules name
    their age; ``memo``: what deciding remembers of its last time, to be quick."""

    room_id: int
    light: RoomLight = field(default_factory=RoomLight)
    shade: Shade = field(default_factory=Shade)
    warmup: WarmUp = field(default_factory=WarmUp)
    devices: dict[int, DeviceRecord] = field(default_factory=dict)
    readings: dict[str, dict[int, Reading]] = field(default_factory=dict)
    targets: dict[tuple[int, str], Target] = field(default_factory=dict)
    leases: dict[int, Lease] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    settled_at: int = 0
    record: RoomRecord | None = None
    comfort: Comfort | None = None
    aged: frozenset[str] = frozenset()
    memo: object = None

    def set_devices(self, devices: Iterable[DeviceRecord]) -> None:
        """The room has these devices now; what is known of others is forgotten."""
        self.devices = {device.device_id: device for device in devices}
        for readings in self.readings.values():
            for gone in readings.keys() - self.devices.keys():
                del readings[gone]
        self.targets = {key: target for key, target in self.targets.items() if key[0] in self.devices}
        self.leases = {key: lease for key, lease in self.leases.items() if key in self.devices}
        self.memo = None

    def target(self, device_id: int, role: str) -> Target:
        """What is known of commands to this role of the device, or to any that drives the same (``move``)."""
        key = device_id, ROLES[role].target
        if key not in self.targets:
            self.targets[key] = Target()
        return self.targets[key]

    def last(self, device_id: int, role: str) -> Reading | None:
        return self.readings.get(role, {}).get(device_id)

    def can_know(self, roles: Iterable[str]) -> bool:
        """Whether the room has a device for each of these roles, silent as it may be."""
        points = {point.role for device in self.devices.values() for point in device.points}
        return points.issuperset(roles)

    def settle(self, now: int) -> None:
        """What is known of the room has begun to change."""
        if now >= self.settled_at:
            self.settled_at = now + SETTLE_MS

    def settled(self, roles: Container[str], now: int) -> bool:
        """Whether it may be decided now, by the points of these roles."""
        return now >= self.settled_at or all(
            self.is_fresh(device.device_id, point.role, now)
            for device in self.devices.values()
            for point in device.points
            if point.role in roles
        )

    def clock_was_set(self, now: int) -> None:
        """Somebody has set the clock, perhaps back: what was to be waited for may have gone far away."""
        self.settled_at = min(self.settled_at, now + SETTLE_MS)
        for target in self.targets.values():
            target.clock_was_set(now)

    def commanded(self, command: Command, now: int) -> None:
        """A command to a device of this room is on its way, whoever gave it."""
        place = self.where(command.device_id, command.point, now)
        self.target(command.device_id, command.point).command(command, now)
        if command.point in ("level", "switch"):
            self.light.announce(now)
        elif command.point in ("position", "move") and command.value != place:
            self.light.blind(command.value - (place or 0), now)
            self.shade.moves(self.mean("position", now), self.light.daylight, now)

    def close_what_was_shown(self, building: Callable[[int], int]) -> None:
        """Commands whose result was never heard, but whose device has told something since, or because of them.
        ``building``: the building's time at a real one (ms)."""
        for (device_id, role), target in self.targets.items():
            command, reading = target.open, self.last(device_id, role)
            if command is None or reading is None:
                continue
            if reading.origin.cause == command.id or reading.measured_at > building(command.at):
                target.carried_out()
                if reading.origin.kind == "switch":
                    target.moved_by_others()

    # --- readings

    def take(self, reading: Reading, now: int) -> bool:
        """Remember it; says whether it changes anything: its value, or whether it is known at all."""
        readings = self.readings.setdefault(reading.point, {})
        old = readings.get(reading.device_id)
        readings[reading.device_id] = reading
        if reading.origin.kind == "switch" and (old is None or old.id != reading.id):
            self._pressed(reading)
        was_known = old is not None and now < fresh_until(old)
        if was_known != (now < fresh_until(reading)):
            self.settle(now)
        elif old is not None and old.value == reading.value and old.quality == reading.quality:
            if reading.point != "illuminance" or reading.measured_at == old.measured_at:
                return self._ages(old, reading)
            return self._see_light(reading, now) or reading.point in self.aged
        self._see(old, reading, now)
        return True

    def _ages(self, old: Reading, reading: Reading) -> bool:
        """Whether its age is named, and begins anew; or since when a room is empty or occupied."""
        if reading.point == "motion" and reading.changed_at != old.changed_at:
            return True
        return reading.point in self.aged and fresh_since(reading) != fresh_since(old)

    def _pressed(self, reading: Reading) -> None:
        """Somebody at the wall had the last word, unless a command is still under way."""
        target = self.targets.get((reading.device_id, ROLES[reading.point].target))
        if target is not None and target.open is None:
            target.moved_by_others()

    def _see(self, old: Reading | None, reading: Reading, now: int) -> None:
        match reading.point:
            case "illuminance":
                self._see_light(reading, now)
            case "temperature":
                wish = self.comfort.wish if self.comfort is not None else self.mean("setpoint", now)
                self.warmup.see(wish, self.mean("temperature", now), now)
            case "level" | "switch":
                self.light.level(self._lamp_level(), reading.measured_at)
            case "position" | "slat" if old is not None and old.value != reading.value:
                self.light.blind(reading.value - old.value, reading.measured_at)
                before = old.value if reading.point == "position" else None
                self.shade.moves(before, self.light.daylight, reading.measured_at)

    def _see_light(self, reading: Reading, now: int) -> bool:
        before, lux = self.light.daylight, self.mean("illuminance", now)
        if lux is not None:
            self.light.lux(lux, reading.measured_at)
            self.shade.light(self.mean("position", now), self.light.daylight, reading.measured_at)
        return self.light.daylight != before

    def _lamp_level(self) -> float:
        """Percent, summed over the room's lamps; one that can only be switched counts 0 or 100."""
        levels = self.readings.get("level", {})
        switches = self.readings.get("switch", {})
        return sum(reading.value for reading in levels.values()) + sum(
            100 * reading.value
            for device_id, reading in switches.items()
            if device_id not in levels and self.devices[device_id].kind == "lamp"
        )

    # --- values

    def fresh(self, role: str, now: int) -> list[Reading]:
        return [reading for reading in self.readings.get(role, {}).values() if now < fresh_until(reading)]

    def is_fresh(self, device_id: int, role: str, now: int) -> bool:
        reading = self.last(device_id, role)
        return reading is not None and now < fresh_until(reading)

    def mean(self, role: str, now: int) -> float | None:
        """The room's value of a role, of fresh readings only (flags: 1 if any is; ``last``: the latest)."""
        fresh = self.fresh(role, now)
        if not fresh:
            return None
        if len(fresh) == 1 and ROLES[role].average != "any":
            return fresh[0].value
        match ROLES[role].average:
            case "any":
                return float(any(reading.value for reading in fresh))
            case "last":
                return max(fresh, key=lambda reading: reading.measured_at).value
        return fmean(reading.value for reading in fresh)

    def daylight(self, now: int) -> float | None:
        """The room's illuminance without its own lamps; None: not known."""
        return self.light.daylight if self.fresh("illuminance", now) else None

    def empty_since(self, now: int) -> int | None:
        """Since when no motion is reported; None: some is, or it is not known."""
        fresh = self.fresh("motion", now)
        if not fresh or any(reading.value for reading in fresh):
            return None
        return max(reading.changed_at for reading in fresh)

    def occupied_since(self, now: int) -> int | None:
        """Since when motion is reported; None: none is, or it is not known."""
        return min((reading.changed_at for reading in self.fresh("motion", now) if reading.value), default=None)

    def measured_at(self, role: str) -> int | None:
        """When the latest value of a role was measured, or its device last heard of (roles of freshness ``link``)."""
        return max(map(fresh_since, self.readings.get(role, {}).values()), default=None)

    def expiries(self, roles: Iterable[str], now: int) -> Iterator[int]:
        """When each of the values of these roles that are fresh now ceases to be."""
        for role in roles:
            for reading in self.readings.get(role, {}).values():
                if (until := fresh_until(reading)) > now:
                    yield until

    def where(self, device_id: int, role: str, now: int) -> float | None:
        """Where a target is, or is on its way to: as last commanded, or as confirmed since. None: never known."""
        target = self.target(device_id, role)
        reading = self.last(device_id, ROLES[role].target)
        if target.sent is None or reading is None:
            return target.sent if reading is None else reading.value
        if now >= fresh_until(reading) or now < target.confirm_at:
            return target.sent
        moved_since = reading.changed_at >= target.confirm_at
        if moved_since or (target.tries < TRIES and not near(role, reading.value, target.sent, OFF_SHARE)):
            return reading.value
        return target.sent


def near(role: str, one: float, other: float, share: float = NEAR_SHARE) -> bool:
    """Whether two values of a role are the same but for ``share`` of its range."""
    return abs(one - other) <= share * (ROLES[role].high - ROLES[role].low)
