"""MariaDB: who is halted within a transaction does not hold its rows for ever, and loses nothing when it goes on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

import insula.recorder.recorder as recorder_module
from insula.building.demo import demo_plan
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import SystemClock
from insula.errors import Unavailable
from insula.messages import Reading
from insula.recorder.recorder import Recorder
from insula.store import mariadb as mariadb_module
from insula.store.building import import_plan
from insula.store.devices import list_devices
from insula.store.engine import Store
from insula.store.tables import Change, Device, Log, Position
from tests.services.mariadb import MariaDbServer

pytestmark = pytest.mark.mariadb
PATIENCE_S = 60
START = 1_767_225_600_000


@pytest.fixture
def url(mariadb: MariaDbServer, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(mariadb_module, "IDLE_WRITE_S", 1)
    monkeypatch.setattr(recorder_module, "RETRY_S", 0.05)
    return mariadb.create_database()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """Of the process that is halted."""
    store = Store(url)
    await store.upgrade()
    await store.start()
    await import_plan(store, demo_plan())
    yield store
    await store.stop()


@pytest.fixture
async def other(url: str, store: Store) -> AsyncIterator[Store]:
    """Of the next one."""
    other = Store(url)
    await other.start()
    yield other
    await other.stop()


async def touch(store: Store, statement: Any) -> None:
    """Write, as every part does: again and again while the database is too busy."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with store.write() as connection:
                    await connection.execute(statement)
                return
            except Unavailable:
                await asyncio.sleep(0)


async def changes(store: Store) -> list[str]:
    async with store.read() as connection:
        return list((await connection.scalars(select(Change.c.what).order_by(Change.c.id))).all())


async def test_a_halted_writer_is_cut_off_and_the_next_one_goes_on(store: Store, other: Store) -> None:
    moved = update(Device).values(place=Device.c.place + 1)

    async def halted() -> None:
        async with store.write() as connection:
            await connection.execute(insert(Change), {"at": 1, "what": "halted"})
            await connection.execute(moved)
            await touch(other, moved)
            await connection.execute(insert(Change), {"at": 2, "what": "too late"})

    with pytest.raises(Unavailable):
        await halted()
    await touch(store, insert(Change).values(at=3, what="again"))

    assert [what for what in await changes(other) if what in ("halted", "too late", "again")] == ["again"]


async def test_the_limits_hold_for_every_connection_and_one_that_reads_has_more_time(store: Store) -> None:
    limits = text("SELECT @@idle_write_transaction_timeout, @@idle_readonly_transaction_timeout")
    async with store.read() as one, store.read() as another:
        found = [tuple((await connection.execute(limits)).one()) for connection in (one, another)]
    assert found == [(1, mariadb_module.IDLE_READ_S)] * 2


async def test_a_recorder_that_was_halted_loses_no_row(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    halted, goes_on, add_log = asyncio.Event(), asyncio.Event(), recorder_module.add_log

    async def halting(connection: Any, rows: Any) -> None:
        """The first time, with the positions moved and the rows not yet written."""
        if not halted.is_set():
            halted.set()
            await goes_on.wait()
        await add_log(connection, rows)

    monkeypatch.setattr(recorder_module, "add_log", halting)
    bus, index = MemoryBus(SystemClock()), DeviceIndex()
    async with store.read() as connection:
        for device in await list_devices(connection):
            index.put(device)
    index.completed()
    await bus.start()
    channel = Channel(bus, index)
    recording = asyncio.create_task(Recorder(channel, store, bus.clock, run="1").run())
    sensor = next(device for device in index if device.kind == "sensor")
    async with asyncio.timeout(PATIENCE_S):
        await channel.send(*(measured(sensor.device_id, sensor.gateway_id, value) for value in range(3)))
        await halted.wait()
        await touch(other, update(Position).values(offset=Position.c.offset))
        await channel.send(measured(sensor.device_id, sensor.gateway_id, 3))
        goes_on.set()
        while len(rows := await log(other)) < 4:
            await asyncio.sleep(0)
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)
    await bus.stop()

    assert rows == [0, 1, 2, 3]
    assert await log(other) == rows


def measured(device_id: int, gateway_id: str, value: int) -> Reading:
    at = START + value * 1000
    times = {"at": at, "measured_at": at, "changed_at": at}
    return Reading(**times, device_id=device_id, gateway_id=gateway_id, point="temperature", value=value)


async def log(store: Store) -> list[float]:
    async with store.read() as connection:
        return list((await connection.scalars(select(Log.c.value).order_by(Log.c.timestamp))).all())
