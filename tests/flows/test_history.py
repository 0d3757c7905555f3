"""Log over years: roll-ups, what is kept of them, and the tier that a question is answered from."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Table, func, insert, select

from insula.building.demo import demo_plan
from insula.building.rollup import FIVE_MINUTES, HOUR_MS, HOURS, MINUTE_MS, LocalDays, Rollup, Windows, roll_up
from insula.building.statistics import Sample
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import ManualClock, settle
from insula.errors import InputError
from insula.messages import Health
from insula.recorder.history import History
from insula.recorder.retention import PAUSE_S, Retention
from insula.recorder.rollup import SILENT_MS, Roller
from insula.recorder.steps import whole
from insula.store.building import import_plan
from insula.store.devices import list_devices
from insula.store.engine import Store
from insula.store.history import Buckets, series
from insula.store.log import LogRow, add_log
from insula.store.retention import DAY_MS, delete_events
from insula.store.rollups import read_rollups
from insula.store.tables import CommandResult, Device, Log, LogDays, LogFiveMinutes, LogHours

PARIS = ZoneInfo("Europe/Paris")
HOLD_MS = 30 * MINUTE_MS
FOREVER = {"raw": 0, "five_minutes": 0, "hours": 0, "days": 0}


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp() * 1000)


@dataclass
class Archive:
    """The demo building's database, its Log filled by hand. Times in ms."""

    store: Store
    clock: ManualClock
    sensor: int
    other: int

    async def measured(self, values: Iterable[tuple[int, float]], reason: str = "temperature", of: int = 0) -> None:
        async with self.store.write() as connection:
            await add_log(connection, [LogRow(when, value, reason, of or self.sensor) for when, value in values])

    async def pass_to(self, moment: int) -> None:
        await self.clock.advance((moment - self.clock.now()) / 1000)

    async def roll(self) -> Roller:
        """What a new process rolls up now."""
        roller = Roller(self.store, self.clock)
        await roller.roll()
        return roller

    async def trim(self, retention: Retention) -> None:
        trimming = asyncio.create_task(retention.trim())
        while not trimming.done():
            await self.clock.advance(PAUSE_S)
        await trimming

    async def rolled(self, table: Table, reason: str = "temperature", of: int = 0) -> list[Rollup]:
        device = of or self.sensor
        async with self.store.read() as connection:
            return (await read_rollups(connection, table, [device], reason, 0, 2**62)).get(device, [])

    async def ask(self, start: int, end: int, points: int, role: str = "temperature", *more: int) -> Buckets:
        async with self.store.read() as connection:
            return await series(connection, [self.sensor, *more], role, start, end, points)

    async def count(self, table: Table) -> int:
        async with self.store.read() as connection:
            return await connection.scalar(select(func.count()).select_from(table)) or 0


@pytest.fixture
async def archive(store: Store) -> Archive:
    """On each kind of database in turn."""
    await import_plan(store, demo_plan())
    async with store.read() as connection:
        sensors = [device.device_id for device in await list_devices(connection) if device.kind == "sensor"]
    return Archive(store, ManualClock(at("2026-03-27T00:00")), sensors[0], sensors[1])


