"""The database: its schema, its transactions, and what is asked of it."""

import asyncio

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from insula.building.demo import UUID, demo_plan
from insula.store.beacons import BeaconRow, find_beacon, list_beacons
from insula.store.building import import_plan
from insula.store.devices import devices_of_room, known_devices, list_devices
from insula.store.engine import Store
from insula.store.events import add_events
from insula.store.heard import QUALITY, START, HeardIn, heard_between
from insula.store.log import LogRow, add_log, log_of_beacon, log_of_devices, mean_of_room
from insula.store.positions import PositionMoved, Stored, load_positions, move_positions
from insula.store.rooms import find_room, list_rooms, room_of_knx
from insula.store.state import load_state, save_state
from insula.store.tables import Change, Device, Log
from insula.store.values import get_value, put_value

HOUR = 3_600_000


@pytest.fixture
async def building(store: Store) -> Store:
    await import_plan(store, demo_plan())
    return store


# --- transactions


async def count(store: Store) -> int:
    async with store.read() as connection:
        return await connection.scalar(select(func.count()).select_from(Change)) or 0


async def test_a_write_is_all_or_nothing(store: Store) -> None:
    async def fail() -> None:
        async with store.write() as connection:
            await connection.execute(insert(Change), {"at": 1, "what": "x"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await count(store) == 0


async def test_writes_that_read_first_take_turns(store: Store) -> None:
    async def add() -> None:
        async with store.write() as connection:
            before = await connection.scalar(select(func.count()).select_from(Change))
            await connection.execute(insert(Change), {"at": before, "what": "x"})

    await asyncio.gather(*(add() for _ in range(20)))
    async with store.read() as connection:
        assert (await connection.scalars(select(Change.c.at).order_by(Change.c.id))).all() == list(range(20))


async def test_a_reader_sees_one_moment(store: Store) -> None:
    async with store.read() as connection:
        before = await connection.scalar(select(func.count()).select_from(Change))
        async with store.write() as writer:
            await writer.execute(insert(Change), {"at": 1, "what": "x"})
        assert await connection.scalar(select(func.count()).select_from(Change)) == before
    assert await count(store) == 1


async def test_foreign_keys_are_kept(store: Store) -> None:
    with pytest.raises(IntegrityError):
        async with store.write() as connection:
            await add_log(connection, [LogRow(1, 2.0, "temperature", 99)])


# --- rooms, beacons, devices


async def test_a_beacon_names_its_room_by_all_three(building: Store) -> None:
    async with building.read() as connection:
        rows = await list_beacons(connection)
        found = await find_beacon(connection, UUID.upper(), 30874, 43216)
        other = await find_beacon(connection, "00000000-f5f8-466e-aff9-25556b57fe6d", 30874, 43216)
    assert [(row.major, row.minor, row.room_number) for row in rows] == [
        (17644, 12302, 1),
        (17644, 31456, 2),
        (30874, 43216, 10),
        (30874, 10279, 11),
    ]
    assert found == BeaconRow(UUID, 30874, 43216, rows[2].room_id, 10)
    assert other is None


async def test_a_knx_name_gives_the_room(building: Store) -> None:
    async with building.read() as connection:
        room = await room_of_knx(connection, "radiator", 11, 4)
        assert await room_of_knx(connection, "radiator", 11, 5) is None
        assert await room_of_knx(connection, "lamp", 11, 4) is None
        assert room is not None
        assert room == await find_room(connection, 11)
        assert await find_room(connection, 12) is None
        assert room in await list_rooms(connection)


async def test_the_devices_of_a_room(building: Store) -> None:
    async with building.read() as connection:
        rooms = await list_rooms(connection)
        devices = await devices_of_room(connection, rooms[1].id)
        everything = await list_devices(connection)
        assert await known_devices(connection) == {device.device_id for device in everything}
    assert [(device.kind, device.type, device.room_number) for device in devices] == [
        ("blind", "knx", 2),
        ("radiator", "knx", 2),
        ("sensor", "zwave", 2),
        ("lamp", "zwave", 2),
    ]
    assert len(everything) == 16
    assert (devices[0].bloc, devices[0].floor, devices[0].node_id) == (2, 4, None)
    assert (devices[2].name, devices[2].node_id, devices[2].default_gateway) == ("Multisensor 6", 4, True)
    assert devices[0].points[0].status == "4/4/2"


# --- log


async def sensors(store: Store) -> dict[int, int]:
    """Room number to the id of its sensor."""
    async with store.read() as connection:
        return {d.room_number: d.device_id for d in await list_devices(connection) if d.kind == "sensor"}


async def fill(store: Store, *rows: LogRow) -> None:
    async with store.write() as connection:
        await add_log(connection, rows)


async def test_the_log_of_a_beacons_room(building: Store) -> None:
    of = await sensors(building)
    mine = [LogRow(10, 0.0, "sensor", of[2]), LogRow(20, 21.25, "temperature", of[2])]
    await fill(building, mine[1], LogRow(15, 1.0, "sensor", of[1]), mine[0])
    async with building.read() as connection:
        assert await log_of_beacon(connection, UUID, 17644, 31456) == mine
        assert await log_of_beacon(connection, UUID, 17644, 31456, start=11, end=20) == []
        assert await log_of_beacon(connection, UUID, 17644, 1) == []


async def test_the_log_of_a_device_over_a_time_and_of_a_role(building: Store) -> None:
    of = await sensors(building)
    await fill(building, *(LogRow(at, at / 2, reason, of[1]) for at in (1, 2, 3) for reason in ("co2", "luminance")))
    async with building.read() as connection:
        rows = await log_of_devices(connection, [of[1]], 2, 4, "illuminance")
        assert await log_of_devices(connection, [of[2]], 0, 9) == []
        assert len(await log_of_devices(connection, [of[1], of[2]], 0, 9)) == 6
    assert rows == [LogRow(2, 1.0, "luminance", of[1]), LogRow(3, 1.5, "luminance", of[1])]


async def test_a_row_twice_is_one(building: Store) -> None:
    of = await sensors(building)
    await fill(building, LogRow(1, 20.0, "temperature", of[1]))
    await fill(building, LogRow(1, 20.0, "temperature", of[1]), LogRow(2, 21.0, "temperature", of[1]))
    async with building.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(Log)) == 2


async def test_the_mean_of_a_room_is_weighted_by_time(building: Store) -> None:
    of = await sensors(building)
    async with building.read() as connection:
        room = await find_room(connection, 1)
        assert room is not None
        assert await mean_of_room(connection, room.id, "temperature", 0, 3 * HOUR) is None
    step = HOUR // 12
    warm = [LogRow(n * step, 20.0 if n < 12 else 23.0, "temperature", of[1]) for n in range(36)]
    # Room 2's values, and another reason's, are not room 1's.
    await fill(building, *warm, LogRow(5, 99.0, "temperature", of[2]), LogRow(5, 99.0, "luminance", of[1]))
    async with building.read() as connection:
        mean = await mean_of_room(connection, room.id, "temperature", 0, 3 * HOUR)
        after = await mean_of_room(connection, room.id, "temperature", 3 * HOUR, 6 * HOUR)
        gone = await mean_of_room(connection, room.id, "temperature", 4 * HOUR, 7 * HOUR)
    assert mean == pytest.approx(22.0)
    assert after == pytest.approx(23.0)
    assert gone is None


# --- state, positions, values


async def test_state_keeps_the_last_value_of_each_key(store: Store) -> None:
    async with store.write() as connection:
        await save_state(connection, {"a": b"1", "b": b"2"}, at=1)
        await save_state(connection, {"a": b"3", "b": None}, at=2)
        await save_state(connection, {}, at=3)
    async with store.read() as connection:
        assert await load_state(connection) == {"a": b"3"}


async def test_a_position_moves_from_where_it_was(store: Store) -> None:
    knx, first, second = ("knx", 3), Stored("run", 5), Stored("run", 9)
    async with store.write() as connection:
        await move_positions(connection, "r", {}, {knx: first})
        await move_positions(connection, "r", {knx: first}, {knx: second})
    for before in ({knx: first}, {}, {knx: Stored("other", 9)}):
        with pytest.raises(PositionMoved, match="knx/3"):
            async with store.write() as connection:
                await move_positions(connection, "r", before, {knx: Stored("run", 12)})
    async with store.read() as connection:
        assert await load_positions(connection, "r") == {knx: second}
        assert await load_positions(connection, "other") == {}


async def test_small_values_outlive_the_process(store: Store) -> None:
    async with store.write() as connection:
        await put_value(connection, "clock", 1)
        await put_value(connection, "clock", {"now": 2})
    async with store.read() as connection:
        assert await get_value(connection, "clock") == {"now": 2}
        assert await get_value(connection, "other") is None


async def test_device_ids_are_never_given_again(building: Store) -> None:
    async with building.write() as connection:
        top = await connection.scalar(select(func.max(Device.c.id)))
        await connection.execute(Device.delete().where(Device.c.id == top))
    await import_plan(building, demo_plan(5))
    async with building.read() as connection:
        assert top not in await known_devices(connection)


async def test_of_two_values_of_one_moment_the_later_counts(store: Store) -> None:
    await import_plan(store, demo_plan())
    async with store.write() as connection:
        await add_log(connection, [LogRow(5, 90.0, "valve", 2), LogRow(5, 10.0, "valve", 2)])
        await add_log(connection, [LogRow(5, 20.0, "valve", 2)])
    async with store.read() as connection:
        rows = await log_of_devices(connection, [2], 0, 10)
    assert rows == [LogRow(5, 20.0, "valve", 2)]


async def test_what_was_heard_is_read_in_order_with_what_was_said_before(store: Store) -> None:
    said = [
        HeardIn("a", 10, "rules/building", b"1"),
        HeardIn("b", 20, "rules/building", b"2"),
        HeardIn("c", 20, QUALITY, b"3", 7),
        HeardIn("z", 40, QUALITY, b"4", 7),
        HeardIn("y", 40, "room/7", b"5", 7),
        HeardIn("d", 60, START, b""),
    ]
    async with store.write() as connection:
        await add_events(connection, said)
        await add_events(connection, said[:2])
    async with store.read() as connection:
        found = await heard_between(connection, 30, 60)
    assert [one.value for one in found] == [b"2", b"4", b"5"]
    assert found[1] == said[3]
