"""A room that is only observed: the rules decide and report, and nothing is commanded."""

from insula.clock import settle
from insula.controller.outbox import LATER_S
from insula.messages import Decision, RoomRecord
from tests.a_room import LAMP
from tests.flows.test_controller import Flow, flow
from tests.flows.test_controller import it as it

OBSERVED = RoomRecord(room_id=1, number=1, mode="observe")
ACTIVE = RoomRecord(room_id=1, number=1, mode="active")


async def observed(it: Flow) -> list[tuple[str, float]]:
    await it.clock.advance(LATER_S)
    decisions = it.take(Decision)
    assert all(decision.observed for decision in decisions)
    return sorted((decision.point, decision.value) for decision in decisions)


async def test_the_rules_tell_what_they_would_have_done(it: Flow) -> None:
    await it.send(OBSERVED)
    await it.quiet()
    await it.report("motion", 1)
    assert await observed(it) == [("valve", 90)]
    it.expect()


async def test_each_wish_is_told_once_until_it_is_another(it: Flow) -> None:
    await it.send(OBSERVED)
    await it.quiet(motion=1)
    await it.report("temperature", 20)
    await it.clock.advance(60)
    await it.report("humidity", 41)
    assert await observed(it) == [("valve", 90)]
    await it.report("motion", 0)
    await it.report("motion", 1)
    assert await observed(it) == [("valve", 90)]


async def test_what_a_decision_saw_and_why_is_told_as_ever(it: Flow) -> None:
    await it.send(OBSERVED)
    await it.quiet()
    await it.report("humidity", 60)
    await it.clock.advance(LATER_S)
    (decision,) = it.take(Decision)
    assert (decision.rule, decision.values["humidity"]) == ("blinds close when humid", 60)
    assert decision.because == "humidity of device 3 became 60"


async def test_a_room_that_becomes_active_is_brought_to_what_the_rules_wish(it: Flow) -> None:
    await it.send(OBSERVED)
    await it.quiet(motion=1)
    it.expect()
    await it.send(ACTIVE)
    await it.clock.advance(1)
    it.expect(valve=90)


async def test_hands_off_holds_at_once_and_after_a_restart(it: Flow) -> None:
    await it.quiet()
    await it.send(OBSERVED)
    await it.stop()
    it.start()
    await settle()
    await it.quiet(motion=1)
    it.expect()
    assert await observed(it) == [("valve", 90)]


async def test_a_hand_holds_its_device_in_an_observed_room_too(it: Flow) -> None:
    await it.send(OBSERVED)
    await it.quiet()
    await it.by_hand("level", 40, LAMP)
    assert await observed(it) == []
    assert "lease/4" in {record.key for record in it.bus.logs["state", 0].since(0)}


async def test_other_rooms_go_on() -> None:
    async with flow(rooms=2) as it:
        await it.send(OBSERVED)
        await it.quiet()
        await it.quiet(2, motion=1)
        command = it.expect(valve=90)["valve"]
        assert command.device_id == 12