def wave(start: int, end: int, step: int = 5 * MINUTE_MS) -> list[tuple[int, float]]:
    """Values that change with every sample."""
    return [(when, 20 + (when // 1000 % 977) / 100) for when in range(start, end, step)]


def expected(values: Iterable[tuple[int, float]], end: int, windows: Windows) -> list[Rollup]:
    """The roll-ups of all these samples at once, up to ``end``."""
    samples = [Sample(*value) for value in sorted(values)]
    return roll_up(samples, 0, end, HOLD_MS, windows)


def same(found: list[Rollup], wanted: list[Rollup]) -> None:
    assert [(r.start, r.minimum, r.maximum, r.last, r.known) for r in found] == [
        (r.start, r.minimum, r.maximum, r.last, r.known) for r in wanted
    ]
    assert [r.mean for r in found] == pytest.approx([r.mean for r in wanted])


async def all_tiers_are(archive: Archive, values: list[tuple[int, float]], upto: int) -> None:
    """The three tables hold what these samples come to, each as far as its windows are finished."""
    for table, windows in ((LogFiveMinutes, FIVE_MINUTES), (LogHours, HOURS), (LogDays, LocalDays(PARIS))):
        same(await archive.rolled(table), expected(values, windows.window(upto)[0], windows))


# --- rolling up


async def test_log_is_rolled_up_to_five_minutes_hours_and_local_days(archive: Archive) -> None:
    # Over the night in which an hour is missing.
    start, end = at("2026-03-27T10:00"), at("2026-03-31T12:00")
    values = wave(start + 1234, end, 7 * MINUTE_MS)
    await archive.measured(values)
    await archive.pass_to(end)
    roller = await archive.roll()
    await all_tiers_are(archive, values, FIVE_MINUTES.window(values[-1][0] - 15 * MINUTE_MS)[0])
    assert [row.known // HOUR_MS for row in await archive.rolled(LogDays)] == [13, 24, 23, 24]
    assert roller.counters["windows"] > 4 * 24 * 13


async def test_it_goes_on_where_another_process_stopped(archive: Archive) -> None:
    start = archive.clock.now()
    values: list[tuple[int, float]] = []
    for _ in range(40):
        more = wave(archive.clock.now(), archive.clock.now() + 47 * MINUTE_MS, 3 * MINUTE_MS)
        await archive.measured(more)
        values += more
        await archive.pass_to(archive.clock.now() + 47 * MINUTE_MS)
        await archive.roll()
    await all_tiers_are(archive, values, FIVE_MINUTES.window(values[-1][0] - 15 * MINUTE_MS)[0])
    assert archive.clock.now() - start > DAY_MS


async def test_what_is_rolled_up_is_not_read_again(archive: Archive) -> None:
    await archive.measured(wave(archive.clock.now(), archive.clock.now() + 6 * HOUR_MS))
    await archive.pass_to(archive.clock.now() + 6 * HOUR_MS)
    assert (await archive.roll()).counters["windows"] > 0
    assert (await archive.roll()).counters["windows"] == 0


async def test_rows_that_come_late_are_taken_in(archive: Archive) -> None:
    start = archive.clock.now()
    values = wave(start, start + HOUR_MS, MINUTE_MS)
    early = [value for value in values if value[0] % (7 * MINUTE_MS)]
    await archive.pass_to(start + HOUR_MS)
    await archive.measured(value for value in early if value[0] < start + 50 * MINUTE_MS)
    await archive.roll()
    late = [value for value in values if value not in early and value[0] > start + 35 * MINUTE_MS]
    await archive.measured(late + [value for value in early if value[0] >= start + 50 * MINUTE_MS])
    await archive.roll()
    rows = [row for row in await archive.rolled(LogFiveMinutes) if row.start >= start + 35 * MINUTE_MS]
    same(
        rows,
        [row for row in expected(early + late, start + 40 * MINUTE_MS, FIVE_MINUTES) if row.start >= rows[0].start],
    )
    assert len(rows) == 1


async def test_a_recorder_that_is_a_day_behind_leaves_no_hole(archive: Archive) -> None:
    start = archive.clock.now()
    values = wave(start, start + 2 * DAY_MS)
    await archive.measured(values[:100])
    await archive.pass_to(start + 2 * DAY_MS)
    await archive.roll()
    await archive.measured(values[100:])
    await archive.roll()
    await all_tiers_are(archive, values, FIVE_MINUTES.window(values[-1][0] - 15 * MINUTE_MS)[0])


async def test_a_sensor_that_fell_silent_is_finished_and_goes_on_when_it_is_back(archive: Archive) -> None:
    start = archive.clock.now()
    values = wave(start + 9 * HOUR_MS, start + 10 * HOUR_MS + 17 * MINUTE_MS)
    await archive.measured(values)
    await archive.pass_to(start + DAY_MS)
    await archive.roll()
    assert await archive.rolled(LogDays) == []
    await archive.pass_to(start + DAY_MS + SILENT_MS)
    await archive.roll()
    await all_tiers_are(archive, values, start + DAY_MS)
    # A year later.
    back = start + 366 * DAY_MS
    values += wave(back, back + 30 * HOUR_MS)
    await archive.measured(values[-360:])
    await archive.pass_to(back + 30 * HOUR_MS)
    await archive.roll()
    await all_tiers_are(archive, values, FIVE_MINUTES.window(values[-1][0] - 15 * MINUTE_MS)[0])
    assert len(await archive.rolled(LogDays)) == 2


async def test_values_from_the_future_hold_nothing_up(archive: Archive) -> None:
    start = archive.clock.now()
    values = wave(start, start + 2 * HOUR_MS)
    await archive.measured([*values, (start + 900 * DAY_MS, 1.0)])
    await archive.pass_to(start + 2 * HOUR_MS)
    await archive.roll()
    await all_tiers_are(archive, values, FIVE_MINUTES.window(values[-1][0] - 15 * MINUTE_MS)[0])


async def test_two_at_once_store_each_window_once(archive: Archive) -> None:
    start = archive.clock.now()
    values = wave(start, start + 3 * DAY_MS)
    await archive.measured(values)
    await archive.pass_to(start + 3 * DAY_MS)
    await asyncio.gather(archive.roll(), archive.roll())
    await all_tiers_are(archive, values, FIVE_MINUTES.window(values[-1][0] - 15 * MINUTE_MS)[0])


async def test_values_of_points_and_roles_that_are_no_more_are_rolled_up_too(archive: Archive) -> None:
    start = archive.clock.now()
    await archive.measured(wave(start, start + 2 * HOUR_MS), reason="radon")
    await archive.pass_to(start + 2 * HOUR_MS)
    await archive.roll()
    assert len(await archive.rolled(LogHours, "radon")) == 1


async def test_new_devices_are_found(archive: Archive) -> None:
    roller = await archive.roll()
    await import_plan(archive.store, demo_plan(9))
    async with archive.store.read() as connection:
        newest = await connection.scalar(select(func.max(Device.c.id)))
    assert newest is not None
    start = archive.clock.now()
    await archive.measured(wave(start, start + 2 * HOUR_MS), "get_dimmer_level", newest)
    await archive.pass_to(start + 2 * HOUR_MS)
    await roller.roll()
    assert len(await archive.rolled(LogHours, "get_dimmer_level", newest)) == 1


# --- what is kept


async def test_each_tier_is_kept_for_a_time_of_its_own(archive: Archive) -> None:
    start, end = at("2026-04-01T00:00"), at("2026-05-01T12:00")
    values = wave(start, end, 20 * MINUTE_MS)
    await archive.measured(values)
    await archive.pass_to(end)
    await archive.roll()
    retention = Retention(archive.store, archive.clock, {"raw": 3, "five_minutes": 7, "hours": 14, "days": 0})
    await archive.trim(retention)
    oldest = {}
    async with archive.store.read() as connection:
        for table in (LogFiveMinutes, LogHours, LogDays):
            oldest[table.name] = await connection.scalar(select(func.min(table.c.start)))
        oldest["Log"] = await connection.scalar(select(func.min(Log.c.timestamp)))
    assert oldest == {
        "Log": at("2026-04-28T00:00"),
        "LogFiveMinutes": at("2026-04-24T00:00"),
        "LogHours": at("2026-04-17T00:00"),
        "LogDays": start,
    }
    assert retention.counters["deleted"] > 1000


async def test_nothing_is_deleted_before_it_is_rolled_up(archive: Archive) -> None:
    start = archive.clock.now()
    values = wave(start, start + DAY_MS)
    await archive.measured(values)
    await archive.pass_to(start + 30 * DAY_MS)
    retention = Retention(archive.store, archive.clock, {**FOREVER, "raw": 1})
    await archive.trim(retention)
    assert await archive.count(Log) == len(values)
    await archive.roll()
    await archive.pass_to(archive.clock.now() + DAY_MS)
    await archive.trim(retention)
    assert await archive.count(Log) == 0
    await all_tiers_are(archive, values, start + 2 * DAY_MS)


async def test_results_are_kept_as_long_as_log(archive: Archive) -> None:
    start = archive.clock.now()
    fields = {column.name: "" for column in CommandResult.c if column.name != "room"}
    numbers = {"device": 1, "value": 1.0, "at": 0, "command_at": 0, "expires_at": 0}
    rows = [{**fields, **numbers, "id": str(n), "timestamp": start + n * MINUTE_MS} for n in range(3000)]
    async with archive.store.write() as connection:
        await connection.execute(insert(CommandResult), rows)
    await archive.pass_to(start + 4 * DAY_MS)
    retention = Retention(archive.store, archive.clock, {**FOREVER, "raw": 3})
    await archive.trim(retention)
    assert await archive.count(CommandResult) == 3000 - 1440
    async with archive.store.write() as connection:
        assert await delete_events(connection, CommandResult, start, 10) == 0


# --- the tier that fits


async def filled(archive: Archive, days: int) -> list[tuple[int, float]]:
    """So many days of values, rolled up, until now."""
    start = archive.clock.now()
    values = wave(start, start + days * DAY_MS, 10 * MINUTE_MS)
    await archive.measured(values)
    await archive.pass_to(start + days * DAY_MS)
    await archive.roll()
    return values


@pytest.mark.parametrize(
    ("hours", "points", "tier", "width_s"),
    [
        (3, 500, "raw", 30),
        (3, 20, "five_minutes", 600),
        (24, 100, "five_minutes", 900),
        (24 * 7, 100, "hours", 7200),
        (24 * 20, 21, "days", 86400),
    ],
)
async def test_the_span_chooses_the_tier(archive: Archive, hours: int, points: int, tier: str, width_s: int) -> None:
    values = await filled(archive, 20)
    now = archive.clock.now()
    # What is not finished yet comes from the finer tiers: the answer reaches up to now.
    found = await archive.ask(now - hours * HOUR_MS, now, points)
    start, end = found.windows.window(now - 1)
    assert (found.tier, (end - start) // 1000) == (tier, width_s)
    begin = found.windows.window(now - hours * HOUR_MS)[0]
    same(found.rollups, [one for one in expected(values, now, found.windows) if one.start >= begin])
    assert len(found.rollups) <= points + 1


async def test_what_is_no_longer_kept_is_answered_from_a_coarser_tier(archive: Archive) -> None:
    start = archive.clock.now()
    values = await filled(archive, 30)
    retention = Retention(archive.store, archive.clock, {"raw": 2, "five_minutes": 10, "hours": 20, "days": 0})
    await archive.trim(retention)
    now = archive.clock.now()
    for days_ago, tier in ((1, "raw"), (5, "five_minutes"), (15, "hours"), (29, "days")):
        found = await archive.ask(now - days_ago * DAY_MS, now - days_ago * DAY_MS + HOUR_MS, 500)
        assert found.tier == tier
        assert [one.mean for one in found.rollups]
    whole_time = await archive.ask(start, now, 1000)
    same(whole_time.rollups, expected(values, now, LocalDays(PARIS)))


async def test_several_devices_weigh_as_long_as_they_were_known(archive: Archive) -> None:
    start = at("2026-03-27T01:00")
    await archive.measured([(start + n * MINUTE_MS, 20.0) for n in range(0, 720, 10)])
    # It fell silent after three of twelve hours, and its last value held for another 30 minutes.
    await archive.measured([(start + n * MINUTE_MS, 30.0) for n in range(0, 181, 10)], of=archive.other)
    await archive.pass_to(start + 12 * HOUR_MS)
    await archive.roll()
    found = await archive.ask(start, start + 12 * HOUR_MS, 2, "temperature", archive.other)
    (first, second) = found.rollups
    assert (first.minimum, first.maximum, second.mean) == (20.0, 30.0, 20.0)
    assert first.mean == pytest.approx((20 * 6 + 30 * 3.5) / 9.5)


async def test_before_anything_is_rolled_up_log_answers(archive: Archive) -> None:
    start = archive.clock.now()
    values = wave(start, start + 3 * DAY_MS)
    await archive.measured(values)
    found = await archive.ask(start, start + 3 * DAY_MS, 4)
    same(found.rollups, expected(values, start + 3 * DAY_MS, found.windows))
    assert (await archive.ask(0, start, 500)).rollups == []


@pytest.mark.parametrize(("start", "end", "points"), [(5, 5, 10), (6, 5, 10), (0, 5, 0)])
async def test_a_time_that_is_none_is_refused(archive: Archive, start: int, end: int, points: int) -> None:
    with pytest.raises(InputError):
        await archive.ask(start, end, points)


# --- the part


async def test_the_part_rolls_up_by_itself_and_says_so(archive: Archive) -> None:
    start = archive.clock.now()
    await archive.measured(wave(start, start + 3 * HOUR_MS))
    bus = MemoryBus(archive.clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    reader = await channel.read(["state"], name="test")
    part = asyncio.create_task(History(channel, archive.store, archive.clock, FOREVER).run())
    async with asyncio.timeout(20):
        while not await archive.count(LogHours):
            await archive.clock.advance(600)
        health = [received.message for received in await reader.batch()]
    part.cancel()
    with suppress(asyncio.CancelledError):
        await part
    await bus.stop()
    assert {one.part for one in health if isinstance(one, Health)} == {"history"}


async def test_a_step_is_not_cut_off() -> None:
    said: list[str] = []
    going = asyncio.Event()

    async def step() -> None:
        await going.wait()
        said.append("done")

    caller = asyncio.create_task(whole(step()))
    await settle()
    caller.cancel()
    await settle()
    assert not caller.done()
    going.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert said == ["done"]
