"""The world: it goes on with the clock, people and the sun come and go, what is held stays, the truth is on record."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insula.building.model import BuildingPlan, RoomPlan
from insula.clock import ManualClock, SystemClock
from insula.errors import InputError
from insula.messages import BuildingSettings
from insula.simulator.physical import Blind, Lamp, RoomWorld, Valve
from insula.simulator.truth import TruthLog
from insula.simulator.world import SUBSTEP_S, World

MONDAY_NOON = 1_767_610_800_000
"""2026-01-05 11:00 UTC, noon in Paris."""
NIGHT = MONDAY_NOON - 12 * 3_600_000
MINUTE = 60_000
PARIS = BuildingSettings(time_zone="Europe/Paris", latitude=48.86, longitude=2.35)
PLAN = BuildingPlan(
    site="campus", settings=PARIS, rooms=tuple(RoomPlan(number=number, floor=4) for number in (1, 2, 10, 11))
)


class Bus:
    """Notes how it was stepped; what a bus does with actuators."""

    def __init__(self, rooms: dict[int, RoomWorld]) -> None:
        self.rooms = rooms
        self.steps: list[float] = []
        self.seen: list[int] = []

    def step(self, seconds: float) -> None:
        self.steps.append(seconds)
        self.seen.append(self.rooms[1].people)
        for room in self.rooms.values():
            for thing in (*room.blinds, *room.valves):
                thing.step(seconds)


def world(at: int = MONDAY_NOON, *, log: TruthLog | None = None, seed: int = 1) -> World:
    made = World(PLAN, ManualClock(at), seed, log=log)
    for room in made.rooms.values():
        room.blinds.append(Blind())
        room.valves.append(Valve())
        room.lamps.append(Lamp())
    made.devices.append(Bus(made.rooms))
    made.step(0)
    return made


@asynccontextmanager
async def running(made: World) -> AsyncIterator[None]:
    task = asyncio.create_task(made.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def test_noon_is_bright_and_night_is_dark() -> None:
    assert world().rooms[1].luminance > 100
    assert world(NIGHT).rooms[1].luminance == 0


def test_a_day_of_an_office() -> None:
    made = world(NIGHT)
    counts, lux = [], []
    for _ in range(24 * 4):
        made.step(900)
        counts.append(sum(room.people for room in made.rooms.values()))
        lux.append(made.rooms[1].luminance)
    assert max(counts) > 2
    assert counts[:16] == [0] * 16
    assert counts[-8:] == [0] * 8
    assert max(lux) > 100
    assert lux[-8:] == [0] * 8


def test_long_steps_are_cut_for_the_devices() -> None:
    made = world()
    bus = made.devices[0]
    assert isinstance(bus, Bus)
    made.step(25)
    assert bus.steps[1:] == [SUBSTEP_S, SUBSTEP_S, 5]
    assert made.moment == MONDAY_NOON + 25_000


@settings(max_examples=25)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_two_steps_are_one(one: int, other: int) -> None:
    whole, parts = world(), world()
    for made in (whole, parts):
        for room in made.rooms.values():
            room.valves[0].set(90)
            room.blinds[0].go(30)
    whole.step(one + other)
    parts.step(one)
    parts.step(other)
    for made in (whole, parts):
        made.step(0)
    assert whole.moment == parts.moment
    for number, room in whole.rooms.items():
        twin = parts.rooms[number]
        assert (twin.people, twin.luminance) == (room.people, pytest.approx(room.luminance, abs=0.1))
        assert (twin.temperature, twin.humidity) == (
            pytest.approx(room.temperature, abs=0.01),
            pytest.approx(room.humidity, abs=0.1),
        )


@settings(max_examples=15)
@given(st.integers(0, 364), st.integers(0, 100), st.integers(0, 100), st.integers())
def test_the_world_stays_in_its_bounds_all_year(day: int, valve: int, blind: int, seed: int) -> None:
    made = world(NIGHT + day * 86_400_000, seed=seed)
    for room in made.rooms.values():
        room.valves[0] = Valve(valve, watch_s=0)
        room.blinds[0].go(blind)
    for _ in range(12):
        made.step(3600)
        for room in made.rooms.values():
            assert 10 < room.temperature < 36
            assert 5 < room.humidity <= 100
            assert 0 <= room.daylight <= room.luminance < 500
            assert 400 < room.co2 < 5000


def test_what_is_held_stays_until_it_is_let_go() -> None:
    made = world()
    room = made.rooms[1]
    made.hold(1, people=3, temperature=12.5, humidity=70, luminance=5)
    made.step(3600)
    assert (room.people, room.temperature, room.humidity, room.luminance) == (3, 12.5, 70, 5)
    made.hold(1, people=None, temperature=None, humidity=None, luminance=None)
    assert made.held[1] == {}
    made.step(7200)
    assert room.temperature != 12.5
    assert room.humidity < 60
    assert room.luminance > 20


def test_people_held_at_night_leave_when_let_go() -> None:
    made = world(NIGHT)
    made.hold(1, people=2)
    assert made.rooms[1].occupied
    made.hold(1, people=None)
    assert not made.rooms[1].occupied


def test_sensors_see_what_is_held_at_once_and_never_the_timetable() -> None:
    made = world()
    made.hold(1, people=7)
    made.step(600)
    bus = made.devices[0]
    assert isinstance(bus, Bus)
    assert set(bus.seen[1:]) == {7}


def test_held_luminance_is_the_whole_at_the_sensor() -> None:
    made = world()
    made.rooms[1].lamps[0].set(50)
    made.hold(1, luminance=200)
    assert (made.rooms[1].luminance, made.rooms[1].daylight) == (200, 50)


def test_held_daylight_gets_the_lamps_light_added() -> None:
    made = world()
    made.hold(1, daylight=8)
    made.rooms[1].lamps[0].set(90)
    made.step(1)
    assert (made.rooms[1].luminance, made.rooms[1].daylight) == (278, 8)


def test_zero_can_be_held() -> None:
    made = world()
    made.hold(1, people=0, humidity=0, luminance=0, temperature=0)
    made.step(60)
    room = made.rooms[1]
    assert (room.people, room.humidity, room.luminance, room.temperature) == (0, 0, 0, 0)


def test_a_window_stands_open_while_it_is_held() -> None:
    made = world()
    made.hold(1, window_open=1)
    made.step(1800)
    assert made.rooms[1].window_open
    assert made.rooms[1].temperature < made.rooms[2].temperature - 1
    made.hold(1, window_open=None)
    assert not made.rooms[1].window_open


@pytest.mark.parametrize(
    ("room", "values", "why"),
    [
        (99, {"people": 1}, "no room 99"),
        (1, {"humidity": 101}, "humidity must be 0 to 100, not 101"),
        (1, {"temperature": float("nan")}, "temperature must be"),
        (1, {"people": 2, "co2": 500}, "co2 cannot be held"),
    ],
)
def test_what_cannot_be_changes_nothing(room: int, values: dict[str, float], why: str) -> None:
    made = world()
    with pytest.raises(InputError, match=why):
        made.hold(room, **values)
    assert made.held[1] == {}


def test_the_truth_about_a_room() -> None:
    made = world()
    made.hold(10, people=2, humidity=60)
    made.rooms[10].blinds[0].go(0)
    truth = made.truth(10)
    assert (truth.number, truth.people, truth.occupied, truth.humidity) == (10, 2, True, 60)
    assert truth.held == {"people": 2, "humidity": 60}
    assert (truth.blinds[0].position, truth.blinds[0].moving, truth.valves, truth.lamps) == (100, True, [0], [0])
    with pytest.raises(InputError, match="no room 3"):
        made.truth(3)


async def test_the_world_keeps_up_with_the_clock() -> None:
    clock = ManualClock(MONDAY_NOON)
    made = World(PLAN, clock)
    bus = Bus(made.rooms)
    made.devices.append(bus)
    async with running(made):
        await clock.advance(30)
    assert made.moment == MONDAY_NOON + 30_000
    assert bus.steps == [1.0] * 30


async def test_a_fast_clock_makes_longer_steps_not_more() -> None:
    ticked = asyncio.Event()
    made = World(PLAN, SystemClock(speed=3600, epoch=MONDAY_NOON))

    class Third(Bus):
        def step(self, seconds: float) -> None:
            super().step(seconds)
            if len(self.steps) == 30:
                ticked.set()

    bus = Third(made.rooms)
    made.devices.append(bus)
    begun = made.moment
    async with running(made), asyncio.timeout(10):
        await ticked.wait()
    assert max(bus.steps) == SUBSTEP_S
    assert sum(bus.steps) == pytest.approx((made.moment - begun) / 1000)


def test_the_log_knows_what_was_true_when() -> None:
    log = TruthLog()
    made = world(NIGHT, log=log)
    made.hold(1, people=2, humidity=55)
    made.step(600)
    made.hold(1, people=0, humidity=40)
    made.step(600)
    begin, later, end = NIGHT, NIGHT + 10 * MINUTE, made.moment
    assert log.was(1, "occupied", 1, begin, later)
    assert not log.was(1, "occupied", 1, later + 11_000, end)
    assert log.was(1, "humidity", 55, begin, begin + MINUTE, tolerance=0)
    assert not log.was(1, "humidity", 55, later + 11_000, end)
    assert log.ever(1, "humidity", begin, end, lambda value: value > 50)
    assert not log.ever(1, "humidity", later + 11_000, end, lambda value: value > 50)
    assert log.between(2, "occupied", begin, end) == [(NIGHT, 0.0)]
    assert log.between(99, "occupied", begin, end) == []


def test_what_changes_slowly_was_true_on_its_way() -> None:
    log = TruthLog()
    room = RoomWorld(1, humidity=40)
    log.record(0, room)
    room.humidity = 50
    log.record(1000, room)
    assert log.was(1, "humidity", 45, 0, 1000)
    assert not log.was(1, "humidity", 45, 1000, 2000)
    assert not log.was(1, "humidity", 45, 0, 999)


def test_the_log_is_bounded() -> None:
    log = TruthLog(limit=100)
    room = RoomWorld(1)
    for moment in range(1000):
        room.people = moment % 2
        log.record(moment, room)
    kept = log.between(1, "occupied", 0, 1000)
    assert len(kept) <= 100
    assert kept[-1] == (999, 1.0)


def test_the_log_keeps_its_order_when_something_is_set_between_two_steps() -> None:
    log = TruthLog()
    room = RoomWorld(1)
    log.record(1500, room)
    room.people = 1
    log.record(1000, room)
    assert log.between(1, "occupied", 0, 2000) == [(1500, 0.0), (1500, 1.0)]
