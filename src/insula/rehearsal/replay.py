"""A room's recorded days once more, through the controller's own deciding: with the rules that were in force, to see
whether they decide the same again, and with others beside them, to see what these would do."""

from collections.abc import Sequence
from math import inf

import msgspec

from insula.building.lamplight import RoomLight
from insula.building.rules import CompiledRules
from insula.building.shade import Shade
from insula.building.state import RoomState
from insula.building.warmup import WarmUp
from insula.bus.keys import state_type
from insula.controller.decider import Decider
from insula.controller.known import Known
from insula.controller.moments import Moments
from insula.controller.shadow import Shadow
from insula.errors import InsulaError
from insula.messages import BusMessage, Command, CommandResult, Decision, LeaseEnd, Reading, RoomRecord, RuleSet
from insula.points import ROLES
from insula.rehearsal.clock import HistoryClock
from insula.rehearsal.events import Event, Start
from insula.rehearsal.figures import USUAL, Figures, Limits
from insula.rehearsal.imagined import SEEN, Imagined
from insula.rehearsal.records import Building
from insula.rehearsal.reproduction import Comparison
from insula.store.heard import HeardIn


class Replay:
    """``begin``: what was before (ms) only brings the room to where it was then. ``tried``: rule sets whose figures are
    wanted. With ``recorded`` decisions the rules in force, as they were heard of, decide again beside them."""

    def __init__(
        self,
        building: Building,
        room_id: int,
        begin: int,
        tried: Sequence[CompiledRules],
        *,
        rules: RuleSet | None = None,
        comparison: Comparison | None = None,
        limits: Limits = USUAL,
        rate: float = 1.0,
    ) -> None:
        self.comparison = comparison
        self._clock = clock = HistoryClock(rate=rate)
        self._moments: Moments[int] = Moments(clock.now, clock.sleep_until)
        self._expiries: Moments[str] = Moments(clock.real, clock.sleep_until)
        self._known = known = _known(building, room_id)
        self._decider = Decider(known, clock, self._moments, self._expiries)
        if rules is not None:
            known.take("", rules)
        room = known.rooms.get(room_id)
        assert room is not None, "a room with devices"
        self._room: RoomState = room
        self._imagined = [
            Imagined(Shadow(tried_rules, known, clock, Moments(clock.now, clock.sleep_until)), room, begin, limits)
            for tried_rules in tried
        ]
        self._decider.shadows = tuple(one.shadow for one in self._imagined)

    def run(self, events: Sequence[Event], end: int) -> list[Figures]:
        """Until ``end`` (ms); the figures of the sets that were tried."""
        if events:
            self._clock.moment = events[0].at
            self._begin()
        for event in events:
            self._until(event.at)
            self._clock.moment = max(self._clock.moment, event.at)
            self._take(event)
        self._until(end)
        self._clock.moment = max(self._clock.moment, end)
        for one in self._imagined:
            one.see(self._clock.now())
        return [one.figures for one in self._imagined]

    def _begin(self) -> None:
        """As a controller at its start: it remembers no command, and waits until all have told their values. A Z-Wave
        server tells its own from memory; on KNX they are read again. What was learned of the room is known still."""
        room = self._room
        told = [reading for readings in room.readings.values() for reading in readings.values()]
        room.readings.clear()
        room.targets.clear()
        room.held, room.comfort = frozenset(), None
        room.light, room.shade, room.warmup = RoomLight(), Shade(), WarmUp()
        self._known.rooms.remind(room)
        for reading in told:
            if room.devices[reading.device_id].type == "zwave":
                self._decider.hear(room, reading)
        room.settle(self._clock.now())
        self._decider.look_at([room])

    def _until(self, moment: int) -> None:
        """All that comes by itself up to then, in order."""
        while (first := self._first()) <= moment:
            self._clock.moment = max(self._clock.moment, int(first))
            self._wake()

    def _first(self) -> float:
        """When something comes by itself next; infinity: never."""
        first = self._moments.first()
        earliest = inf if first is None else first
        for one in self._imagined:
            own = one.shadow.moments.first()
            if own is not None and own < earliest:
                earliest = own
        expiry = self._expiries.first()
        return earliest if expiry is None else min(earliest, self._clock.building(expiry))

    def _wake(self) -> None:
        for moment, _ in self._moments.reached():
            self._made(self._decider.wake(self._room, moment)[1])
        for _, command_id in self._expiries.reached():
            self._made(self._decider.expire(command_id))
        for one in self._imagined:
            for moment, _ in one.shadow.moments.reached():
                one.wish(one.shadow.look(self._room, f"time:{moment}"))
                one.see(self._clock.now())

    def _take(self, event: Event) -> None:
        match event.what:
            case Reading() as reading:
                self._made(self._decider.take_reading(reading))
                if not (event.news and reading.point in SEEN):
                    return
            case Command() as command:
                self._decider.take_command(command)
            case CommandResult() as result:
                self._made(self._decider.take_result(result))
            case LeaseEnd() as end:
                self._decider.end_lease(end)
            case Start():
                self._begin()
            case HeardIn() as heard:
                self._learn(heard)
        for one in self._imagined:
            one.see(self._clock.now())

    def _learn(self, heard: HeardIn) -> None:
        """What topic ``state`` said. Rules count only where those in force decide again."""
        if heard.key.startswith("rules/") and self.comparison is None:
            return
        try:
            message = msgspec.json.decode(heard.value, type=state_type(heard.key)) if heard.value else None
        except (msgspec.DecodeError, InsulaError):
            return
        if isinstance(message, RoomRecord) and message.room_id != self._room.room_id:
            return
        self._decider.look_at(self._known.take(heard.key, message))

    # --- what was decided

    def _made(self, messages: Sequence[BusMessage]) -> None:
        for message in messages:
            if isinstance(message, Decision):
                if message.shadow:
                    self._tried(message)
                else:
                    self._again(message, messages)

    def _tried(self, decision: Decision) -> None:
        for one in self._imagined:
            if one.shadow.rules.version == decision.version:
                one.see(self._clock.now())
                one.wish([decision])

    def _again(self, decision: Decision, messages: Sequence[BusMessage]) -> None:
        """A command of the rules in force goes the way that the recorded one went; where none is recorded, it was not
        carried out."""
        if self.comparison is None:
            return
        found = self.comparison.find(decision)
        command = next((one for one in messages if isinstance(one, Command) and one.id == decision.command_id), None)
        if command is None:
            return
        target = self._room.target(command.device_id, ROLES[command.point].target)
        if found is None:
            target.not_carried_out(self._clock.now())
        elif found.command_id != command.id:
            self._decider.known_as(self._room, command, found.command_id)


def _known(building: Building, room_id: int) -> Known:
    known = Known()
    known.settle(building.settings)
    known.rooms.set_devices(building.devices[room_id])
    if room_id in building.rooms:
        known.rooms.describe(building.rooms[room_id])
    return known
