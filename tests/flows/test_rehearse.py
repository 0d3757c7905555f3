"""Recorded days once more: the same rules decide the same, others are compared, and nothing reaches a bus."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from insula.building.demo import demo_plan
from insula.building.rules import load_ruleset
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import ManualClock
from insula.controller.controller import Controller
from insula.directory.directory import Directory
from insula.gateways.fake import FakeFieldBus
from insula.gateways.run import GatewayRunner
from insula.messages import Decision
from insula.recorder.recorder import Recorder
from insula.rehearsal.recorded import Question, rehearse_recorded
from insula.simulator.truth import TruthLog
from insula.simulator.world import World
from insula.store.building import import_plan
from insula.store.engine import Store
from insula.store.events import decisions_between, why
from insula.store.rule_versions import put_shadow
from insula.store.tables import CommandResult
from tests.a_room import HOUR, NOON
from tests.flows.test_a_day_on_fake_links import ROOMS, Day, _install

MORNING = NOON - 6 * HOUR


@dataclass
class Home:
    """A simulated building over fake buses, decided for by the real controller; what happens is recorded."""

    clock: ManualClock
    store: Store
    channel: Channel
    day: Day


@asynccontextmanager
async def lived_in(folder: Path, at: int, shadow: str = "") -> AsyncIterator[Home]:
    """``shadow``: a set that is tried beside ``default``."""
    clock = ManualClock(at)
    store = Store(f"sqlite:///{folder / 'insula.db'}")
    await store.start()
    await import_plan(store, demo_plan(ROOMS))
    if shadow:
        await put_shadow(store, load_ruleset(shadow), "", "ada", 1)
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    day = Day(
        clock, World(demo_plan(ROOMS), clock, seed=5), channel, FakeFieldBus(), FakeFieldBus(concurrent=8), TruthLog()
    )
    works = (
        channel.follow_devices(),
        day.listen(),
        Recorder(channel, store, clock, run="test", alone=True, batch_s=60).run(),
        Directory(channel, store, clock, rules=load_ruleset, poll_s=60).run(),
        GatewayRunner("knx", "knx", day.knx, channel, clock).run(),
        GatewayRunner("zwave", "zwave", day.zwave, channel, clock).run(),
        Controller(channel, clock).run(),
    )
    tasks = [asyncio.create_task(work) for work in works]
    async with asyncio.timeout(20):
        await channel.devices.complete()
        while not (day.knx.served and day.zwave.served):
            await asyncio.sleep(0)
    for device in channel.devices:
        _install(day, device)
    try:
        yield Home(clock, store, channel, day)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.stop()
        await store.stop()


async def all_recorded(home: Home) -> list[Decision]:
    """The decisions of the rules in force as they are in the database, once all of them and their results are."""
    made = [decision for decision in home.day.decisions if not decision.shadow]
    async with asyncio.timeout(20):
        while True:
            await home.clock.advance(60)
            async with home.store.read() as connection:
                stored = await decisions_between(connection, 0, 2**62)
                results = await connection.scalar(select(func.count()).select_from(CommandResult))
            if len(stored) == len(made) and results == home.day.results.total():
                return stored


def told(decisions: Iterable[Decision]) -> set[tuple[object, ...]]:
    """What a decision says, without the ids by which it is known."""
    return {
        (one.decided_at, one.device_id, one.point, one.value, one.rule, one.version, one.because, one.lost, *seen)
        for one in decisions
        for seen in [tuple(sorted(one.values.items()))]
    }


def telegrams(day: Day) -> list[tuple[int, int, str, float]]:
    """What was carried out on the field buses, and when."""
    return day.carried_out


async def test_the_same_rules_decide_exactly_what_is_recorded(tmp_path: Path) -> None:
    """Over a day on which links are cut and sensors die."""
    async with lived_in(tmp_path, MORNING) as home:
        await home.day.live(MORNING + 10 * HOUR, Random(1))
        recorded = await all_recorded(home)
        replayed: list[Decision] = []
        outcome = await rehearse_recorded(home.store, Question(), again=replayed.append)
    assert len(recorded) > 20
    assert home.day.faults["cut"] > 5
    assert outcome.reproduction is not None
    assert (outcome.reproduction.missed, outcome.reproduction.extra) == ([], [])
    assert outcome.reproduction.reproduced == outcome.reproduction.recorded == len(recorded)
    assert told(replayed) == told(recorded)
    assert {one.command_id for one in recorded} <= set(home.day.commands)


async def test_other_rules_are_compared_with_the_present_ones(tmp_path: Path) -> None:
    async with lived_in(tmp_path, MORNING) as home:
        await home.day.live(MORNING + 4 * HOUR, None)
        recorded = await all_recorded(home)
        sent = list(home.day.commands)
        outcome = await rehearse_recorded(home.store, Question(changed=load_ruleset("comfort")))
        await home.clock.advance(5)
        assert list(home.day.commands) == sent, "a rehearsal drives nothing"
    (present, before), (changed, after) = outcome.figures
    assert (present.name, changed.name, outcome.reproduction) == ("default", "comfort", None)
    assert before.commands == len(recorded)
    assert before.moves.total() == sum(one.point == "position" for one in recorded)
    assert after.valve_percent_h != before.valve_percent_h
    assert after.occupied_min == pytest.approx(before.occupied_min) != 0


async def test_a_shadow_tells_and_drives_nothing(tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    async with lived_in(tmp_path, MORNING) as home:
        await home.day.live(MORNING + 3 * HOUR, None)
        alone = home.day
    async with lived_in(tmp_path / "with", MORNING, shadow="comfort") as home:
        await home.day.live(MORNING + 2 * HOUR, None)
        await rehearse_recorded(home.store, Question(changed=load_ruleset("2020"), days=1))
        await home.day.live(MORNING + 3 * HOUR, None)
        beside = home.day
        shadows = [decision for decision in beside.decisions if decision.shadow]
        await all_recorded(home)
        async with home.store.read() as connection:
            told_of = await why(connection, 0, 2**62, limit=1000)
    assert len(shadows) > 3
    assert {one.version for one in shadows} == {load_ruleset("comfort").version}
    assert telegrams(beside) == telegrams(alone) != []
    assert told(one for one in beside.decisions if not one.shadow) == told(alone.decisions)
    assert {one.origin.name for one in beside.commands.values()} == {one.origin.name for one in alone.commands.values()}
    assert len(beside.commands) == len(alone.commands)
    assert not {one.command_id for one in shadows} & set(beside.commands)
    kept = [one for one in told_of.rows if one.decision is not None and one.decision.shadow]
    assert {one.command_id for one in kept} >= {one.command_id for one in shadows}


async def test_nobody_drives_anything_for_a_forged_decision(tmp_path: Path) -> None:
    async with lived_in(tmp_path, MORNING) as home:
        await home.day.live(MORNING + HOUR // 2, None)
        before = list(home.day.knx.sent), len(home.day.commands), list(telegrams(home.day))
        blind = next(device for device in home.channel.devices if device.kind == "blind")
        forged = Decision(
            at=home.clock.real(),
            room_id=blind.room_id,
            device_id=blind.device_id,
            point="position",
            value=33,
            rule="forged",
            version="1",
            command_id="forged",
            trigger="nothing",
            shadow=True,
        )
        record = home.channel.codec.encode(forged)
        await home.channel.bus.publish([record, replace(record, topic="knx"), replace(record, topic="zwave")])
        await home.clock.advance(15)
        assert (list(home.day.knx.sent), len(home.day.commands), list(telegrams(home.day))) == before
        assert home.channel.undecodable > 0, "on a field bus's topic it is no message"
