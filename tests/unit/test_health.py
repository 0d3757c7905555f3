"""``/health``: which processes it speaks of, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from insula.api.health import HealthBoard
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.health import GONE_MS, SILENT_MS
from insula.bus.memory import MemoryBus
from insula.clock import ManualClock, settle
from insula.messages import Health


@asynccontextmanager
async def board(clock: ManualClock, *said: Health) -> AsyncIterator[HealthBoard]:
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    it = HealthBoard(channel, clock)
    running = asyncio.create_task(it.run())
    await channel.send(*said)
    async with asyncio.timeout(10):
        while len(it.report()["parts"]) < len({(one.part, one.instance) for one in said}):
            await settle(1)
    try:
        yield it
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await bus.stop()


def health(part: str, instance: str, clock: ManualClock) -> Health:
    return Health(part=part, instance=instance, at=clock.real(), status="ok")


async def test_who_is_silent_degrades(clock: ManualClock) -> None:
    async with board(clock, health("recorder", "north", clock)) as it:
        assert it.report()["status"] == "ok"
        await clock.advance(SILENT_MS / 1000 + 1)
        assert it.report()["why"] == ["recorder/north: silent for 16 s"]


async def test_who_was_replaced_is_forgotten(clock: ManualClock) -> None:
    async with board(clock, health("recorder", "old", clock), health("gateway", "knx", clock)) as it:
        await clock.advance(GONE_MS / 1000 + 1)
        assert [line.partition(":")[0] for line in it.report()["why"]] == ["gateway/knx", "recorder/old"]
        await it._channel.send(health("recorder", "new", clock))
        async with asyncio.timeout(10):
            while "recorder/new" not in it.report()["parts"]:
                await settle(1)
        assert list(it.report()["parts"]) == ["gateway/knx", "recorder/new"]
