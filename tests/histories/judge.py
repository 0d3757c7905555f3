"""Watches a history on the bus, and says what must not be."""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from insula.bus.channel import Received
from insula.clock import Clock
from insula.messages import RANK, Command, CommandResult, Decision, Lease, LeaseEnd, RoomRecord
from insula.points import ROLES
from tests.a_room import ZONE
from tests.histories.field import DEVICES, Field
from tests.histories.winner import LIMIT_MS, Plain, Winner, fresh, winners

LATE_MS = 1_000
"""A lease ends within so long of its end."""
POINTS = {"blind.position": "position", "radiator.valve": "valve", "lamp.level": "level"}
KINDS = {point: target for target, point in POINTS.items()}
HAND_HOLD_MS, EMPTY_HOLD_MS = 3_600_000, 900_000
Sent = tuple[str, str, float, int, str]


class Judge:
    """``rules``: those in force; None: of a set that has no second opinion."""

    def __init__(self, field: Field, clock: Clock, zone: ZoneInfo = ZONE) -> None:
        self.faults: list[str] = []
        self.sent: list[Sent] = []
        self.rules: Sequence[Plain] | None = None
        self.observed = False
        self.leases: dict[int, Lease] = {}
        self.asked: set[int] = set()
        self.since = 0
        """Since when (ms) leases can be known and ended: the controller began, the clock was set, motion was told."""
        self._field = field
        self._clock = clock
        self._zone = zone
        self._open: dict[str, Command] = {}
        self._failed: dict[str, tuple[float, str, int]] = {}

    def another_controller(self) -> None:
        """What its predecessor sent, and nobody answered, it does not know."""
        self.since = self._clock.now()
        self._open.clear()

    def fault(self, text: str) -> None:
        self.faults.append(f"{self._clock.now()}: {text}")

    def winners(self) -> dict[str, Winner]:
        return winners(self.rules or (), self._field.last.values(), self._clock.now(), self._zone)

    # --- what is heard

    def take(self, received: Received) -> None:
        match received.message:
            case Command() as command if command.origin.kind == "rule":
                self._command(command)
            case Command() as command:
                self._open[command.point] = command
            case CommandResult() as result:
                self._result(result)
            case Decision() as decision:
                self._decision(decision)
            case LeaseEnd() as end:
                self.asked.add(end.device_id)
            case Lease() as lease:
                self.leases[lease.device_id] = lease
            case RoomRecord() as room:
                self.observed = room.mode == "observe"
            case None if received.record.key.startswith("lease/"):
                self._released(int(received.record.key.removeprefix("lease/")))

    def _command(self, command: Command) -> None:
        now, point = self._clock.now(), command.point
        self.sent.append((command.id, point, command.value, command.at, command.origin.name))
        said = f"{command.origin.name!r} set {point} to {command.value:g}"
        if self.observed:
            self.fault(f"{said} in an observed room")
        lease = self.leases.get(command.device_id)
        if lease is not None and self._end(lease) > now and RANK[lease.class_] > RANK[command.class_]:
            self.fault(f"{said}, but {lease.owner.kind} held it for {self._end(lease) - now} ms more")
        old = self._open.get(point)
        if old is not None and old.expires_at > command.at and not self._later_set(old):
            self.fault(f"{said} while {old.id} was open")
        self._open[point] = command
        if self.rules is not None:
            winner = self.winners().get(KINDS[point])
            if winner is None or (winner.rule, winner.value) != (command.origin.name, command.value):
                self.fault(f"{said}, but the winner is {winner}")

    def _later_set(self, command: Command) -> bool:
        """Sent by a clock that has been set back since: it waits as long as one that is sent now."""
        return command.at > self._clock.real()

    def _result(self, result: CommandResult) -> None:
        command = result.command
        if (old := self._open.get(command.point)) is not None and old.id == command.id:
            del self._open[command.point]
        if result.outcome != "done":
            self._failed[command.point] = (command.value, command.class_, self._clock.now())
        else:
            self._failed.pop(command.point, None)

    def _decision(self, decision: Decision) -> None:
        for name in decision.values:
            point = {"occupied": "motion", "empty_for": "motion", "occupied_for": "motion"}.get(name, name)
            reading = self._field.last.get(point)
            if reading is not None and not fresh(reading, decision.decided_at):
                self.fault(f"{decision.rule!r} saw {name} {decision.values[name]}, which was stale")

    # --- leases

    def _end(self, lease: Lease) -> int:
        """When it ends as things are (ms)."""
        motion = self._field.last.get("motion")
        if motion is None or motion.value or not fresh(motion, self._clock.now()):
            return lease.until
        used = lease.used_at or lease.since
        return min(lease.until, max(motion.changed_at, used) + EMPTY_HOLD_MS)

    def _released(self, device_id: int) -> None:
        lease, now = self.leases.pop(device_id, None), self._clock.now()
        if lease is None or device_id in self.asked:
            self.asked.discard(device_id)
            return
        end = self._end(lease)
        if now < end:
            self.fault(f"the lease of device {device_id} ended {end - now} ms early")
        elif now - max(end, self.since, self._field.told_motion_at) > LATE_MS:
            self.fault(f"the lease of device {device_id} ended {now - end} ms late")

    def overdue(self) -> None:
        """No lease is there any more that should have ended."""
        now = self._clock.now()
        for lease in self.leases.values():
            late = now - max(self._end(lease), self.since, self._field.told_motion_at)
            if late > LATE_MS:
                self.fault(f"device {lease.device_id} is still held, {late} ms after the end")

    # --- at rest

    def at_rest(self, before: dict[str, Winner]) -> None:
        """Who has been the winner for a while has its wish, unless somebody of a higher class holds the device."""
        if self.observed or self.rules is None or self._field.works != "done" or not self._field.gate.connected:
            return
        for target, winner in self.winners().items():
            point = POINTS[target]
            if before.get(target) != winner or point in self._open or self._excused(point, winner):
                continue
            stands = self._field.stands(point)
            if abs(stands - winner.value) > 0.01 * (ROLES[point].high - ROLES[point].low):
                self.fault(f"{point} stands at {stands:g}, but {winner} should have won")

    def _excused(self, point: str, winner: Winner) -> bool:
        lease = self.leases.get(DEVICES[point])
        if lease is not None and RANK[lease.class_] > RANK[winner.class_]:
            return True
        if point == "position" and self._field.last.get("wind_alarm") and self._field.stands("wind_alarm"):
            return True
        value, class_, at = self._failed.get(point, (None, "energy", 0))
        waits = RANK[class_] >= RANK[winner.class_] and abs(self._clock.now() - at) < LIMIT_MS
        return value == winner.value and waits


def told(faults: Iterable[str]) -> str:
    return "\n".join(faults)
