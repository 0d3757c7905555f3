"""All that is on the topics at the end, read from their beginning by a reader of its own."""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from bench.faults.campus import Campus
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.kafka import KafkaBus
from insula.bus.port import Partition, Record, reached
from insula.bus.topics import END_OF_DEVICES
from insula.clock import SystemClock
from insula.messages import Command, CommandResult, DeviceRecord

FIELD = ("knx", "zwave", "events")
CATCH_UP_S = 180.0


@dataclass
class Records:
    """``listed``: the keys of ``db`` up to the first marker; ``caught_up``: whether the recorder has got to where the
    topics ended when that was asked."""

    commands: dict[str, Command] = field(default_factory=dict)
    copies: Counter[str] = field(default_factory=Counter)
    results: dict[str, dict[str, CommandResult]] = field(default_factory=lambda: defaultdict(dict))
    devices: dict[int, DeviceRecord] = field(default_factory=dict)
    listed: set[int] = field(default_factory=set)
    behind: dict[Partition, int] = field(default_factory=dict)


async def read_all(campus: Campus) -> Records:
    bus = KafkaBus(campus.cluster.config, SystemClock())
    await bus.start()
    channel, records = Channel(bus, DeviceIndex()), Records()
    following = asyncio.create_task(channel.follow_devices())
    try:
        await channel.devices.complete()
        records.devices = {device.device_id: device for device in channel.devices}
        ends = await bus.end_positions(FIELD)
        records.behind = await _behind(campus, ends)
        await _read_field(channel, records, ends)
        await _read_list(channel, records)
    finally:
        following.cancel()
        await asyncio.wait([following])
        await bus.stop()
    return records


async def _behind(campus: Campus, ends: dict[Partition, int]) -> dict[Partition, int]:
    """Waits for the recorders; how many records they have still not stored at last."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CATCH_UP_S
    query = "SELECT topic, `partition`, `offset` FROM Position WHERE reader = 'recorder'"
    database = campus.database.rpartition("/")[2]
    while True:
        rows = await asyncio.to_thread(campus.server.sql, query, database)
        stored = {(topic, int(number)): int(offset) for topic, number, offset in rows}
        behind = {place: end - stored.get(place, 0) for place, end in ends.items() if stored.get(place, 0) < end}
        if not behind or loop.time() > deadline:
            return behind
        await asyncio.sleep(1)


async def _read_field(channel: Channel, records: Records, ends: dict[Partition, int]) -> None:
    reader = await channel.read(FIELD, name="faults", start="beginning", wanted=_no_reading)
    while not reached(reader.positions(), ends):
        for received in await reader.batch(5000):
            match received.message:
                case Command() as command:
                    records.commands[command.id] = command
                    records.copies[command.id] += 1
                case CommandResult() as result:
                    records.results[result.command.id][result.id] = result
    await reader.close()


async def _read_list(channel: Channel, records: Records) -> None:
    """As a program of 2020 does: from offset zero up to the first marker."""
    reader = await channel.read(["db"], name="faults db", start="beginning")
    while True:
        for record in await reader.records():
            if record.key == END_OF_DEVICES:
                await reader.close()
                return
            if record.value is not None:
                records.listed.add(int(record.key))


def _no_reading(record: Record) -> bool:
    return "point" not in record.headers
