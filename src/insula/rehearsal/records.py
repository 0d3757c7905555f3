"""What is recorded of a building's days, read from the database and from nothing else."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.messages import BuildingSettings, CommandResult, Decision, DeviceRecord, RoomRecord
from insula.store.building import read_settings
from insula.store.devices import list_devices
from insula.store.events import decisions_between, results_between
from insula.store.hands import read_rooms
from insula.store.heard import HeardIn, heard_between
from insula.store.moves import MoveRow, moves_between
from insula.store.tables import Log

LogLine = tuple[int, float, str, int]
"""Timestamp (ms), value, reason, device: as in Log."""


@dataclass(frozen=True, slots=True)
class Building:
    """As it is now: what was otherwise meanwhile is among what was heard. ``heard``: of the whole building."""

    settings: BuildingSettings
    rooms: dict[int, RoomRecord]
    devices: dict[int, list[DeviceRecord]]
    heard: list[HeardIn]


@dataclass(slots=True)
class RoomRecords:
    """Of one room over a time, each in order. Results with the time (ms, building's clock) of their command."""

    room_id: int
    log: Sequence[LogLine] = ()
    decisions: list[Decision] = field(default_factory=list)
    results: list[tuple[int, CommandResult]] = field(default_factory=list)
    moves: list[MoveRow] = field(default_factory=list)
    heard: list[HeardIn] = field(default_factory=list)


async def read_building(connection: AsyncConnection, heard: Sequence[HeardIn]) -> Building:
    devices: dict[int, list[DeviceRecord]] = defaultdict(list)
    for device in await list_devices(connection):
        devices[device.room_id].append(device)
    rooms = {room.room_id: room for room in await read_rooms(connection)}
    of_building = [one for one in heard if one.room_id is None]
    return Building(await read_settings(connection), rooms, dict(devices), of_building)


async def read_events(
    connection: AsyncConnection, start: int, end: int
) -> tuple[dict[int, RoomRecords], list[HeardIn]]:
    """By room, all but Log of ``start <= time < end`` (ms); and what was heard, of rooms or of all."""
    rooms: dict[int, RoomRecords] = {}

    def of(room_id: int | None) -> RoomRecords:
        return rooms.setdefault(room_id or 0, RoomRecords(room_id or 0))

    for decision in await decisions_between(connection, start, end):
        of(decision.room_id).decisions.append(decision)
    for timestamp, room_id, result in await results_between(connection, start, end):
        of(room_id).results.append((timestamp, result))
    for move in await moves_between(connection, start, end):
        of(move.room_id).moves.append(move)
    heard = await heard_between(connection, start, end)
    for one in heard:
        if one.room_id is not None:
            of(one.room_id).heard.append(one)
    return rooms, heard


async def read_log(connection: AsyncConnection, devices: Sequence[int], start: int, end: int) -> list[LogLine]:
    """Of these devices, ``start <= timestamp < end`` (ms), by device, reason and time."""
    query = (
        select(Log.c.timestamp, Log.c.value, Log.c.reason, Log.c.device)
        .where(Log.c.device.in_(devices), Log.c.timestamp >= start, Log.c.timestamp < end)
        .order_by(Log.c.device, Log.c.reason, Log.c.timestamp)
    )
    return [(row[0], row[1], row[2], row[3]) for row in await connection.execute(query)]


async def recorded_span(connection: AsyncConnection, devices: Sequence[int]) -> tuple[int, int] | None:
    """The first and the last moment of which Log has anything of these devices (ms); None: it has nothing."""
    of = Log.c.device.in_(devices)
    first, last = (
        await connection.execute(select(func.min(Log.c.timestamp), func.max(Log.c.timestamp)).where(of))
    ).one()
    return None if first is None else (first, last)
