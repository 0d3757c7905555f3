"""How many rows a second the recorder stores from encoded records, and how many a bare program stores of the same rows.

From records that the in-memory bus already holds, into a new database with Insula's own tables: decoding, choosing,
writing and moving the positions; against multi-row inserts of the rows as they are, in batches of the same size, by
the same driver. The two take turns; each figure is a median.
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
from sqlalchemy import delete, select

from insula.building.demo import demo_plan
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import SystemClock
from insula.messages import DeviceRecord, Reading
from insula.recorder.recorder import ENOUGH, Recorder
from insula.store.building import import_plan
from insula.store.devices import list_devices
from insula.store.engine import Store
from insula.store.log import LogRow
from insula.store.tables import Log, Position
from tests.services.mariadb import MariaDbServer

ROOMS = 400
ROUNDS = 1000
TURNS = 3
BARE_ROWS = 1000
"""Rows of one bare statement."""


def measure() -> dict[str, float]:
    """Rows a second, and the part of the bare program's figure that this is."""
    return {**_sqlite(), **_mariadb()}


def _sqlite() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "insula.db"

        async def bare(rows: list[LogRow]) -> None:
            await asyncio.to_thread(_bare_sqlite, file, rows)

        return asyncio.run(_take_turns("sqlite", f"sqlite:///{file}", bare))


def _mariadb() -> dict[str, float]:
    server = MariaDbServer()
    try:
        server.install()
        server.start()
        url = server.create_database()

        async def bare(rows: list[LogRow]) -> None:
            await _bare_mariadb(server.port, url.rpartition("/")[2], rows)

        return asyncio.run(_take_turns("mariadb", url, bare))
    finally:
        server.remove()


def _bare_sqlite(file: Path, rows: list[LogRow]) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        for batch in _parts(rows, ENOUGH):
            connection.execute("BEGIN IMMEDIATE")
            for part in _parts(batch, BARE_ROWS):
                places = ",".join(["(?,?,?,?)"] * len(part))
                values = [value for row in part for value in row]
                connection.execute(f'INSERT INTO "Log" (timestamp, value, reason, device) VALUES {places}', values)
            connection.execute("COMMIT")


async def _bare_mariadb(port: int, database: str, rows: list[LogRow]) -> None:
    connection = await asyncmy.connect(host="127.0.0.1", port=port, user="root", db=database)
    async with connection.cursor() as cursor:
        for batch in _parts(rows, ENOUGH):
            statement = "INSERT INTO `Log` (timestamp, value, reason, device) VALUES (%s, %s, %s, %s)"
            await cursor.executemany(statement, batch)
            await connection.commit()
    await connection.ensure_closed()


def _parts(rows: list[LogRow], size: int) -> list[list[LogRow]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


async def _take_turns(name: str, url: str, bare: Callable[[list[LogRow]], Awaitable[None]]) -> dict[str, float]:
    ours, theirs = [], []
    async with _building(url) as (store, devices):
        for _ in range(TURNS):
            ours.append(await _recorded(store, devices))
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


async def _recorded(store: Store, devices: list[DeviceRecord]) -> float:
    """Rows a second, of readings that all changed."""
    bus = MemoryBus(SystemClock(), keep=10_000_000)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    for device in devices:
        channel.devices.put(device)
    channel.devices.completed()
    count = await _publish(channel, [device for device in devices if device.kind == "sensor"])
    recorder = Recorder(channel, store, SystemClock(), run="bench")
    started = time.perf_counter()
    running = asyncio.create_task(recorder.run())
    while recorder.counters["rows"] < count:
        await asyncio.sleep(0.005)
    duration = time.perf_counter() - started
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await bus.stop()
    return count / duration


async def _publish(channel: Channel, sensors: list[DeviceRecord]) -> int:
    """A reading of every sensor each second, as its gateway encodes it; how many."""
    for second in range(ROUNDS):
        at = 1_767_225_600_000 + second * 1000
        readings = [
            Reading(
                at=at,
                device_id=sensor.device_id,
                gateway_id=sensor.gateway_id,
                point="temperature",
                value=20 + second / 100,
                measured_at=at,
                changed_at=at,
            )
            for sensor in sensors
        ]
        await channel.send(*readings)
    return ROUNDS * len(sensors)


async def _stored(store: Store) -> list[LogRow]:
    """The rows in the order in which they were measured."""
    async with store.read() as connection:
        query = select(Log.c.timestamp, Log.c.value, Log.c.reason, Log.c.device)
        return [LogRow(*row) for row in await connection.execute(query.order_by(Log.c.timestamp, Log.c.device))]


async def _empty(store: Store) -> None:
    async with store.write() as connection:
        await connection.execute(delete(Log))
        await connection.execute(delete(Position))
