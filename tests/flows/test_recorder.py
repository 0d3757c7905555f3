"""Readings and state on the bus -> their tables."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import event, insert, select, update
from sqlalchemy.exc import OperationalError

import insula.recorder.recorder as recorder_module
from insula.building.demo import demo_plan
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.bus.port import Outgoing, Record
from insula.clock import ManualClock, settle
from insula.errors import Unavailable
from insula.messages import (
    Alert,
    AlertEvent,
    BuildingSettings,
    Command,
    CommandResult,
    Decision,
    DeviceRecord,
    Health,
    Lease,
    Message,
    Origin,
    Point,
    Reading,
)
from insula.recorder.recorder import ENOUGH, FULL, LIMIT, READER, Recorder
from insula.recorder.selection import Selection
from insula.store.alerts import list_alerts
from insula.store.building import import_plan
from insula.store.devices import list_devices
from insula.store.engine import Store
from insula.store.events import Page, Why, why
from insula.store.log import LogRow
from insula.store.positions import load_positions
from insula.store.state import load_state, replay_state
from insula.store.tables import Log, Position

MINUTE = 60_000


@dataclass
class Bench:
    """A building in the database, a bus, and recorders on it."""

    clock: ManualClock
    store: Store
    bus: MemoryBus
    channel: Channel
    sensor: DeviceRecord
    blind: DeviceRecord
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    at: int = 0

    async def record(self, **options: Any) -> Recorder:
        """Start a recorder; returns when it reads."""
        recorder = Recorder(self.channel, self.store, self.clock, **{"run": "run 1", **options})
        self.tasks.append(asyncio.create_task(recorder.run()))
        await until(lambda: bool(recorder._held))
        return recorder

    async def stop(self) -> None:
        while self.tasks:
            task = self.tasks.pop()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def reading(self, value: float, point: str = "temperature", **fields: Any) -> Reading:
        """A new measurement of room 1's sensor, a minute after the last."""
        self.at += MINUTE
        device = self.blind if self.blind.point(point) else self.sensor
        known = {"device_id": device.device_id, "gateway_id": device.gateway_id, "point": point, "at": 0}
        times = {"measured_at": self.at, "changed_at": self.at}
        return Reading(**{**known, **times, "value": value, **fields})

    async def rows(self) -> list[LogRow]:
        async with self.store.read() as connection:
            query = select(Log.c.timestamp, Log.c.value, Log.c.reason, Log.c.device).order_by(Log.c.timestamp)
            return [LogRow(*row) for row in await connection.execute(query)]

    async def values(self) -> list[float]:
        return [row.value for row in await self.rows()]

    async def state(self) -> dict[str, bytes]:
        async with self.store.read() as connection:
            return await load_state(connection)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what threads of the database bring about."""
    async with asyncio.timeout(20):
        while not condition():
            await settle(1)


async def recorded(bench: Bench, recorder: Recorder, *messages: Any) -> None:
    """Send these, and have them written."""
    await bench.channel.send(*messages)
    await settle()
    await recorder.flush()


@pytest.fixture
async def bench(store: Store, clock: ManualClock) -> AsyncIterator[Bench]:
    await import_plan(store, demo_plan())
    async with store.read() as connection:
        devices = await list_devices(connection)
    bus, index = MemoryBus(clock), DeviceIndex()
    for device in devices:
        index.put(device)
    index.completed()
    bench = Bench(clock, store, bus, Channel(bus, index), devices[2], devices[0])
    await bus.start()
    try:
        yield bench
    finally:
        await bench.stop()
        await bus.stop()


# --- which readings


def taken(*readings: Reading, every_s: float = 300, now: int = 0) -> list[tuple[int, float]]:
    selection = Selection(every_s)
    rows = [row for reading in readings if (row := selection.row(reading, now)) is not None]
    return [(row.timestamp // MINUTE, row.value) for row in rows]


def measured(minute: int, value: float, since: int, point: str = "temperature", **fields: Any) -> Reading:
    times = {"measured_at": minute * MINUTE, "changed_at": since * MINUTE}
    known = {"at": 0, "device_id": 1, "gateway_id": "g", "point": point, "value": value}
    return Reading(**{**known, **times, **fields})


def test_a_change_is_taken_at_once_and_what_holds_every_five_minutes() -> None:
    readings = [measured(minute, 20.0, since=0) for minute in range(12)]
    assert taken(*readings, measured(12, 21.0, since=12)) == [(0, 20.0), (5, 20.0), (10, 20.0), (12, 21.0)]


def test_every_measurement_can_be_taken_but_no_resend_of_it() -> None:
    resend = measured(1, 20.0, since=0, resend=True)
    assert taken(measured(0, 20.0, 0), resend, resend, measured(2, 20.0, 0), every_s=0) == [(0, 20), (1, 20), (2, 20)]


def test_a_dead_sensors_resends_are_never_taken() -> None:
    assert taken(*[measured(0, 20.0, 0, at=n * MINUTE, resend=True) for n in range(60)]) == [(0, 20.0)]


def test_a_position_holds_while_its_device_lives() -> None:
    alive = [measured(0, 40.0, 0, "position", seen_at=minute * MINUTE, resend=True) for minute in range(8)]
    stale = measured(0, 40.0, 0, "position", seen_at=20 * MINUTE, quality="stale", resend=True)
    assert taken(*alive, stale) == [(0, 40.0), (5, 40.0)]


def test_what_is_out_of_range_is_not_taken() -> None:
    assert taken(measured(0, 900.0, 0, quality="uncertain"), measured(1, 0.0, 1)) == [(1, 0.0)]


def test_what_was_measured_in_the_future_is_not_taken() -> None:
    ahead = measured(24 * 60 + 1, 20.0, 0)
    living = measured(0, 40.0, 0, "position", seen_at=24 * 60 * MINUTE + 1)
    assert taken(ahead, living, measured(24 * 60, 21.0, 0)) == [(24 * 60, 21.0)]
    assert taken(ahead, now=MINUTE) == [(24 * 60 + 1, 20.0)]


def test_points_are_apart() -> None:
    humidity = measured(0, 0.0, 0, "humidity")
    assert taken(measured(0, 20.0, 0), humidity, measured(0, 5.0, 0, device_id=2)) == [(0, 20.0), (0, 0.0), (0, 5.0)]


# --- from the bus to the table


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        ("temperature", "temperature"),
        ("humidity", "relative humidity"),
        ("illuminance", "luminance"),
        ("motion", "sensor"),
        ("position", "read_percentage_blinds"),
    ],
)
async def test_a_reading_is_stored_under_its_reason_of_2020(bench: Bench, point: str, reason: str) -> None:
    recorder = await bench.record()
    reading = bench.reading(0, point)
    await recorded(bench, recorder, reading)
    assert await bench.rows() == [LogRow(reading.measured_at, 0.0, reason, reading.device_id)]


async def test_readings_of_the_future_are_counted(bench: Bench) -> None:
    recorder = await bench.record()
    late = bench.clock.now() + 25 * 60 * MINUTE
    await recorded(bench, recorder, bench.reading(20, measured_at=late), bench.reading(21))
    assert await bench.values() == [21.0]
    assert recorder.counters["ahead"] == 1


async def test_other_roles_are_stored_under_their_name(bench: Bench) -> None:
    old = bench.sensor
    bench.channel.devices.put(DeviceRecord(**{**_fields(old), "points": (*old.points, Point(role="co2"))}))
    recorder = await bench.record()
    await recorded(bench, recorder, bench.reading(612, "co2"))
    assert [(row.reason, row.value) for row in await bench.rows()] == [("co2", 612.0)]


def _fields(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


async def test_what_was_read_is_written_within_the_batch_time(bench: Bench) -> None:
    recorder = await bench.record(batch_s=0.5)
    await bench.channel.send(bench.reading(21.5))
    await bench.clock.advance(0.4)
    assert await bench.values() == []
    await bench.clock.advance(0.2)
    await until(lambda: recorder.counters["rows"] == 1)
    assert await bench.values() == [21.5]


async def test_a_record_of_2020_is_stored_too(bench: Bench) -> None:
    recorder = await bench.record()
    value = f'{{"node_id":{bench.sensor.node_id},"reason":"sensor","value":true}}'.encode()
    await bench.bus.publish(
        [Outgoing("zwave", "sensors_get_motion", value), Outgoing("zwave", "sensors_get_motion", b"{")]
    )
    await settle()
    await recorder.flush()
    assert await bench.rows() == [LogRow(bench.clock.real(), 1.0, "sensor", bench.sensor.device_id)]
    assert recorder.counters["undecodable"] == 1


async def test_commands_are_not_stored(bench: Bench) -> None:
    recorder = await bench.record()
    await bench.bus.publish([Outgoing("knx", "open_blinds", b'{"bloc":1,"floor":4}')])
    await recorded(bench, recorder, bench.reading(20))
    assert await bench.values() == [20.0]


async def test_readings_of_devices_that_the_database_lacks_do_not_stop_it(bench: Bench) -> None:
    bench.channel.devices.put(DeviceRecord(**{**_fields(bench.sensor), "device_id": 999, "node_id": 99}))
    recorder = await bench.record()
    stranger = bench.reading(1.0, device_id=999)
    await recorded(bench, recorder, stranger, bench.reading(2.0))
    assert await bench.values() == [2.0]
    assert recorder.counters["skipped"] == 1


async def test_nothing_is_read_before_the_devices_are_known(bench: Bench) -> None:
    channel = Channel(bench.bus, DeviceIndex())
    recorder = Recorder(channel, bench.store, bench.clock)
    bench.tasks.append(asyncio.create_task(recorder.run()))
    await bench.channel.send(bench.reading(20))
    await settle()
    for device in bench.channel.devices:
        channel.devices.put(device)
    channel.devices.completed()
    await until(lambda: bool(recorder._batch.rows))
    await recorder.flush()
    assert await bench.values() == [20.0]


# --- re-sends


async def decoded(bench: Bench, recorder: Recorder, reading: Reading, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a reading that is sent now is looked at."""
    seen = []
    row = Selection.row
    with monkeypatch.context() as patched:
        patched.setattr(Selection, "row", lambda self, reading, now: seen.append(reading) or row(self, reading, now))
        await recorded(bench, recorder, reading)
    return bool(seen)


