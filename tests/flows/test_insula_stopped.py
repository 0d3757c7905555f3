"""With Insula stopped for a day nobody is worse off than with the actuators' own emergency positions."""

import pytest

from insula.building.demo import demo_plan
from insula.clock import ManualClock
from insula.simulator.knx_devices import VirtualKnxBus
from insula.simulator.knx_interface import KnxInterface
from insula.simulator.world import World

HOUR_S = 3600
STEP_S = 60


def world(clock: ManualClock) -> World:
    """The demo's building in January, its devices on a bus that nobody writes to."""
    plan = demo_plan()
    made = World(plan, clock)
    made.devices.append(VirtualKnxBus(KnxInterface(port=0), made.rooms, plan, clock))
    return made


@pytest.mark.parametrize("left_at", [0, 10, 90, 100])
async def test_a_day_without_insula_is_as_warm_as_the_emergency_position(clock: ManualClock, left_at: float) -> None:
    stopped, emergency = world(clock), world(clock)
    for room in stopped.rooms.values():
        for valve in room.valves:
            valve.set(left_at)
    for room in emergency.rooms.values():
        for valve in room.valves:
            valve.set(valve.emergency)
    for minute in range(24 * HOUR_S // STEP_S):
        stopped.step(STEP_S)
        emergency.step(STEP_S)
        await clock.advance(STEP_S)
        if minute * STEP_S >= 2 * HOUR_S:
            for number, room in stopped.rooms.items():
                assert room.temperature >= emergency.rooms[number].temperature - 1.0
    assert {valve.position for room in stopped.rooms.values() for valve in room.valves} == {50.0}


async def test_nobody_needs_insula_for_the_blind_at_the_wall(clock: ManualClock) -> None:
    stopped = world(clock)
    (bus,) = stopped.devices
    assert isinstance(bus, VirtualKnxBus)
    bus.press(1, 0, "move", 0)
    stopped.step(STEP_S)
    assert stopped.rooms[1].blinds[0].position == 0
