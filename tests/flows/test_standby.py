"""A gateway served by two processes over Apache Kafka: one drives it, the other takes over."""

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from insula.building.rules import load_ruleset
from insula.bus.channel import END_OF_DEVICES, Channel, Reader
from insula.bus.devices import DeviceIndex
from insula.bus.kafka import KafkaBus
from insula.bus.port import Outgoing
from insula.clock import SystemClock
from insula.gateways import reasons
from insula.messages import BuildingSettings, Command, CommandResult, Health, Origin
from tests.a_room import BLIND, RADIATOR, devices
from tests.services.kafka import Cluster
from tests.services.topics import empty_topics

pytestmark = pytest.mark.kafka
PATIENCE_S = 60
ANNA = Origin(kind="user", name="anna")


class Program:
    """One of the two; what it said is read line by line."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def says(self, line: str) -> None:
        assert self.process.stdout is not None
        while line not in self.said:
            heard = (await self.process.stdout.readline()).decode().strip()
            assert heard, "the process has ended"
            self.said.append(heard)

    @property
    def sent(self) -> list[str]:
        return [line.removeprefix("sent ") for line in self.said if line.startswith("sent ")]


@asynccontextmanager
async def gateway(cluster: Cluster, name: str = "1") -> AsyncIterator[Program]:
    command = (sys.executable, "-m", "tests.services.gateway_process", cluster.servers, name)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        yield Program(process)
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def building(cluster: Cluster) -> AsyncIterator[Channel]:
    await empty_topics(cluster)
    bus = KafkaBus(cluster.config, SystemClock())
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    following = asyncio.create_task(channel.follow_devices())
    await channel.send(BuildingSettings(time_zone="Europe/Zurich"), load_ruleset("default"), *devices())
    await bus.publish([Outgoing("db", END_OF_DEVICES, b"{}")])
    await channel.devices.complete()
    try:
        yield channel
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await bus.stop()


async def ask(channel: Channel, value: float, device_id: int = BLIND, point: str = "position") -> str:
    now = SystemClock().real()
    command = Command(
        at=now,
        device_id=device_id,
        gateway_id=channel.devices.get(device_id).gateway_id,
        point=point,
        value=value,
        expires_at=now + 120_000,
        origin=ANNA,
    )
    await channel.send(command)
    return command.id


async def next_of(reader: Reader, wanted: Callable[[object], bool]) -> object:
    while True:
        for received in await reader.batch():
            if wanted(received.message):
                return received.message


def answers(message: object, command_id: str) -> bool:
    return isinstance(message, CommandResult) and message.command.id == command_id


async def test_a_process_that_stood_still_sends_nothing_of_what_it_once_led(kafka: Cluster) -> None:
    async with building(kafka) as channel, gateway(kafka) as old, asyncio.timeout(PATIENCE_S):
        heard = await channel.read(["events", "state"], name="test")
        await next_of(heard, lambda message: isinstance(message, Health) and message.status == "ok")
        async with gateway(kafka) as new:
            await new.says("starts")
            first, waiting = await ask(channel, 10), await ask(channel, 20, RADIATOR, "valve")
            await old.says(f"sent {first}")
            await next_of(heard, lambda message: isinstance(message, Health) and message.counters["pending"] == 1)
            old.process.send_signal(signal.SIGSTOP)
            await new.says("leads")
            later = await ask(channel, 30)
            await new.says(f"sent {later}")
            old.process.send_signal(signal.SIGCONT)
            await old.says("stands by")
            refused = await next_of(heard, lambda message: answers(message, waiting))

    assert (old.sent, new.sent) == ([first], [later])
    assert isinstance(refused, CommandResult)
    assert (refused.outcome, refused.reason) == ("refused", reasons.HANDED_OVER)


async def test_a_driver_without_a_link_gives_way_to_who_has_one(kafka: Cluster) -> None:
    async with building(kafka) as channel, gateway(kafka, "north") as north, asyncio.timeout(PATIENCE_S):
        heard = await channel.read(["state"], name="test")
        await next_of(heard, lambda message: isinstance(message, Health) and message.driven_by == "north")
        async with gateway(kafka, "south") as south:
            await next_of(heard, lambda message: isinstance(message, Health) and message.instance == "knx@south")
            north.process.send_signal(signal.SIGUSR1)
            await north.says("stands by")
            await south.says("leads")
            told = await next_of(heard, lambda message: isinstance(message, Health) and message.driven_by == "south")
            later = await ask(channel, 30)
            await south.says(f"sent {later}")

    assert isinstance(told, Health)
    assert told.status == "ok"
    assert north.sent == []
