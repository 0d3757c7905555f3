"""What becomes of each reading, command and result: the one way in which rooms are decided for. Without a bus, and
without waiting: around it are the controller's loops (controller.py), or a rehearsal's (rehearsal/replay.py)."""

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from insula.building.state import RoomState
from insula.clock import Clock
from insula.controller.decisions import became, decisions
from insula.controller.known import Known
from insula.controller.leases import after_command, after_reading, ends
from insula.controller.moments import Moments
from insula.controller.observing import Observing
from insula.controller.shadow import Shadow
from insula.messages import COMMAND_LIFE_MS, BusMessage, Command, CommandResult, Lease, LeaseEnd, Reading

TEACHING = ("illuminance", "temperature")
"""The points whose readings show what lamps, blinds and radiators do."""
DOUBT_MS = 500
"""While it is not certain whether a room is still ours, it is looked at so often (building's clock)."""


class Decider:
    """``known``: the rooms, rules and settings. ``moments``: when to ``wake`` a room again (building's clock);
    ``expiries``: when to ``expire`` a command (real time). ``owns``: whether a room (by its id) is ours;
    ``certain``: whether that still holds, asked again before each decision, lease and lesson: after this process stood
    still, another may decide meanwhile. ``shadows``: rules that are decided beside, and only reported."""

    def __init__(
        self,
        known: Known,
        clock: Clock,
        moments: Moments[int],
        expiries: Moments[str],
        *,
        owns: Callable[[int], bool] = lambda room_id: True,
        certain: Callable[[], bool] = lambda: True,
    ) -> None:
        self.known = known
        self.counters = {"readings": 0.0, "decisions": 0.0, "commands": 0.0, "leases": 0.0}
        self.shadows: tuple[Shadow, ...] = ()
        self._clock = clock
        self._moments = moments
        self._expiries = expiries
        self._owns = owns
        self._certain = certain
        self._observing = Observing()
        self._waiting: dict[str, tuple[int, int, str]] = {}

    def decides(self, room: RoomState) -> bool:
        """Whether the room is ours, for certain."""
        return self._owns(room.room_id) and self._certain()

    def look_at(self, rooms: Iterable[RoomState]) -> None:
        """Something beside readings has changed: decide for these rooms next."""
        now = self._clock.now()
        for room in rooms:
            self._moments.add(now, room.room_id)
            for shadow in self.shadows:
                shadow.moments.add(now, room.room_id)

    # --- moments

    def wake(self, room: RoomState, moment: int) -> tuple[list[int], Sequence[BusMessage]]:
        """At a moment at which an answer may change by itself; it is then the command's cause. Gives the devices that
        nobody holds any more, and what was decided."""
        if not self._owns(room.room_id):
            return [], ()
        ended = self._end_leases(room)
        because = f"nobody holds device {ended[0]} any more" if ended else ""
        return ended, self._decide(room, f"time:{moment}", because)

    def wake_shadows(self, room: RoomState, moment: int) -> Sequence[BusMessage]:
        """At a moment at which the answer of a shadow may change by itself."""
        if not self.shadows or not self.decides(room):
            return ()
        return [decision for shadow in self.shadows for decision in shadow.look(room, f"time:{moment}")]

    def expire(self, command_id: str) -> Sequence[BusMessage]:
        """A command that nobody answered was open until now."""
        room_id, device_id, point = self._waiting.pop(command_id)
        room = self.known.rooms.get(room_id)
        target = room.target(device_id, point) if room is not None else None
        if room is None or target is None or target.open is None or target.open.id != command_id:
            return ()
        target.not_carried_out(self._clock.now())
        return self._decide(room, f"expired:{command_id}", "its command had expired")

    def clock_was_set(self) -> None:
        """Somebody set the machine's clock: the answers are others now, and what was to come may be far away."""
        now, real = self._clock.now(), self._clock.real()
        for room in self.known.rooms:
            room.clock_was_set(now)
        for command_id in self._waiting:
            self._expiries.add(real + COMMAND_LIFE_MS, command_id)
        self.look_at(self.known.rooms)

    # --- what is heard

    def take_reading(self, reading: Reading) -> Sequence[BusMessage]:
        room = self.known.rooms.of_device(reading.device_id)
        if room is None:
            return ()
        before = room.last(reading.device_id, reading.point) if self.shadows else None
        changed, messages = self.hear(room, reading)
        if changed and self.known.rules is not None and reading.point in self.known.rules.roles:
            messages += self._decide(room, reading.id, became(reading))
        for shadow in self.shadows:
            if shadow.concerns(reading, before, changed) and self.decides(room):
                messages += shadow.look(room, reading.id, became(reading))
        return messages

    def hear(self, room: RoomState, reading: Reading) -> tuple[bool, list[BusMessage]]:
        """Whether it changed anything; and what follows of it without deciding."""
        self.counters["readings"] += 1
        now = self._clock.now()
        before = room.last(reading.device_id, reading.point)
        changed = room.take(reading, now)
        messages: list[BusMessage] = []
        if reading.origin.kind == "switch":
            held = room.leases.get(reading.device_id)
            hold_s = self.known.hand_hold_s(room.room_id)
            messages += self._hold(room, after_reading(reading, before, held, now, hold_s))
            for shadow in self.shadows:
                shadow.by_hand(room, reading.device_id, reading.point, reading.value)
        if reading.point in TEACHING:
            messages += self._learned(room)
        if changed and reading.point == "motion":
            self._watch_leases(room)
        return changed, messages

    def take_command(self, command: Command) -> None:
        """Another's command: ours are known when they are sent."""
        room = self.known.rooms.of_device(command.device_id)
        if room is not None and room.target(command.device_id, command.point).last_id != command.id:
            self._under_way(room, command)

    def take_result(self, result: CommandResult) -> Sequence[BusMessage]:
        command, now = result.command, self._clock.now()
        room = self.known.rooms.of_device(command.device_id)
        if room is None:
            return ()
        target = room.target(command.device_id, command.point)
        if result.outcome == "done":
            if target.last_id != command.id and (target.open is None or target.open.at < command.at):
                room.commanded(command, now)
            if target.last_id == command.id:  # else a newer one is still under way
                target.carried_out()
            held = room.leases.get(command.device_id)
            messages = self._hold(room, after_command(command, held, now, self.known.hand_hold_s(room.room_id)))
            if command.origin.by_hand:
                for shadow in self.shadows:
                    shadow.by_hand(room, command.device_id, command.point, command.value)
        elif target.open is None or target.last_id != command.id:
            return ()
        else:
            target.not_carried_out(now)
            messages = []
        return [*messages, *self._decide(room, result.id, f"its command was {result.outcome}")]

    def end_lease(self, end: LeaseEnd) -> None:
        """Somebody wants it over: it ends now, with the others that do."""
        room = self.known.rooms.of_device(end.device_id)
        lease = room.leases.get(end.device_id) if room is not None else None
        if room is not None and lease is not None and self._owns(room.room_id):
            self.known.rooms.hold(replace(lease, until=self._clock.now()))
            self.look_at([room])

    def known_as(self, room: RoomState, command: Command, id_: str) -> None:
        """The command that is on its way is answered under this id: elsewhere its cause had another name."""
        target = room.target(command.device_id, command.point)
        target.open, target.last_id = replace(command, id=id_), id_
        self._waiting[id_] = self._waiting[command.id]
        self._expiries.add(command.expires_at, id_)

    def _under_way(self, room: RoomState, command: Command) -> None:
        room.commanded(command, self._clock.now())
        self._waiting[command.id] = (room.room_id, command.device_id, command.point)
        life = command.expires_at - command.at  # the clock may have been set back since it was sent
        self._expiries.add(min(command.expires_at, self._clock.real() + life), command.id)

    # --- leases, learning

    def _hold(self, room: RoomState, lease: Lease | None) -> list[BusMessage]:
        """What was done by hand holds its device; only who decides for the room writes it down."""
        if lease is None or not self.decides(room):
            return []
        self.known.rooms.hold(lease)
        self._watch_leases(room)
        self.counters["leases"] += 1
        return [lease]

    def _lease_ends(self, room: RoomState) -> dict[int, int]:
        return ends(room, self._clock.now(), self.known.empty_hold_s(room.room_id))

    def _watch_leases(self, room: RoomState) -> None:
        for end in self._lease_ends(room).values():
            self._moments.add(end, room.room_id)

    def _end_leases(self, room: RoomState) -> list[int]:
        """The devices whose leases' time it is."""
        now = self._clock.now()
        ended: list[int] = []
        for device_id in [device_id for device_id, end in self._lease_ends(room).items() if end <= now]:
            if not self.decides(room):
                break
            self.known.rooms.release(device_id)
            ended.append(device_id)
        else:
            self._watch_leases(room)
        if ended:
            for shadow in self.shadows:
                shadow.moments.add(now, room.room_id)
        return ended

    def _learned(self, room: RoomState) -> list[BusMessage]:
        learned = self.known.rooms.newly_learned(room) if self.decides(room) else None
        return [] if learned is None else [learned]

    # --- deciding

    def _decide(self, room: RoomState, cause: str, because: str = "") -> Sequence[BusMessage]:
        """The commands that are due in this room, each with its explanation; wakes again when that may change. In a
        room that is only observed, the explanations alone. ``because``: the cause in words."""
        now = self._clock.now()
        if self.known.rules is None or not self._owns(room.room_id):
            return ()
        if not self._certain():
            self._moments.add(now + DOUBT_MS, room.room_id)
            return ()
        if not room.settled(self.known.rules.roles, now):
            self._moments.add(room.settled_at, room.room_id)
            return ()
        self.counters["decisions"] += 1
        made, changes_at = decisions(self.known.rules, room, cause, self._clock, self.known.place, because)
        if changes_at is not None:
            self._moments.add(changes_at, room.room_id)
        if self.known.observed(room.room_id):
            return self._observing.news(room.room_id, made)
        self._observing.forget(room.room_id)
        messages: list[BusMessage] = []
        for command, decision in made:
            self._under_way(room, command)
            messages += (command, decision)
        self.counters["commands"] += len(made)
        return messages
