"""Recorders that divide the partitions of real Kafka, while one is halted or killed, or the database goes away."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupState, KafkaException
from sqlalchemy import func, select

import insula.recorder.recorder as recorder_module
from insula.building.demo import demo_plan
from insula.bus.channel import END_OF_DEVICES, Channel
from insula.bus.devices import DeviceIndex
from insula.bus.kafka import KafkaBus
from insula.bus.kafka_client import admin_client, answers
from insula.bus.port import Outgoing
from insula.clock import SystemClock
from insula.messages import DeviceRecord, Reading
from insula.recorder.recorder import READER, Recorder
from insula.store.building import import_plan
from insula.store.devices import list_devices
from insula.store.engine import Store
from insula.store.tables import Log
from tests.services.kafka import CLUSTER, Cluster
from tests.services.mariadb import MariaDbServer
from tests.services.topics import empty_topics

pytestmark = pytest.mark.kafka
PATIENCE_S = 240
SESSION_S = 2.0
ROOMS = 24
START = 1_767_225_600_000


class Building:
    """A building whose sensors say something new with every ``round``."""

    def __init__(self, cluster: Cluster, channel: Channel, store: Store) -> None:
        self._cluster = cluster
        self.channel = channel
        self.sent: set[tuple[int, int, float]] = set()
        self._store = store
        self._sensors: list[DeviceRecord] = []
        self._rounds = 0

    async def furnish(self) -> None:
        await import_plan(self._store, demo_plan(ROOMS))
        async with self._store.read() as connection:
            devices = await list_devices(connection)
        for device in devices:
            self.channel.devices.put(device)
        self.channel.devices.completed()
        await self.channel.send(*devices)
        await self.channel.bus.publish([Outgoing("db", END_OF_DEVICES, b"{}")])
        self._sensors = [device for device in devices if device.kind == "sensor"]

    async def round(self) -> None:
        self._rounds += 1
        at = START + self._rounds * 1000
        await self.channel.send(*(self._reading(sensor, at) for sensor in self._sensors))
        self.sent |= {(sensor.device_id, at, self._rounds / 100) for sensor in self._sensors}

    def _reading(self, sensor: DeviceRecord, at: int) -> Reading:
        times = {"at": at, "measured_at": at, "changed_at": at}
        place = {"device_id": sensor.device_id, "gateway_id": sensor.gateway_id, "point": "temperature"}
        return Reading(**times, **place, value=self._rounds / 100)

    async def recorded(self) -> bool:
        """Whether Log holds as many rows as were sent."""
        async with self._store.read() as connection:
            count = await connection.scalar(select(func.count()).select_from(Log))
        return count == len(self.sent)

    async def log(self) -> list[tuple[int, int, float]]:
        async with self._store.read() as connection:
            return [tuple(row) for row in await connection.execute(select(Log.c.device, Log.c.timestamp, Log.c.value))]

    async def go_on_until(self, recorders: int) -> None:
        """New readings all the while, until so many recorders share the work."""
        while await members(self._cluster) != recorders:
            await self.round()

    async def all_recorded(self) -> None:
        while not await self.recorded():
            await asyncio.sleep(0)


@asynccontextmanager
async def building(cluster: Cluster, store: Store) -> AsyncIterator[Building]:
    await empty_topics(cluster)
    async with member(cluster) as channel:
        it = Building(cluster, channel, store)
        await it.furnish()
        yield it


@asynccontextmanager
async def member(cluster: Cluster, devices: DeviceIndex | None = None) -> AsyncIterator[Channel]:
    bus = KafkaBus(cluster.config, SystemClock(), session_timeout_s=SESSION_S)
    await bus.start()
    try:
        yield Channel(bus, devices or DeviceIndex())
    finally:
        await bus.stop()


async def members(cluster: Cluster) -> int:
    """Recorders that have their share of the partitions; 0 as long as that is not settled."""
    asked = admin_client(cluster.config).describe_consumer_groups([f"insula-{READER}"])
    try:
        (group,) = (await answers(asked)).values()
    except KafkaException:  # a new broker has not yet read its groups
        return 0
    return len(group.members) if group.state == ConsumerGroupState.STABLE else 0


@asynccontextmanager
async def recorder_process(cluster: Cluster, folder: Path) -> AsyncIterator[Process]:
    """``insula run recorder``."""
    environment = {
        **os.environ,
        "INSULA_DATA": str(folder),
        "INSULA_BUS_KIND": "kafka",
        "INSULA_BUS_SERVERS": cluster.servers,
        "INSULA_BUS_SESSION_TIMEOUT_S": str(SESSION_S),
    }
    command = "from insula.cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", command, "run", "recorder"), env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_one_is_halted_another_killed_and_each_reading_is_there_once(kafka: Cluster, tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'insula.db'}")
    await store.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.stop)
        await stack.enter_async_context(asyncio.timeout(PATIENCE_S))
        it = await stack.enter_async_context(building(kafka, store))
        one, other = [await stack.enter_async_context(recorder_process(kafka, tmp_path)) for _ in range(2)]
        await it.go_on_until(2)
        one.send_signal(signal.SIGSTOP)
        await it.go_on_until(1)
        one.send_signal(signal.SIGCONT)
        await it.go_on_until(2)
        other.kill()
        await it.go_on_until(1)
        await it.all_recorded()
        log = await it.log()

    assert sorted(log) == sorted(it.sent)


@pytest.mark.mariadb
async def test_the_database_is_away_while_another_recorder_joins(
    kafka: Cluster, mariadb_alone: MariaDbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "RETRY_S", 0.2)
    url = mariadb_alone.create_database()
    store = Store(url)
    await store.upgrade()
    await store.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.stop)
        await stack.enter_async_context(asyncio.timeout(PATIENCE_S))
        it = await stack.enter_async_context(building(kafka, store))
        await stack.enter_async_context(recorder(kafka, store, it.channel.devices))
        await it.go_on_until(1)
        mariadb_alone.stop()
        await it.round()
        heir = await stack.enter_async_context(recorder(kafka, store, it.channel.devices))
        while not heir._why:
            await it.round()
        mariadb_alone.start()
        await it.go_on_until(2)
        await it.all_recorded()
        log = await it.log()

    assert sorted(log) == sorted(it.sent)


@asynccontextmanager
async def recorder(cluster: Cluster, store: Store, devices: DeviceIndex) -> AsyncIterator[Recorder]:
    async with member(cluster, devices) as channel:
        recorder = Recorder(channel, store, SystemClock(), run=CLUSTER)
        running = asyncio.create_task(recorder.run())
        try:
            yield recorder
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
