"""Two controllers, each its own process, share the rooms over Apache Kafka; one is killed."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from insula.bus.channel import END_OF_DEVICES, Reader
from insula.bus.port import Outgoing
from insula.bus.topics import PARTITIONS
from insula.clock import SystemClock
from insula.messages import Command, Health, Reading
from tests.a_room import LAMP, NOON, RADIATOR, SENSOR, devices, reading
from tests.flows.test_standby import PATIENCE_S, building
from tests.services.kafka import Cluster

pytestmark = pytest.mark.kafka
ROOMS = range(1, PARTITIONS + 1)
"""One a partition: each controller has half of them."""
RUN = "import sys; from insula.cli import main; sys.argv[1:] = ['run', 'controller']; main()"
NOBODY_IN_A_DARK_ROOM = {
    (RADIATOR, "valve"): 50,
    (SENSOR, "temperature"): 20,
    (SENSOR, "humidity"): 40,
    (SENSOR, "illuminance"): 10,
    (SENSOR, "motion"): 0,
    (LAMP, "level"): 0,
    (1, "position"): 100,
    (1, "wind_alarm"): 0,
}


def text(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat()


@asynccontextmanager
async def controller(cluster: Cluster, instance: str, clock: SystemClock) -> AsyncIterator[Process]:
    settings = {
        "INSULA_INSTANCE": instance,
        "INSULA_BUS_KIND": "kafka",
        "INSULA_BUS_SERVERS": cluster.servers,
        "INSULA_CLOCK_EPOCH": f"{text(clock.epoch)}@{text(clock.anchor)}",
        "INSULA_LOG_LEVEL": "error",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, env={**os.environ, **settings})
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def shared(health: Reader, *instances: str) -> None:
    """Waits until each of these decides for as many rooms."""
    rooms: dict[str, float] = {}
    while rooms != {instance: PARTITIONS / len(instances) for instance in instances}:
        for received in await health.batch():
            if isinstance(received.message, Health):
                rooms[received.message.instance] = received.message.counters["rooms"]


async def commanded(commands: Reader, point: str) -> Counter[int]:
    """Every command of this point, once each device has one."""
    found: Counter[int] = Counter()
    while len(found) < PARTITIONS:
        for received in await commands.batch():
            if isinstance(received.message, Command) and received.message.point == point:
                found[received.message.device_id] += 1
    return found


def said(clock: SystemClock, room: int, device: int, point: str, value: float) -> Reading:
    return reading(point, value, clock.now(), device_id=10 * (room - 1) + device)


async def test_the_rooms_of_a_controller_that_died_are_decided_by_the_other(kafka: Cluster) -> None:
    clock = SystemClock(epoch=NOON)
    async with building(kafka) as channel, asyncio.timeout(PATIENCE_S):
        await channel.send(*(device for room in ROOMS for device in devices(room)))
        await channel.bus.publish([Outgoing("db", END_OF_DEVICES, b"{}")])
        while len(list(channel.devices)) < 4 * PARTITIONS:
            await asyncio.sleep(0)
        health = await channel.read(["state"], name="health")
        commands = await channel.read(["knx", "zwave"], name="commands")
        async with controller(kafka, "a", clock) as dying, controller(kafka, "b", clock):
            await shared(health, "a", "b")
            known = NOBODY_IN_A_DARK_ROOM.items()
            await channel.send(*(said(clock, room, *key, value) for room in ROOMS for key, value in known))
            cool = await commanded(commands, "valve")
            dying.kill()
            await dying.wait()
            await channel.send(*(said(clock, room, SENSOR, "motion", 1) for room in ROOMS))
            light = await commanded(commands, "level")

    assert cool == Counter({10 * (room - 1) + RADIATOR: 1 for room in ROOMS})
    assert light == Counter({10 * (room - 1) + LAMP: 1 for room in ROOMS})
