"""Recorded days once more: the same rules decide the same, others are compared, and nothing reaches a bus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
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
from insula.store.events import decisions_between
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
async def lived_in(folder: Path, at: int) -> AsyncIterator[Home]:
    clock = ManualClock(at)
    store = Store(f"sqlite:///{folder / 'insula.db'}")
    await store.start()
    await import_plan(store, demo_plan(ROOMS))
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    day = Day(
        clock, World(demo_plan(ROOMS), clock, seed=5), channel, FakeFieldBus(), FakeFieldBus(concurrent=8), TruthLog()
    )
    works = (
        channel.follow_devices(),
        day.listen(),
        Recorder(channel, store, clock, run="test", batch_s=60).run(),
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
    """The decisions as they are in the database, once all of them and their results are."""
    async with asyncio.timeout(20):
        while True:
            await home.clock.advance(60)
            async with home.store.read() as connection:
                stored = await decisions_between(connection, 0, 2**62)
                results = await connection.scalar(select(func.count()).select_from(CommandResult))
            if len(stored) == len(home.day.decisions) and results == home.day.results.total():
                return stored


@pytest.mark.parametrize("seed", [None, 1])
async def test_the_same_rules_decide_exactly_what_is_recorded(tmp_path: Path, seed: int | None) -> None:
    async with lived_in(tmp_path, MORNING) as home:
        await home.day.live(MORNING + 12 * HOUR, None if seed is None else Random(seed))
        recorded = await all_recorded(home)
        outcome = await rehearse_recorded(home.store, Question())
    assert outcome.reproduction is not None
    assert len(recorded) > 12
    assert (outcome.reproduction.missed, outcome.reproduction.extra) == ([], [])
    assert outcome.reproduction.reproduced == len(recorded)
