"""Two processes serve one gateway: who drives it without a link gives way to the other, and both show in /health."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from insula.api.health import HealthBoard
from insula.bus.channel import END_OF_DEVICES, Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.bus.port import Outgoing
from insula.clock import ManualClock, settle
from insula.gateways.fake import FakeFieldBus
from insula.gateways.run import GatewayRunner
from insula.messages import Command, Origin
from tests.a_room import BLIND, devices

WITHIN_S = 10
"""By then the other drives."""
LONG_S = 120


@asynccontextmanager
async def working(*tasks: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Pair:
    """Processes ``north`` and ``south`` with a link each; ``north`` began to drive."""

    clock: ManualClock
    channel: Channel
    board: HealthBoard
    links: dict[str, FakeFieldBus] = field(default_factory=lambda: {"north": FakeFieldBus(), "south": FakeFieldBus()})

    @asynccontextmanager
    async def process(self, name: str) -> AsyncIterator[None]:
        runner = GatewayRunner("knx", "knx", self.links[name], self.channel, self.clock, name)
        async with working(asyncio.create_task(runner.run())):
            await settle()
            yield

    async def passes(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        await settle()

    @property
    def gateway(self) -> tuple[str, str, dict[str, str]]:
        """Who drives, how well, and who stands by."""
        told = self.board.report()["parts"]["gateway/knx"]
        return told["driven_by"], told["status"], told["standby"]

    async def sent(self, value: float) -> list[str]:
        """On which links a command of now goes out."""
        now = self.clock.real()
        await self.channel.send(
            Command(
                at=now,
                device_id=BLIND,
                gateway_id="knx",
                point="position",
                value=value,
                expires_at=now + 30_000,
                origin=Origin(kind="user", name="anna"),
            )
        )
        await self.passes(1)
        return [name for name, link in self.links.items() if any(one.value == value for one in link.sent)]


@pytest.fixture
async def building(clock: ManualClock) -> AsyncIterator[Pair]:
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    board = HealthBoard(channel, clock)
    async with working(asyncio.create_task(channel.follow_devices()), asyncio.create_task(board.run())):
        await channel.send(*devices())
        await bus.publish([Outgoing("db", END_OF_DEVICES, b"{}")])
        yield Pair(clock, channel, board)
    await bus.stop()


@pytest.fixture
async def pair(building: Pair) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        for name in ("north", "south"):
            await stack.enter_async_context(building.process(name))
        yield building


async def test_one_drives_and_the_other_stands_by(pair: Pair) -> None:
    assert pair.gateway == ("north", "ok", {"south": "ok"})
    assert await pair.sent(10) == ["north"]


async def test_whose_link_is_down_gives_way_to_whose_is_up(pair: Pair) -> None:
    pair.links["north"].cut()
    await pair.passes(WITHIN_S)
    assert pair.gateway == ("south", "ok", {"north": "degraded"})
    assert pair.board.report()["why"] == ["standby/knx@north: cable pulled"]
    assert await pair.sent(10) == ["south"]

    pair.links["north"].restore()
    await pair.passes(LONG_S)
    assert pair.gateway == ("south", "ok", {"north": "ok"})


async def test_a_link_that_is_back_soon_keeps_its_gateway(pair: Pair) -> None:
    pair.links["north"].cut()
    await pair.passes(3)
    pair.links["north"].restore()
    await pair.passes(LONG_S)
    assert pair.gateway == ("north", "ok", {"south": "ok"})


async def test_with_both_links_down_nobody_gives_way_until_one_is_up(pair: Pair) -> None:
    for link in pair.links.values():
        link.cut()
    for _ in range(LONG_S):
        await pair.passes(1)
        assert pair.gateway == ("north", "degraded", {"south": "degraded"})

    pair.links["south"].restore()
    await pair.passes(WITHIN_S)
    assert pair.gateway == ("south", "ok", {"north": "degraded"})


async def test_who_never_had_a_link_gives_way_to_who_comes_later(building: Pair) -> None:
    building.links["north"].cut()
    async with building.process("north"):
        await building.passes(LONG_S)
        assert building.gateway == ("north", "degraded", {})
        async with building.process("south"):
            await building.passes(WITHIN_S)
            assert building.gateway == ("south", "ok", {"north": "degraded"})


async def test_it_is_given_back_when_the_heir_loses_its_link_too(pair: Pair) -> None:
    pair.links["north"].cut()
    await pair.passes(LONG_S)
    pair.links["north"].restore()
    pair.links["south"].cut()
    await pair.passes(WITHIN_S)
    assert pair.gateway == ("north", "ok", {"south": "degraded"})
    assert await pair.sent(20) == ["north"]


async def test_one_that_stood_by_and_is_silent_shows(building: Pair) -> None:
    async with building.process("north"):
        async with building.process("south"):
            assert building.gateway == ("north", "ok", {"south": "ok"})
        await building.passes(16)
        assert building.board.report()["why"] == ["standby/knx@south: silent for 16 s"]
        await building.passes(600)
        assert building.gateway == ("north", "ok", {})


async def test_an_heir_is_not_missed_where_it_stood_by(building: Pair) -> None:
    async with AsyncExitStack() as heir:
        async with building.process("south"):
            await heir.enter_async_context(building.process("north"))
            assert building.gateway == ("south", "ok", {"north": "ok"})
        await building.passes(LONG_S)
        assert building.gateway == ("north", "ok", {})
        assert building.board.report()["why"] == []