@pytest.mark.parametrize("point", ["temperature", "position"])
async def test_a_resend_is_looked_at_every_five_minutes(
    bench: Bench, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = await bench.record()
    bench.at = bench.clock.now() - MINUTE
    reading = bench.reading(20, point)
    again = replace(reading, resend=True)
    assert await decoded(bench, recorder, again, monkeypatch), "it may be the first that is heard of the point"
    assert await decoded(bench, recorder, reading, monkeypatch)
    assert not await decoded(bench, recorder, again, monkeypatch)
    await bench.clock.advance(300)
    alive = replace(again, seen_at=bench.clock.now())
    assert await decoded(bench, recorder, alive, monkeypatch)
    assert not await decoded(bench, recorder, alive, monkeypatch)
    times = [reading.measured_at] if point == "temperature" else [reading.measured_at, alive.seen_at]
    assert [row.timestamp for row in await bench.rows()] == times


async def test_a_resend_of_what_never_came_is_stored_in_the_end(bench: Bench) -> None:
    recorder = await bench.record()
    await recorded(bench, recorder, bench.reading(20))
    lost = bench.reading(21, resend=True)
    await recorded(bench, recorder, lost)
    assert await bench.values() == [20.0]
    await bench.clock.advance(300)
    await recorded(bench, recorder, lost)
    assert await bench.values() == [20.0, 21.0]


@given(
    reading=st.builds(
        Reading,
        at=st.just(0),
        device_id=st.just(1),
        gateway_id=st.just("g"),
        point=st.sampled_from(["temperature", "position"]),
        value=st.just(20.0),
        measured_at=st.integers(0, 20).map(MINUTE.__mul__),
        changed_at=st.integers(0, 3).map(MINUTE.__mul__),
        seen_at=st.integers(0, 20).map(MINUTE.__mul__),
        quality=st.sampled_from(["good", "stale", "uncertain"]),
    ),
    minutes=st.lists(st.integers(0, 20), min_size=1),
)
def test_what_is_not_looked_at_would_not_be_taken(reading: Reading, minutes: list[int]) -> None:
    """As long as re-sends repeat what was sent, and devices are not seen alive in the future."""
    quick, thorough = Selection(300), Selection(300)
    headers = {"resend": "1", "point": f"{reading.device_id}/{reading.point}"}
    again = Record("zwave", 0, 0, "key", b"", headers)
    assert quick.row(reading, 0) == thorough.row(reading, 0)
    for now in sorted(minute * MINUTE for minute in minutes):
        resend = replace(reading, seen_at=max(reading.seen_at, now), resend=True)
        if resend.seen_at <= now:
            taken = None if quick.holds(again, now) else quick.row(resend, now)
            assert taken == thorough.row(resend, now)


# --- once


async def test_what_was_read_is_written_when_it_stops(bench: Bench) -> None:
    await bench.record()
    await bench.channel.send(bench.reading(20))
    await settle()
    await bench.stop()
    assert await bench.values() == [20.0]


async def test_a_successor_goes_on_where_it_stopped(bench: Bench) -> None:
    await bench.record()
    await bench.channel.send(bench.reading(20))
    await settle()
    await bench.stop()
    await bench.channel.send(bench.reading(21))
    recorder = await bench.record()
    await settle()
    await recorder.flush()
    assert await bench.values() == [20.0, 21.0]
    assert recorder.counters["rows"] == 1


async def test_positions_of_an_earlier_run_mean_nothing(bench: Bench) -> None:
    recorder = await bench.record(run="an earlier run")
    await recorded(bench, recorder, bench.reading(20))
    await bench.stop()
    bench.bus.logs.update(MemoryBus(bench.clock).logs)
    await bench.channel.send(bench.reading(21))
    recorder = await bench.record(run="this run")
    await settle()
    await recorder.flush()
    assert await bench.values() == [20.0, 21.0]
    async with bench.store.read() as connection:
        assert "this run" in {stored.run for stored in (await load_positions(connection, READER)).values()}


async def test_one_that_wakes_after_its_successor_writes_nothing_and_begins_again(bench: Bench) -> None:
    recorder = await bench.record()
    first = bench.reading(20)
    await recorded(bench, recorder, first)
    # The successor: it has read, and stored, the next record.
    second = bench.reading(21)
    await bench.channel.send(second)
    await settle()
    row = {"timestamp": second.measured_at, "value": 21.0, "reason": "temperature", "device": second.device_id}
    async with bench.store.write() as connection:
        await connection.execute(insert(Log), row)
        zwave = Position.c.topic == "zwave"
        await connection.execute(update(Position).where(zwave).values(offset=Position.c.offset + 1))
    await bench.clock.advance(0.6)
    await until(lambda: recorder.counters["takeovers"] == 1 and bool(recorder._held))
    assert recorder.counters["rows"] == 1
    await recorded(bench, recorder, bench.reading(22))
    assert await bench.values() == [20.0, 21.0, 22.0]


async def test_recorders_share_the_partitions_and_hand_them_over(bench: Bench) -> None:
    first = await bench.record()
    await bench.channel.send(bench.reading(20))
    await settle()
    second = await bench.record()
    await until(lambda: len(first._held) == len(second._held) + 1)
    assert not first._held.keys() & second._held.keys()
    assert await bench.values() == [20.0]
    await bench.channel.send(bench.reading(21), bench.reading(40, "position"))
    await settle()
    for recorder in (first, second):
        await recorder.flush()
    assert await bench.values() == [20.0, 21.0, 40.0]


async def test_a_database_that_is_busy_for_long_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = await bench.record()
    failures = iter([True])

    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT") and "Log" in statement and next(failures, False):
            raise OperationalError(statement, None, Exception("disk full"))

    assert bench.store._engine is not None
    event.listen(bench.store._engine.sync_engine, "before_cursor_execute", fail)
    await bench.channel.send(bench.reading(20))
    await bench.clock.advance(0.6)
    await until(lambda: bool(recorder._why))
    health = await health_of(bench)
    assert (health.status, health.why) == ("degraded", "not written: database: disk full")
    await bench.channel.send(bench.reading(21))
    await bench.clock.advance(6)
    await until(lambda: recorder.counters["rows"] == 2)
    assert await bench.values() == [20.0, 21.0]


async def test_a_database_that_is_away_when_partitions_come_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    subscribe, load, failures = bench.bus.subscribe, recorder_module.load_positions, iter([True, True])

    async def away(connection: Any, reader: str) -> Any:
        if next(failures, False):
            raise Unavailable("database: away")
        return await load(connection, reader)

    async def counted(*arguments: Any, **options: Any) -> Any:
        opened.append(options["name"])
        return await subscribe(*arguments, **options)

    monkeypatch.setattr(recorder_module, "load_positions", away)
    monkeypatch.setattr(bench.bus, "subscribe", counted)
    recorder = Recorder(bench.channel, bench.store, bench.clock, run="run 1")
    bench.tasks.append(asyncio.create_task(recorder.run()))
    await until(lambda: bool(recorder._why))
    health = await health_of(bench)
    assert (health.status, health.why) == ("degraded", "not recording: database: away")
    await bench.channel.send(bench.reading(20))
    async with asyncio.timeout(20):
        while not recorder._held:
            await bench.clock.advance(1)
    await settle()
    await recorder.flush()
    assert await bench.values() == [20.0]
    assert (opened.count(READER), recorder._why) == (1, "")


async def test_reading_waits_while_too_much_is_unwritten(bench: Bench) -> None:
    recorder = await bench.record(batch_s=3600)
    sent = FULL + ENOUGH + 10_000
    async with bench.store.write():
        for _ in range(sent // 1000):
            await bench.channel.send(*(bench.reading(20 + n / 1000) for n in range(1000)))
        await until(lambda: len(recorder._batch.rows) > FULL)
        await settle()
        assert FULL < len(recorder._batch.rows) <= FULL + LIMIT
    await until(lambda: recorder.counters["rows"] + len(recorder._batch.rows) == sent)
    await recorder.flush()
    assert recorder.counters["rows"] == len(await bench.rows()) == sent


# --- state


async def health_of(bench: Bench) -> Health:
    """What the recorder says of itself next."""
    reader = await bench.channel.read(["state"], name="test")
    try:
        sending = asyncio.create_task(bench.clock.advance(5))
        while True:
            for received in await reader.batch():
                if isinstance(received.message, Health):
                    await sending
                    return received.message
    finally:
        await reader.close()


async def test_it_says_how_it_is(bench: Bench) -> None:
    recorder = await bench.record()
    await recorded(bench, recorder, bench.reading(20))
    health = await health_of(bench)
    assert (health.part, health.instance, health.status) == ("recorder", "1", "ok")
    assert (health.counters["rows"], health.counters["waiting"], health.counters["lag"]) == (1, 0, 0)


async def test_a_bus_that_does_not_answer_is_no_reason_to_stop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ends, failures = bench.bus.end_positions, iter([True])

    async def away(topics: Any) -> Any:
        if next(failures, False):
            raise Unavailable("Kafka: no leader")
        return await ends(topics)

    monkeypatch.setattr(bench.bus, "end_positions", away)
    recorder = await bench.record()
    assert (await health_of(bench)).status == "ok"
    await recorded(bench, recorder, bench.reading(20))
    assert await bench.values() == [20.0]


def lease(device_id: int) -> Lease:
    return Lease(device_id=device_id, owner=Origin(kind="user", name="ada"), since=1, until=2)


async def test_state_is_kept_for_the_next_process(bench: Bench) -> None:
    recorder = await bench.record()
    settings = BuildingSettings(name="House")
    health = Health(part="api", instance="1", at=1)
    await recorded(bench, recorder, settings, lease(1), lease(2), health)
    await bench.channel.forget("state", "lease/2")
    await settle()
    await recorder.flush()
    assert set(await bench.state()) == {"settings/building", "lease/1"}

    bus = MemoryBus(bench.clock)
    channel = Channel(bus, DeviceIndex())
    await replay_state(bench.store, channel)
    reader = await channel.read(["state"], name="test", start="beginning")
    assert [received.message for received in await reader.batch()] == [lease(1), settings]
    await bus.stop()


# --- results and decisions


def command(bench: Bench, value: float = 40, **fields: Any) -> Command:
    """A wish for room 1's blind, a minute after the last message."""
    bench.at += MINUTE
    known = {"device_id": bench.blind.device_id, "gateway_id": bench.blind.gateway_id, "point": "position"}
    return Command(**{**known, "at": bench.at, "value": value, "expires_at": bench.at + 30_000, **fields})


def decided(asked: Command) -> Decision:
    known = {"device_id": asked.device_id, "point": asked.point, "value": asked.value, "room_id": 1}
    said = {"rule": "dark", "version": "3", "trigger": "time:07:00", "values": {"luminance": 3.5, "motion": True}}
    return Decision(**known, **said, at=asked.at, decided_at=asked.at, command_id=asked.id, lost=("night",))


async def asked_of(bench: Bench, device: DeviceRecord, **options: Any) -> Page:
    async with bench.store.read() as connection:
        return await why(connection, 0, 2**62, device_ids=[device.device_id], **options)


async def test_why_something_moved_is_kept(bench: Bench) -> None:
    recorder = await bench.record()
    ordered = command(bench, origin=Origin(kind="rule", name="dark", cause="r1"), class_="comfort")
    decision = decided(ordered)
    result = CommandResult(at=ordered.at + 5, command=ordered, outcome="refused", reason="held by ada")
    await recorded(bench, recorder, decision, result)
    assert (await asked_of(bench, bench.blind)).rows == (Why(ordered.at, ordered.id, decision, (result,)),)
    assert (await asked_of(bench, bench.sensor)).rows == ()
    assert recorder.counters["events"] == 2


async def test_results_come_back_newest_first_and_in_pages(bench: Bench) -> None:
    recorder = await bench.record()
    orders = [command(bench, value) for value in (10, 20, 30, 40, 50)]
    results = [CommandResult(at=order.at + 9, command=order, outcome="done") for order in orders]
    await recorded(bench, recorder, decided(orders[3]), decided(orders[1]), *results[:3], *results[4:])
    seen, place = [], None
    while True:
        page = await asked_of(bench, bench.blind, limit=2, before=place)
        seen += page.rows
        place = page.after
        if place is None:
            break
    assert [row.command_id for row in seen] == [order.id for order in reversed(orders)]
    assert [(row.decision is not None, len(row.results)) for row in seen] == [
        (False, 1),
        (True, 0),
        (False, 1),
        (True, 1),
        (False, 1),
    ]


async def test_a_room_and_a_time_can_be_asked_for(bench: Bench) -> None:
    recorder = await bench.record()
    first, second = command(bench, 1), command(bench, 2)
    await recorded(bench, recorder, *(CommandResult(at=one.at, command=one, outcome="done") for one in (first, second)))
    async with bench.store.read() as connection:
        in_room = await why(connection, 0, second.at, room_id=bench.blind.room_id)
        elsewhere = await why(connection, 0, 2**62, room_id=bench.blind.room_id + 1)
    assert [row.command for row in in_room.rows] == [first]
    assert elsewhere == Page((), None)


async def test_events_read_again_are_there_once(bench: Bench) -> None:
    recorder = await bench.record(run="an earlier run")
    ordered = command(bench)
    await recorded(bench, recorder, decided(ordered), CommandResult(at=1, command=ordered, outcome="done"))
    await bench.stop()
    recorder = await bench.record(run="another")
    await settle()
    await recorder.flush()
    assert recorder.counters["events"] == 2
    (row,) = (await asked_of(bench, bench.blind)).rows
    assert len(row.results) == 1


async def test_events_of_devices_that_are_gone_and_with_long_texts_are_kept(bench: Bench) -> None:
    recorder = await bench.record()
    ordered = command(bench, id="x" * 300)
    result = CommandResult(at=1, command=ordered, outcome="failed", reason="because " * 500)
    await bench.channel.send(result)
    bench.channel.devices.remove(bench.blind.device_id)
    await recorded(bench, recorder, decided(ordered))
    (row,) = (await asked_of(bench, bench.blind)).rows
    assert row.decision is not None
    assert [(one.outcome, one.reason[:12], len(one.reason)) for one in row.results] == [("failed", "because beca", 500)]


async def test_a_recorder_goes_on_while_the_bus_does_not_say_where_it_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = bench.bus.end_positions

    async def away(topics: Any) -> Any:
        raise Unavailable("Kafka: away")

    monkeypatch.setattr(bench.bus, "end_positions", away)
    recorder = await bench.record()
    await settle()
    monkeypatch.setattr(bench.bus, "end_positions", ends)
    await bench.clock.advance(5)
    await recorded(bench, recorder, bench.reading(20.5))

    assert await bench.values() == [20.5]
    assert [task.done() for task in bench.tasks] == [False]


# --- alerts


async def test_what_became_of_an_alert_is_stored_once(bench: Bench) -> None:
    recorder = await bench.record()
    raised = Alert(key="device-3.away", kind="away", severity="warning", text="é silent", device_id=3, raised_at=MINUTE)
    seen = replace(raised, acknowledged_at=2 * MINUTE, acknowledged_by="anna")
    over = replace(seen, cleared_at=3 * MINUTE)
    steps = (("raised", raised), ("acknowledged", seen), ("cleared", over))
    events = [
        AlertEvent(id=f"{raised.id}.{what}", at=at, what=what, alert=alert) for at, (what, alert) in enumerate(steps)
    ]
    await recorded(bench, recorder, *events[:2])
    async with bench.store.read() as connection:
        assert await list_alerts(connection) == [seen]
    again = Alert(key="device-3.away", kind="away", severity="info", text="x", raised_at=5 * MINUTE)
    await recorded(bench, recorder, *events, AlertEvent(id=f"{again.id}.raised", at=9, what="raised", alert=again))
    async with bench.store.read() as connection:
        assert await list_alerts(connection) == [again, over]
        assert await list_alerts(connection, limit=1) == [again]
        assert await list_alerts(connection, before=(again.raised_at, again.id)) == [over]
