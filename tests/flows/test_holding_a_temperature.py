"""A temperature that the controller holds, on the bus; and rules that count in some rooms only."""

from insula.clock import settle
from insula.messages import BuildingSettings, Decision, RoomRecord, Rule, RuleSet
from tests.a_room import ZONE
from tests.flows.test_controller import Flow, flow

WARM = Rule(name="warm", when="occupied", target="room.temperature", value=21)
SETTINGS = BuildingSettings(time_zone=ZONE.key)


async def known(it: Flow, *rules: Rule, **values: float) -> None:
    await it.send(RuleSet(name="mine", version="1", rules=rules))
    await it.quiet(**{"motion": 1, **values})


async def carried_out(it: Flow, value: float) -> None:
    """The valve is told to go there, and shows that it did."""
    command = it.expect(valve=value)["valve"]
    await it.answer(command)
    await it.report("valve", value)


async def test_the_valve_is_moved_by_the_clock_until_the_room_is_warm() -> None:
    async with flow(settings=SETTINGS) as it:
        await known(it, WARM, temperature=19, valve=0)
        await it.clock.advance(1)
        (decision,) = it.take(Decision)
        assert (decision.rule, decision.values) == ("warm", {"occupied": True, "temperature": 19, "wish": 21})
        await carried_out(it, 100)
        await it.report("temperature", 20.9)
        it.expect()
        await it.clock.advance(301)
        assert it.take(Decision)[-1].trigger.startswith("time:")
        await carried_out(it, 60)
        await it.clock.advance(300)
        await carried_out(it, 20)


async def test_a_controller_that_starts_again_leaves_the_valve_where_it_is() -> None:
    async with flow(settings=SETTINGS) as it:
        await known(it, WARM, temperature=20.6, valve=70)
        it.expect()
        await it.stop()
        it.start()
        await settle()
        await it.quiet(motion=1, temperature=20.6, valve=70)
        await it.clock.advance(10)
        it.expect()


async def test_a_rule_counts_in_the_rooms_of_its_tag() -> None:
    async with flow(settings=SETTINGS, rooms=2) as it:
        office = Rule(name="office", when="occupied", target="radiator.valve", value=80, scope="tag:office")
        await it.send(RoomRecord(room_id=2, number=2, tags=("office",)))
        await known(it, office)
        await it.quiet(2, motion=1)
        assert it.expect(valve=80)["valve"].device_id == 12
        await it.send(RoomRecord(room_id=1, number=1, tags=("office",)))
        await it.clock.advance(1)
        assert it.expect(valve=80)["valve"].device_id == 2
