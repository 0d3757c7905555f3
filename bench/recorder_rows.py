"""How many rows a second the recorder stores from Kafka, and how many a bare program stores of the same rows.

From records that a broker already holds, into a new database with Insula's own tables: reading, decoding, choosing,
writing and moving the positions; against multi-row inserts of the rows as they are, by the same driver. The two take
turns; each figure is a median. The recorder's is that of the rows after its first batch, so that joining its group is
not in it.
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from statistics import median

import asyncmy
from msgspec.structs import astuple
from sqlalchemy import delete, select

from insula.building.demo import demo_plan
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.kafka import KafkaBus
from insula.clock import SystemClock
from insula.garbage import search_seldom
from insula.messages import DeviceRecord, Reading
from insula.recorder.recorder import Recorder
from insula.store.building import import_plan
from insula.store.devices import list_devices
from insula.store.engine import Store
from insula.store.log import LogRow
from insula.store.tables import Log, Position
from tests.services import kafka
from tests.services.mariadb import MariaDbServer
from tests.services.topics import empty_topics

ROOMS = 400
ROUNDS = 1000
TURNS = 3
BARE_BATCH, BARE_ROWS = 5000, 1000
"""Rows of one bare transaction and, on SQLite, statement, in the order in which they were measured."""


def measure() -> dict[str, float]:
    """Rows a second, and the part of the bare program's figure that this is."""
    search_seldom()
    with tempfile.TemporaryDirectory() as folder, kafka.running(Path(folder)) as cluster:
        return {**_sqlite(cluster), **_mariadb(cluster)}


def _sqlite(cluster: kafka.Cluster) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "insula.db"

        async def bare(rows: list[LogRow]) -> None:
            await asyncio.to_thread(_bare_sqlite, file, rows)

        return asyncio.run(_take_turns("sqlite", cluster, f"sqlite:///{file}", bare))


def _mariadb(cluster: kafka.Cluster) -> dict[str, float]:
    server = MariaDbServer()
    try:
        server.install()
        server.start()
        url = server.create_database()

        async def bare(rows: list[LogRow]) -> None:
            await _bare_mariadb(server.port, url.rpartition("/")[2], rows)

        return asyncio.run(_take_turns("mariadb", cluster, url, bare))
    finally:
        server.remove()


def _bare_sqlite(file: Path, rows: list[LogRow]) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        for batch in _parts(rows, BARE_BATCH):
            connection.execute("BEGIN IMMEDIATE")
            for part in _parts(batch, BARE_ROWS):
                places = ",".join(["(?,?,?,?)"] * len(part))
                values = [value for row in part for value in astuple(row)]
                connection.execute(f'INSERT INTO "Log" (timestamp, value, reason, device) VALUES {places}', values)
            connection.execute("COMMIT")


async def _bare_mariadb(port: int, database: str, rows: list[LogRow]) -> None:
    connection = await asyncmy.connect(host="127.0.0.1", port=port, user="root", db=database)
    async with connection.cursor() as cursor:
        for batch in _parts(rows, BARE_BATCH):
            statement = "INSERT INTO `Log` (timestamp, value, reason, device) VALUES (%s, %s, %s, %s)"
            await cursor.executemany(statement, [astuple(row) for row in batch])
            await connection.commit()
    await connection.ensure_closed()


def _parts(rows: list[LogRow], size: int) -> list[list[LogRow]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


async def _take_turns(
    name: str, cluster: kafka.Cluster, url: str, bare: Callable[[list[LogRow]], Awaitable[None]]
) -> dict[str, float]:
    ours, theirs = [], []
    async with _building(url) as (store, devices):
        await empty_topics(cluster)
        count = await _publish(cluster, devices)
        for _ in range(TURNS):
            ours.append(await _recorded(cluster, store, devices, count))
            rows = await _stored(store)
            await _empty(store)
            started = time.perf_counter()
            await bare(rows)
            theirs.append(len(rows) / (time.perf_counter() - started))
            await _empty(store)
    own = median(ours)
    return {f"recorder_{name}_rows_s": own, f"recorder_{name}_vs_bare": own / median(theirs)}


@asynccontextmanager
async def _building(url: str) -> AsyncIterator[tuple[Store, list[DeviceRecord]]]:
    store = Store(url)
    await store.upgrade()
    await store.start()
    try:
        await import_plan(store, demo_plan(ROOMS))
        async with store.read() as connection:
            devices = await list_devices(connection)
        yield store, devices
    finally:
        await store.stop()


@asynccontextmanager
async def _channel(cluster: kafka.Cluster, devices: list[DeviceRecord]) -> AsyncIterator[Channel]:
    bus = KafkaBus(cluster.config, SystemClock())
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    for device in devices:
        channel.devices.put(device)
    channel.devices.completed()
    try:
        yield channel
    finally:
        await bus.stop()


async def _recorded(cluster: kafka.Cluster, store: Store, devices: list[DeviceRecord], count: int) -> float:
    """Rows a second, of readings that all changed."""
    async with _channel(cluster, devices) as channel:
        recorder = Recorder(channel, store, SystemClock(), run="bench")
        running = asyncio.create_task(recorder.run())
        while not (first := recorder.counters["rows"]):
            await asyncio.sleep(0.001)
        started = time.perf_counter()
        while recorder.counters["rows"] < count:
            await asyncio.sleep(0.005)
        duration = time.perf_counter() - started
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return (count - first) / duration


async def _publish(cluster: kafka.Cluster, devices: list[DeviceRecord]) -> int:
    """A reading of every sensor each second, as its gateway encodes it; how many."""
    sensors = [device for device in devices if device.kind == "sensor"]
    async with _channel(cluster, devices) as channel:
        for second in range(ROUNDS):
            await channel.send(*(_reading(sensor, second) for sensor in sensors))
    return ROUNDS * len(sensors)


def _reading(sensor: DeviceRecord, second: int) -> Reading:
    at = 1_767_225_600_000 + second * 1000
    return Reading(
        at=at,
        device_id=sensor.device_id,
        gateway_id=sensor.gateway_id,
        point="temperature",
        value=20 + second / 100,
        measured_at=at,
        changed_at=at,
    )


async def _stored(store: Store) -> list[LogRow]:
    """The rows in the order in which they were measured."""
    async with store.read() as connection:
        query = select(Log.c.timestamp, Log.c.value, Log.c.reason, Log.c.device)
        return [LogRow(*row) for row in await connection.execute(query.order_by(Log.c.timestamp, Log.c.device))]


async def _empty(store: Store) -> None:
    async with store.write() as connection:
        await connection.execute(delete(Log))
        await connection.execute(delete(Position))
