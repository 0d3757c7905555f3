"""Rules that are only tried: they see the room, imagine their devices, and leave the room as it is."""

import pytest

from insula.building.state import RoomState
from insula.controller.known import Known
from insula.controller.moments import Moments
from insula.controller.shadow import Shadow
from insula.messages import Rule
from insula.rehearsal.clock import HistoryClock
from tests.a_room import BLIND, MINUTE, NOON, RADIATOR, compiled, reading, room

WARM = Rule(name="warm", when="occupied", target="radiator.valve", value=80, otherwise=20)
DWELLS = Rule(name="slow", when="occupied", target="radiator.valve", value=80, otherwise=20, dwell_s=600)


class Tried:
    """A room and one set of rules that is tried in it."""

    def __init__(self, *rules: Rule) -> None:
        self.clock = HistoryClock(NOON + 10_000)
        self.room: RoomState = room(valve=10, motion=0)
        moments: Moments[int] = Moments(self.clock.now, self.clock.sleep_until)
        self.shadow = Shadow(compiled(*rules), Known(), self.clock, moments)

    def hear(self, point: str, value: float, after_ms: int = 1_000) -> list[float]:
        """The values of what the shadow would command then."""
        self.clock.moment += after_ms
        one = reading(point, value, self.clock.moment)
        before = self.room.last(one.device_id, point)
        changed = self.room.take(one, self.clock.moment)
        told = self.shadow.look(self.room, one.id) if self.shadow.concerns(one, before, changed) else []
        assert all(decision.shadow for decision in told)
        return [decision.value for decision in told]


def test_it_tells_each_wish_once_though_nothing_moves() -> None:
    it = Tried(WARM)
    assert it.hear("motion", 1) == [80]
    assert it.hear("humidity", 41) == []
    assert it.hear("motion", 0) == [20]
    assert it.hear("motion", 1) == [80]


def test_the_room_itself_is_left_as_it_is() -> None:
    it = Tried(WARM)
    targets, held, memo = dict(it.room.targets), it.room.held, it.room.memo
    assert it.hear("motion", 1) == [80]
    assert (it.room.targets, it.room.held, it.room.memo) == (targets, held, memo)
    assert it.room.where(RADIATOR, "valve", it.clock.moment) == 10


def test_what_the_rules_in_force_move_does_not_move_its_own() -> None:
    it = Tried(WARM)
    assert it.hear("motion", 1) == [80]
    assert it.hear("valve", 90) == []
    assert it.hear("valve", 10, 10 * MINUTE) == []


def test_a_hand_moves_its_devices_too() -> None:
    it = Tried(WARM)
    assert it.hear("motion", 1) == [80]
    it.shadow.by_hand(it.room, RADIATOR, "valve", 35)
    assert [decision.value for decision in it.shadow.look(it.room, "later")] == [80]


def test_it_rests_as_long_as_its_own_rules_say() -> None:
    it = Tried(DWELLS)
    it.clock.moment += 20 * MINUTE
    it.room.take(reading("motion", 0, it.clock.moment), it.clock.moment)
    assert it.hear("motion", 1) == [80]
    assert it.hear("motion", 0) == []
    first = it.shadow.moments.first()
    assert first is not None
    assert first <= it.clock.moment + 600_000
    assert it.hear("motion", 1, 11 * MINUTE) == []
    assert it.hear("motion", 0, MINUTE) == [20]


def test_its_decisions_have_ids_of_their_own() -> None:
    it = Tried(WARM)
    it.clock.moment += 1_000
    it.room.take(reading("motion", 1, it.clock.moment), it.clock.moment)
    (one,) = it.shadow.look(it.room, "cause")
    assert one.command_id.startswith("s")
    assert one.id == one.command_id


@pytest.mark.parametrize("gone", [BLIND, RADIATOR])
def test_devices_that_leave_the_room_are_forgotten(gone: int) -> None:
    it = Tried(WARM)
    it.hear("motion", 1)
    it.room.set_devices(device for device in it.room.devices.values() if device.device_id != gone)
    its = it.shadow.follow(it.room)
    assert gone not in its.devices
    assert all(gone not in readings for readings in its.readings.values())
