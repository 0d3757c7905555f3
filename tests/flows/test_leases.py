"""What is done by hand holds its device, until its time is over, its room has been empty, or somebody ends it."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from insula.building.state import RoomState
from insula.clock import settle
from insula.controller.leases import empty_since, ends_at
from insula.messages import BuildingSettings, Lease, LeaseEnd, Origin, RoomRecord
from tests.a_room import BLIND, HOUR, MINUTE, NOON, RADIATOR, SENSOR, ZONE, devices, lease, reading, room
from tests.flows.test_controller import SWITCH, Flow, flow
from tests.flows.test_controller import it as it

SECOND = 1_000
LONGEST_MS = 4 * HOUR


async def wait(it: Flow, minutes: float, **values: float) -> None:
    """Time passes, and the room's devices tell now and then how they are."""
    for _ in range(round(minutes)):
        await it.clock.advance(60)
        await it.quiet(valve=30, **values)


# --- when a lease ends


async def test_it_ends_when_the_room_has_been_empty_for_a_quarter_of_an_hour(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    await it.by_hand("valve", 30, RADIATOR)
    await wait(it, 5, motion=1)
    await it.report("motion", 0)
    await it.clock.advance(15 * 60 - 1)
    assert it.ended == []
    await it.clock.advance(1)
    assert it.ended == [f"lease/{RADIATOR}"]
    it.expect(valve=10)


async def test_who_comes_back_in_time_keeps_what_was_set(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    await it.by_hand("valve", 30, RADIATOR)
    await it.report("valve", 30)
    await it.report("motion", 0)
    await it.clock.advance(10 * 60)
    await it.report("motion", 1)
    await it.clock.advance(19 * 60)
    assert it.ended == []
    await wait(it, 31, motion=1)
    assert it.ended == [f"lease/{RADIATOR}"]
    it.expect(valve=90)


async def test_an_hour_is_enough_though_somebody_is_there(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    await it.by_hand("valve", 30, RADIATOR)
    await wait(it, 59, motion=1)
    assert it.ended == []
    await it.clock.advance(60)
    assert it.ended == [f"lease/{RADIATOR}"]
    it.expect(valve=90)


async def test_an_empty_room_counts_from_when_it_was_driven(it: Flow) -> None:
    """Somebody far away opens a blind in a room that has been empty for hours."""
    await it.quiet()
    await it.clock.advance(10 * 60)
    await it.by_hand("position", 100, BLIND)
    await it.clock.advance(15 * 60 - 1)
    assert it.ended == []
    await it.clock.advance(1)
    assert it.ended == [f"lease/{BLIND}"]


async def test_a_room_whose_motion_sensor_is_silent_is_not_known_to_be_empty(it: Flow) -> None:
    await it.quiet(motion=None)
    await it.by_hand("valve", 30, RADIATOR)
    await it.clock.advance(59 * 60)
    assert it.ended == []


async def test_a_room_has_times_of_its_own(it: Flow) -> None:
    await it.send(RoomRecord(room_id=1, number=1, hand_hold_s=600, empty_hold_s=60))
    await it.quiet(motion=1, valve=90)
    await it.by_hand("valve", 30, RADIATOR)
    (held,) = it.take(Lease)
    assert held.until == it.clock.now() + 10 * MINUTE
    await it.report("motion", 0)
    await it.clock.advance(60)
    assert it.ended == [f"lease/{RADIATOR}"]
    it.expect(valve=10)


async def test_what_the_building_says_of_empty_rooms_holds_for_all() -> None:
    async with flow(settings=BuildingSettings(time_zone=ZONE.key, empty_hold_s=0)) as it:
        await it.quiet(motion=1, valve=90)
        await it.report("level", 50, origin=SWITCH)
        await it.report("motion", 0)
        assert it.ended == ["lease/4"]
        it.commands()


async def test_a_lease_is_of_the_wall_as_of_the_app(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    await it.report("level", 50, origin=SWITCH)
    await it.report("motion", 0)
    await it.clock.advance(15 * 60)
    assert it.ended == ["lease/4"]
    it.commands()


# --- ended by somebody


async def test_anybody_can_end_it_early(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    await it.by_hand("valve", 30, RADIATOR)
    await it.report("valve", 30)
    await it.send(LeaseEnd(at=it.clock.real(), device_id=RADIATOR, origin=Origin(kind="user", name="ben")))
    assert it.ended == [f"lease/{RADIATOR}"]
    it.expect(valve=90)


async def test_what_nobody_holds_cannot_be_ended(it: Flow) -> None:
    await it.quiet()
    await it.send(LeaseEnd(at=it.clock.real(), device_id=RADIATOR))
    assert it.ended == []


async def test_only_who_decides_for_the_room_ends_it() -> None:
    async with flow(start=False) as it:
        first, second = it.start("1"), it.start("2")
        await settle()
        await it.quiet(motion=1, valve=90)
        await it.by_hand("valve", 30, RADIATOR)
        await it.send(LeaseEnd(at=it.clock.real(), device_id=RADIATOR))
        assert it.ended == [f"lease/{RADIATOR}"]
        assert first.counters["leases"] + second.counters["leases"] == 1
        it.commands()


# --- restarts


@pytest.mark.parametrize("empty", [True, False])
async def test_it_ends_in_time_though_the_controller_was_away(it: Flow, empty: bool) -> None:
    await it.quiet(motion=1, valve=90)
    await it.by_hand("valve", 30, RADIATOR)
    if empty:
        await it.report("motion", 0)
    await it.stop()
    await it.clock.advance(10 * 60)
    it.start()
    await settle()
    at = it.clock.now()
    since = NOON if empty else at
    await it.send(reading("motion", float(not empty), at, changed_at=since), reading("valve", 30, at))
    await it.clock.advance((5 if empty else 25) * 60 - 1)
    assert it.ended == []
    if not empty:
        await it.report("motion", 1)
        await it.clock.advance(25 * 60)
    await it.clock.advance(1)
    assert it.ended == [f"lease/{RADIATOR}"]
    it.commands()


async def test_one_that_ran_out_meanwhile_is_ended_at_once(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    await it.by_hand("valve", 30, RADIATOR)
    await it.stop()
    await it.clock.advance(3 * 3600)
    it.start()
    await settle()
    assert it.ended == [f"lease/{RADIATOR}"]


# --- properties


@given(
    since=st.integers(0, HOUR),
    used=st.integers(0, HOUR),
    hold=st.integers(0, 2 * HOUR),
    empty=st.none() | st.integers(0, 2 * HOUR),
    empty_hold=st.integers(0, 3600),
)
def test_the_end_is_the_earlier_of_the_two(
    since: int, used: int, hold: int, empty: int | None, empty_hold: int
) -> None:
    used = max(since, used)
    held = Lease(device_id=1, owner=SWITCH, since=since, until=used + hold, used_at=used)
    end = ends_at(held, empty, empty_hold)
    assert end <= held.until
    if empty is None:
        assert end == held.until
    else:
        assert end == held.until or end == max(empty, used) + empty_hold * 1000
        assert end >= min(held.until, used + empty_hold * 1000)  # who just drove it has the whole time


def test_each_sensor_of_a_room_has_its_say() -> None:
    state = RoomState(1)
    state.set_devices([*devices(), replace(devices()[2], device_id=9)])
    state.take(reading("motion", 0, NOON), NOON)
    assert empty_since(state, NOON) is None
    state.take(reading("motion", 0, NOON + MINUTE, device_id=9), NOON + MINUTE)
    assert empty_since(state, NOON + MINUTE) == NOON + MINUTE
    state.take(reading("motion", 1, NOON + 2 * MINUTE), NOON + 2 * MINUTE)
    assert empty_since(state, NOON + 2 * MINUTE) is None


def test_a_room_without_a_motion_sensor_is_never_known_to_be_empty() -> None:
    state = room()
    state.set_devices(device for device in devices() if device.device_id != SENSOR)
    state.leases[BLIND] = lease(BLIND, NOON, NOON + HOUR)
    assert empty_since(state, NOON) is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(1, 1200)),
        st.tuples(st.just("jump"), st.integers(-1800, 3600)),
        st.tuples(st.just("motion"), st.integers(0, 1)),
        st.tuples(st.just("hand"), st.integers(0, 100)),
        st.tuples(st.just("wall"), st.integers(0, 100)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("end"), st.just(0)),
    ),
    max_size=14,
)


@given(steps=STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_no_lease_outlives_its_end_whatever_happens(steps: list[tuple[str, int]]) -> None:
    """Clock steps, restarts, hands, coming and going: past its end by more than a second there is no lease."""
    asyncio.run(_live(steps))


async def _live(steps: list[tuple[str, int]]) -> None:
    async with flow() as it:
        await it.quiet(motion=1, valve=90)
        for what, amount in steps:
            await _step(it, what, amount)
            await it.clock.advance(1)
            _check(it)
        it.commands()


async def _step(it: Flow, what: str, amount: int) -> None:
    match what:
        case "pass":
            await it.clock.advance(amount)
        case "jump":
            await it.clock.step(amount)
        case "motion":
            await it.report("motion", amount)
        case "hand":
            await it.by_hand("valve", amount, RADIATOR)
        case "wall":
            await it.report("valve", amount, origin=SWITCH)
        case "end":
            await it.send(LeaseEnd(at=it.clock.real(), device_id=RADIATOR))
            assert RADIATOR not in _leases(it)
        case "restart":
            await it.stop()
            it.start()
            await settle()


def _leases(it: Flow) -> dict[int, Lease]:
    """As topic ``state`` has them: what the gateways and the API go by."""
    found: dict[int, Lease] = {}
    for record in it.bus.logs["state", 0].since(0):
        message = it.channel.codec.decode(record)
        if isinstance(message, Lease):
            found[message.device_id] = message
        elif message is None:
            found.pop(int(record.key.removeprefix("lease/")), None)
    return found


def _check(it: Flow) -> None:
    now = it.clock.now()
    for held in _leases(it).values():
        assert held.until + SECOND >= now
        assert held.until - held.since <= LONGEST_MS
