"""The database -> topic ``db``, and the building's settings, gateways and rules on ``state``."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from insula.building.demo import demo_building, demo_plan
from insula.building.file import parse_plan
from insula.building.rules import load_ruleset
from insula.bus.channel import END_OF_DEVICES, Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.bus.port import Outgoing, Record
from insula.clock import ManualClock, settle
from insula.directory.directory import Directory
from insula.errors import InputError
from insula.messages import BuildingSettings, GatewayRecord, Health, RuleSet
from insula.store.building import import_plan
from insula.store.devices import list_devices
from insula.store.engine import Store
from insula.store.state import save_state
from insula.store.values import put_value

ROOM_2 = next(line for line in demo_building().splitlines(keepends=True) if "number = 2," in line)


@dataclass
class Town:
    clock: ManualClock
    store: Store
    bus: MemoryBus
    channel: Channel
    directory: Directory

    async def records(self, topic: str) -> list[Record]:
        """What a consumer that starts at offset zero sees now."""
        ends = await self.bus.end_positions([topic])
        if not ends[topic, 0]:
            return []
        subscription = await self.bus.subscribe([topic], name="test", start="beginning")
        try:
            return list(await subscription.batch(10_000))
        finally:
            await subscription.close()

    async def said(self, type_: type[Any]) -> list[Any]:
        """The messages of that type on ``state``."""
        decoded = [self.channel.codec.decode(record) for record in await self.records("state")]
        return [message for message in decoded if isinstance(message, type_)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await settle(1)


@pytest.fixture
async def town(store: Store, clock: ManualClock) -> AsyncIterator[Town]:
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    try:
        yield Town(clock, store, bus, channel, Directory(channel, store, clock, rules=load_ruleset))
    finally:
        await bus.stop()


async def test_a_consumer_of_2020_reads_the_list_to_its_marker(town: Town) -> None:
    await import_plan(town.store, demo_plan())
    await town.directory.look()
    *devices, marker = await town.records("db")
    assert (marker.key, marker.value) == (END_OF_DEVICES, b"{}")
    assert len(devices) == 16
    values = [msgspec.json.decode(record.value or b"") for record in devices]
    assert [record.key for record in devices] == [str(value["device_id"]) for value in values]
    blind, _, sensor, _ = values[:4]
    assert {"room_number": 1, "kind": "blind", "bloc": 1, "floor": 4, "type": "knx"}.items() <= blind.items()
    assert {"room_number": 1, "node_id": 2, "name": "Multisensor 6", "type": "zwave"}.items() <= sensor.items()
    assert (blind["gateway_id"], [point["role"] for point in blind["points"]]) == (
        "knx",
        ["position", "move", "stop", "wind_alarm"],
    )


async def test_an_empty_building_has_a_list_too(town: Town) -> None:
    await town.directory.look()
    assert [record.key for record in await town.records("db")] == [END_OF_DEVICES]
    assert await town.said(BuildingSettings) == [BuildingSettings()]


async def test_after_a_change_the_full_list_then_the_marker_then_tombstones(town: Town) -> None:
    await import_plan(town.store, demo_plan())
    await town.directory.look()
    async with town.store.read() as connection:
        gone = [str(device.device_id) for device in await list_devices(connection) if device.room_number == 2]
    await import_plan(town.store, parse_plan(demo_building().replace(ROOM_2, "")))
    await town.directory.look()
    records = await town.records("db")
    assert [record.key for record in records[12:]] == [END_OF_DEVICES, *gone]
    assert all(record.value is not None for record in records[:12])
    assert [record.value for record in records[13:]] == [None] * 4


async def test_everything_before_the_list_is_deleted(town: Town) -> None:
    await import_plan(town.store, demo_plan())
    await town.directory.look()
    before = (await town.bus.end_positions(["db"]))["db", 0]
    await import_plan(town.store, demo_plan(5))
    await town.directory.look()
    assert min(record.offset for record in await town.records("db")) == before


async def test_without_a_change_nothing_is_sent(town: Town) -> None:
    await town.directory.look()
    before = await town.bus.end_positions(["db", "state"])
    await town.directory.look()
    assert await town.bus.end_positions(["db", "state"]) == before


async def test_a_list_of_somebody_else_is_put_right(town: Town) -> None:
    await import_plan(town.store, demo_plan(2))
    await town.directory.look()
    ours = [(record.key, record.value) for record in await town.records("db")]
    await town.bus.publish([Outgoing("db", "1", None), Outgoing("db", END_OF_DEVICES, b"{}")])
    await town.directory.look()

    assert [(record.key, record.value) for record in await town.records("db")] == ours


async def test_every_part_follows_the_list(town: Town) -> None:
    following = asyncio.create_task(town.channel.follow_devices())
    await import_plan(town.store, demo_plan())
    await town.directory.look()
    await town.channel.devices.complete()
    assert len(town.channel.devices) == 16
    await import_plan(town.store, parse_plan(demo_building().replace(ROOM_2, "")))
    await town.directory.look()
    await until(lambda: len(town.channel.devices) == 12)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


async def test_settings_gateways_and_rules_are_on_state(town: Town) -> None:
    await import_plan(town.store, parse_plan(demo_building().replace("[building]", '[building]\nrules = "2020"')))
    await town.directory.look()
    assert await town.said(BuildingSettings) == [
        BuildingSettings(
            name="Insula", time_zone="Europe/Paris", latitude=45.76, longitude=4.84, rules="2020", hand_hold_s=3600
        )
    ]
    assert await town.said(RuleSet) == [load_ruleset("2020")]
    assert [(gateway.id, gateway.type, gateway.default) for gateway in await town.said(GatewayRecord)] == [
        ("knx", "knx", True),
        ("zwave", "zwave", True),
    ]


async def test_a_gateway_that_is_gone_gets_a_tombstone(town: Town) -> None:
    async with town.store.write() as connection:
        await save_state(connection, {"gateway/removed-while-away": b"{}"}, at=1)
    await import_plan(town.store, demo_plan(200))
    await town.directory.look()
    assert {gateway.id for gateway in await town.said(GatewayRecord)} == {"knx", "zwave", "zwave-2"}
    await import_plan(town.store, demo_plan())
    await town.directory.look()
    tombstones = {record.key for record in await town.records("state") if record.value is None}
    rooms = {key for key in tombstones if key.startswith("room/")}
    assert (tombstones - rooms, len(rooms)) == ({"gateway/zwave-2", "gateway/removed-while-away"}, 196)


async def health(town: Town) -> Health:
    (found,) = await town.said(Health)
    assert isinstance(found, Health)
    return found


async def run_until(town: Town, condition: Callable[[], bool]) -> asyncio.Task[None]:
    task = asyncio.create_task(town.directory.run())
    await until(condition)
    return task


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_it_looks_for_changes_every_half_second(town: Town) -> None:
    task = await run_until(town, lambda: town.directory._published is not None)
    await import_plan(town.store, demo_plan())

    def published() -> int:
        return town.directory._published.change if town.directory._published else 0

    await settle()
    assert published() == 0
    await town.clock.advance(0.5)
    await until(lambda: published() == 1)
    await town.clock.advance(5)
    await until(lambda: town.bus.logs["state", 0].end > 0)
    assert (await health(town)).counters == {"devices": 16, "change": 1}
    await stop(task)


RULES = """
name = "mine"
[[rule]]
name = "blinds close when humid"
when = "humidity > 50"
target = "blind.position"
value = 0
"""
WITH_RULES = demo_building().replace("[building]", '[building]\nrules = "mine.toml"')


async def test_rules_of_a_file_are_those_of_the_last_import(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(RULES)
    await import_plan(town.store, parse_plan(WITH_RULES, folder=tmp_path))
    await town.directory.look()
    assert [rules.rules[0].when for rules in await town.said(RuleSet)] == ["humidity > 50"]
    file.write_text(RULES.replace("> 50", "> 55"))
    assert await import_plan(town.store, parse_plan(WITH_RULES, folder=tmp_path)) != []
    file.unlink()
    await town.directory.look()
    assert [rules.rules[0].when for rules in await town.said(RuleSet)] == ["humidity > 55"]


async def test_a_set_that_comes_with_insula_is_that_of_this_program(town: Town) -> None:
    await import_plan(town.store, demo_plan())
    newer = RuleSet(name="default", version="newer", rules=())
    await Directory(town.channel, town.store, town.clock, rules=lambda name: newer).look()
    assert await town.said(RuleSet) == [newer]


async def test_rules_of_a_file_that_no_import_has_read(town: Town, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(RULES)
    await import_plan(town.store, parse_plan(WITH_RULES, folder=tmp_path))
    async with town.store.write() as connection:
        await put_value(connection, "rules", None)
    task = await run_until(town, lambda: town.directory._published is not None)
    await town.clock.advance(5)
    assert await town.said(RuleSet) == []
    assert "import the building file again" in (await health(town)).why
    await stop(task)


async def test_rules_that_cannot_be_used_leave_those_in_force(town: Town) -> None:
    def rules(name: str) -> RuleSet:
        raise InputError(f"no rule set {name}")

    town.directory = Directory(town.channel, town.store, town.clock, rules=rules)
    task = await run_until(town, lambda: town.directory._published is not None)
    await town.clock.advance(5)
    assert await town.said(RuleSet) == []
    assert len(await town.said(BuildingSettings)) == 1
    assert ((await health(town)).status, (await health(town)).why) == (
        "degraded",
        "rules default: no rule set default",
    )
    await stop(task)


async def test_a_database_that_does_not_answer_is_asked_again(town: Town) -> None:
    failures = iter([True])

    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if next(failures, False):
            raise OperationalError(statement, None, Exception("disk I/O error"))

    assert town.store._engine is not None
    event.listen(town.store._engine.sync_engine, "before_cursor_execute", fail)
    task = await run_until(town, lambda: bool(town.directory._failure))
    assert town.directory._failure == "database: disk I/O error"
    await town.clock.advance(0.5)
    await until(lambda: town.directory._published is not None)
    await until(lambda: not town.directory._failure)
    await town.clock.advance(5)
    assert (await health(town)).status == "ok"
    await stop(task)
