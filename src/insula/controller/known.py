"""What the controller knows beside readings: the rooms, and what topic ``state`` says of rules, settings and leases."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

import structlog

from insula.building.place import Place, place_of
from insula.building.rules import CompiledRules, compile_ruleset, is_file, load_ruleset
from insula.building.state import RoomState
from insula.bus.channel import Received
from insula.bus.keys import SHADOW_KEY
from insula.controller.rooms import Rooms
from insula.errors import RuleError
from insula.messages import BuildingSettings, BusMessage, Learned, Lease, RoomRecord, RuleSet, ShadowRules

SAFETY = "safety"

log = structlog.get_logger("insula.controller")


class Known:
    """``fault``: why the newest rule set is not in use; empty if it is. ``shadow``: rules that are only tried."""

    def __init__(self) -> None:
        self.rooms = Rooms()
        self.rules: CompiledRules | None = None
        self.shadow: CompiledRules | None = None
        self.settings = BuildingSettings()
        self.place = Place(ZoneInfo("UTC"))
        self.fault = ""

    # --- what is said of each room

    def observed(self, room_id: int) -> bool:
        """Whether nothing that the rules wish is written in the room."""
        record = self.rooms.record(room_id)
        return record is not None and record.mode == "observe"

    def hand_hold_s(self, room_id: int) -> float:
        record = self.rooms.record(room_id)
        own = record.hand_hold_s if record is not None else None
        return self.settings.hand_hold_s if own is None else own

    def empty_hold_s(self, room_id: int) -> float:
        record = self.rooms.record(room_id)
        own = record.empty_hold_s if record is not None else None
        return self.settings.empty_hold_s if own is None else own

    # --- topic state

    def learn(self, received: Received) -> Iterable[RoomState]:
        """Takes a record of topic ``state``; gives the rooms to look at again."""
        return self.take(received.record.key, received.message)

    def take(self, key: str, message: BusMessage | None) -> Iterable[RoomState]:
        """The same by its key and its message; None: a tombstone."""
        match message:
            case Lease() as lease:
                return _one(self.rooms.hold(lease))
            case None if key.startswith("lease/") and key.removeprefix("lease/").isdecimal():
                return _one(self.rooms.release(int(key.removeprefix("lease/"))))
            case RoomRecord() as record:
                return _one(self.rooms.describe(record))
            case None if key.startswith("room/") and key.removeprefix("room/").isdecimal():
                self.rooms.forget(int(key.removeprefix("room/")))
            case Learned() as learned:
                self.rooms.learn(learned)
            case RuleSet() as ruleset:
                self._use(ruleset)
                return self.rooms
            case ShadowRules(ruleset=ruleset):
                self.shadow = self._compiled(ruleset) or self.shadow
                return self.rooms
            case None if key == SHADOW_KEY:
                self.shadow = None
            case BuildingSettings() as settings:
                self.settle(settings)
                return self.rooms
        return ()

    def complete(self) -> None:
        """All of ``state`` was read: if it holds no rules, those that the settings name apply; but a file's rules are
        known to the directory alone. In place of those, and of rules that do not compile, nobody chose others: the
        set ``safety`` applies, which no building is without."""
        if self.rules is not None:
            return
        if not self.fault and not is_file(self.settings.rules):
            self._use(load_ruleset(self.settings.rules))
            return
        self.fault = self.fault or f"no rules: those of {self.settings.rules} were not published yet"
        self.rules = compile_ruleset(load_ruleset(SAFETY))

    def _use(self, ruleset: RuleSet) -> None:
        """Rules that do not compile are not used: those before them stay."""
        self.fault = ""
        self.rules = self._compiled(ruleset) or self.rules

    def _compiled(self, ruleset: RuleSet) -> CompiledRules | None:
        try:
            return compile_ruleset(ruleset)
        except RuleError as error:
            self.fault = f"rule set {ruleset.name!r} is not used: {error}"
            log.error("rule set refused", name=ruleset.name, why=str(error))
            return None

    def settle(self, settings: BuildingSettings) -> None:
        self.settings = settings
        try:
            self.place = place_of(settings)
        except ValueError as error:
            log.error("place of the building", why=str(error), used=self.place.zone.key)


def _one(room: RoomState | None) -> Iterable[RoomState]:
    return () if room is None else (room,)
