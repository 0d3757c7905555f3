"""What every implementation of the bus promises (insula.bus.port)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from insula.bus.channel import END_OF_DEVICES, Channel
from insula.bus.devices import DeviceIndex
from insula.bus.port import MAX_RECORD, Bus, Outgoing, Partition
from insula.errors import RecordTooLarge, Unavailable
from insula.messages import DeviceRecord, Lease, Origin, Point, Reading
from tests.contracts.buses import PATIENCE_S, Shares, published, reading, take, take_all, take_until, values

# --- what is published is read


async def test_a_record_is_read_as_it_was_published(bus: Bus) -> None:
    reader = await bus.subscribe(["knx"], name="reader")
    headers = {"point": "7/position", "room": "3", "resend": "1"}
    await bus.publish([Outgoing("knx", "blinds_ü", "{°}".encode(), headers, spread=3)])

    (record,) = await take(reader, 1)

    assert (record.topic, record.key, record.value) == ("knx", "blinds_ü", "{°}".encode())
    assert dict(record.headers) == headers
    assert record.at > 1_600_000_000_000


async def test_a_record_that_is_too_large_is_refused_and_the_largest_is_taken(bus: Bus) -> None:
    reader = await bus.subscribe(["knx"], name="reader")
    largest = Outgoing("knx", "k", b"x" * (MAX_RECORD - 1), spread=1)
    with pytest.raises(RecordTooLarge, match=str(MAX_RECORD)):
        await bus.publish([Outgoing("knx", "ke", largest.value, spread=1)])
    with pytest.raises(RecordTooLarge):
        await bus.publish([Outgoing("knx", "k", largest.value, {"room": "1"}, spread=1)])
    await bus.publish([largest])

    assert [record.key for record in await take(reader, 1)] == ["k"]


async def test_each_reader_gets_every_record(bus: Bus) -> None:
    readers = [await bus.subscribe(["knx", "zwave"], name=f"reader {number}") for number in range(3)]
    await bus.publish([reading(1, 10), reading(1, 11, topic="zwave")])

    for reader in readers:
        assert sorted(values(await take(reader, 2))) == [10, 11]


async def test_records_of_a_room_stay_in_order(bus: Bus) -> None:
    reader = await bus.subscribe(["knx"], name="reader", start="beginning")
    published = {room: list(range(room * 1000, room * 1000 + 20)) for room in range(30)}
    for step in range(20):
        await bus.publish([reading(room, numbers[step]) for room, numbers in published.items()])

    records = await take(reader, 600)

    for room, numbers in published.items():
        of_room = [record for record in records if int(record.value or b"") // 1000 == room]
        assert values(of_room) == numbers
        assert len({record.partition for record in of_room}) == 1


async def test_rooms_are_spread_over_the_partitions_and_the_same_way_on_each_topic(bus: Bus) -> None:
    reader = await bus.subscribe(["knx", "zwave"], name="reader")
    await bus.publish([reading(room, room, topic=topic) for room in range(24) for topic in ("knx", "zwave")])

    partitions = {(int(r.value or b""), r.topic): r.partition for r in await take(reader, 48)}

    assert all(partitions[room, "knx"] == partitions[room, "zwave"] for room in range(24))
    assert len(set(partitions.values())) == 12


async def test_without_a_room_the_key_chooses_the_partition(bus: Bus) -> None:
    reader = await bus.subscribe(["zwave"], name="reader")
    await bus.publish([Outgoing("zwave", key, str(n).encode()) for n in range(10) for key in ("a", "b", "c")])

    records = await take(reader, 30)

    for key in "abc":
        of_key = [record for record in records if record.key == key]
        assert values(of_key) == list(range(10))
        assert len({record.partition for record in of_key}) == 1


async def test_offsets_of_a_partition_go_up(bus: Bus) -> None:
    reader = await bus.subscribe(["events"], name="reader")
    await bus.publish([reading(4, number, topic="events") for number in range(50)])

    offsets = [record.offset for record in await take(reader, 50)]

    assert offsets == sorted(set(offsets))


async def test_a_batch_is_no_longer_than_asked_for(bus: Bus) -> None:
    reader = await bus.subscribe(["knx"], name="reader")
    await bus.publish([reading(1, number) for number in range(10)])

    batches = []
    async with asyncio.timeout(PATIENCE_S):
        while sum(map(len, batches)) < 10:
            batches.append(await reader.batch(4))

    assert max(map(len, batches)) <= 4
    assert [n for batch in batches for n in values(batch)] == list(range(10))


# --- where a reader starts, and goes on


async def test_a_reader_at_the_end_sees_what_is_published_after_it_subscribed_and_nothing_older(bus: Bus) -> None:
    await bus.publish([reading(room, 1) for room in range(12)])
    reader = await bus.subscribe(["knx"], name="reader", start="end")
    await bus.publish([reading(room, 2) for room in range(12)])

    assert values(await take(reader, 12)) == [2] * 12


async def test_a_reader_at_the_beginning_sees_what_is_there_and_what_comes(bus: Bus) -> None:
    await bus.publish([reading(1, 1), reading(1, 2)])
    reader = await bus.subscribe(["knx"], name="reader", start="beginning")
    await bus.publish([reading(1, 3)])

    assert values(await take(reader, 3)) == [1, 2, 3]


@pytest.mark.parametrize("taken", [0, 1, 7, 40])
async def test_a_reader_goes_on_from_the_positions_of_an_earlier_one(bus: Bus, taken: int) -> None:
    earlier = await bus.subscribe(["knx", "zwave"], name="reader", start="end")
    await bus.publish(
        [reading(room, room * 10 + n, topic=topic) for topic in ("knx", "zwave") for room in range(5) for n in range(4)]
    )
    first = await take(earlier, taken, limit=3)
    positions = earlier.positions()
    await earlier.close()

    later = await bus.subscribe(["knx", "zwave"], name="reader", start=positions)
    second = await take_all(bus, later, ["knx", "zwave"])

    places = [record.place for record in first + second]
    assert len(places) == len(set(places)) == 40


async def test_positions_are_those_of_the_taken_records_alone(bus: Bus) -> None:
    reader = await bus.subscribe(["state"], name="reader")
    await bus.publish([Outgoing("state", f"key {number}", b"1") for number in range(10)])

    (record,) = await take(reader, 1)

    assert reader.positions()["state", 0] == record.offset + 1


async def test_partitions_that_the_positions_do_not_name_begin_at_their_beginning(bus: Bus) -> None:
    await bus.publish([reading(room, room) for room in (1, 2)])
    end = await bus.end_positions(["knx"])
    of_room_2 = {place: offset for place, offset in end.items() if place[1] == 2}

    reader = await bus.subscribe(["knx"], name="reader", start=of_room_2)

    assert values(await take_all(bus, reader, ["knx"])) == [1]


async def test_a_position_before_what_is_kept_begins_at_the_oldest_kept(bus: Bus) -> None:
    start = dict(await bus.end_positions(["knx"]))
    await bus.publish([reading(1, 1), reading(1, 2)])
    await bus.delete_before(await bus.end_positions(["knx"]))
    await bus.publish([reading(1, 3)])

    reader = await bus.subscribe(["knx"], name="reader", start=start)

    assert values(await take(reader, 1)) == [3]


# --- the whole of a topic


async def test_end_positions_name_every_partition(bus: Bus) -> None:
    end = await bus.end_positions(["knx", "zwave", "db"])

    assert {place for place in end if place[0] != "db"} == {(t, n) for t in ("knx", "zwave") for n in range(12)}
    assert [place for place in end if place[0] == "db"] == [("db", 0)]


@pytest.mark.parametrize("topic", ["db", "state"])
async def test_a_reader_from_the_beginning_knows_when_it_has_them_all(bus: Bus, topic: str) -> None:
    await bus.publish([Outgoing(topic, str(number), b"1") for number in range(2500)])

    reader = await bus.subscribe([topic], name="reader", start="beginning")
    records = await take_all(bus, reader, [topic])

    assert {record.key for record in records} == {str(number) for number in range(2500)}


async def test_nothing_to_wait_for_on_an_empty_topic(bus: Bus) -> None:
    reader = await bus.subscribe(["state"], name="reader", start="beginning")

    assert await take_all(bus, reader, ["state"]) == []
    assert reader.positions() == await bus.end_positions(["state"])


@pytest.mark.parametrize("topic", ["db", "state"])
async def test_the_last_record_of_each_key_is_kept_and_tombstones_remove(bus: Bus, topic: str) -> None:
    for number in range(5):
        await bus.publish([Outgoing(topic, key, f"{key}{number}".encode()) for key in ("a", "b", "c")])
    await bus.publish([Outgoing(topic, "b", None), Outgoing(topic, "c", None), Outgoing(topic, "c", b"again")])

    reader = await bus.subscribe([topic], name="reader", start="beginning")
    kept = {record.key: record.value for record in await take_all(bus, reader, [topic])}

    assert {key: value for key, value in kept.items() if value is not None} == {"a": b"a4", "c": b"again"}


async def test_a_tombstone_reaches_readers(bus: Bus) -> None:
    reader = await bus.subscribe(["state"], name="reader")
    await bus.publish([Outgoing("state", "lease/7", b"{}"), Outgoing("state", "lease/7", None)])

    assert [record.value for record in await take(reader, 2)] == [b"{}", None]


async def test_records_before_a_position_can_be_deleted(bus: Bus) -> None:
    await bus.publish([Outgoing("db", key, b"old") for key in ("1", "2", "3")])
    begin = await bus.end_positions(["db"])
    await bus.publish([Outgoing("db", "2", b"new"), Outgoing("db", END_OF_DEVICES, b"")])

    await bus.delete_before(begin)

    reader = await bus.subscribe(["db"], name="reader", start="beginning")
    assert [(r.key, r.value) for r in await take_all(bus, reader, ["db"])] == [("2", b"new"), (END_OF_DEVICES, b"")]


# --- slow readers


async def test_a_lossless_reader_that_was_slow_misses_nothing(bus: Bus) -> None:
    slow = await bus.subscribe(["knx"], name="slow", slow="lossless")
    quick = await bus.subscribe(["knx"], name="quick", slow="lossless")
    for step in range(50):
        await bus.publish([reading(1, step * 100 + n, point="7/position") for n in range(100)])
        await take(quick, 100)

    assert values(await take(slow, 5000)) == list(range(5000))


async def test_a_latest_reader_gets_the_newest_of_each_point_and_all_else(bus: Bus) -> None:
    slow = await bus.subscribe(["zwave"], name="slow", slow="latest")
    for number in range(200):
        await bus.publish([reading(5, number, topic="zwave", point=f"7/{p}") for p in ("temperature", "motion")])
        await bus.publish([reading(5, number, topic="zwave")])

    last: dict[str, int] = {}
    others: list[int] = []
    while last != {"7/temperature": 199, "7/motion": 199} or len(others) < 200:
        async with asyncio.timeout(PATIENCE_S):
            records = await slow.batch()
        points = [record.headers["point"] for record in records if "point" in record.headers]
        assert len(points) == len(set(points)), "a batch holds the newest of each point alone"
        last |= {r.headers["point"]: int(r.value or b"") for r in records if "point" in r.headers}
        others += values(record for record in records if "point" not in record.headers)

    assert others == list(range(200))
    assert slow.positions().items() >= {k: v for k, v in (await bus.end_positions(["zwave"])).items() if v}.items()


async def test_nobody_is_slow_when_all_is_taken(bus: Bus) -> None:
    reader = await bus.subscribe(["knx"], name="reader")
    await bus.publish([reading(1, 1)])
    await take(reader, 1)

    assert bus.slow_readers() == {}
    assert bus.dropped() == 0


# --- groups


def everything(*topics: str) -> set[Partition]:
    return {(topic, number) for topic in topics for number in range(12)}


async def test_one_member_has_all_partitions_and_is_told_before_the_first_record(bus: Bus) -> None:
    shares = Shares()
    alone = shares.member("alone")
    await alone.read(bus, ["knx", "zwave"], "recorders")
    await bus.publish([reading(room, room) for room in range(12)])
    await shares.progress.until(lambda: len(alone.records) == 12)

    assert shares.of("alone") == everything("knx", "zwave")
    await alone.close()


async def test_members_divide_the_partitions_and_the_same_rooms_of_each_topic(bus: Bus) -> None:
    shares = Shares()
    members = [shares.member(name) for name in ("a", "b", "c")]
    for member in members:
        await member.read(bus, ["knx", "zwave"], "recorders")
    await shares.progress.until(lambda: all(len(shares.of(name)) == 8 for name in "abc"))

    for name in "abc":
        numbers = {topic: {n for t, n in shares.of(name) if t == topic} for topic in ("knx", "zwave")}
        assert numbers["knx"] == numbers["zwave"]
    await bus.publish([reading(room, room) for room in range(120)])
    await shares.progress.until(lambda: sum(len(member.records) for member in members) == 120)
    assert sorted(n for member in members for n in values(member.records)) == list(range(120))
    for member in members:
        await member.close()


async def test_nothing_is_lost_or_read_twice_when_members_come_and_go(bus: Bus) -> None:
    shares = Shares()
    a, b = shares.member("a"), shares.member("b")

    async def seen(number: int) -> None:
        await shares.progress.until(lambda: len(a.records) + len(b.records) >= number)

    await a.read(bus, ["knx"], "recorders")
    await bus.publish([reading(room, room) for room in range(24)])
    await seen(24)
    await b.read(bus, ["knx"], "recorders")
    await shares.progress.until(lambda: len(shares.of("a")) == len(shares.of("b")) == 6)
    await bus.publish([reading(room, 100 + room) for room in range(24)])
    await seen(48)
    await a.close()
    await bus.publish([reading(room, 200 + room) for room in range(24)])
    await seen(72)

    expected = [*range(24), *range(100, 124), *range(200, 224)]
    assert sorted(values(a.records + b.records)) == expected
    assert shares.of("b") == everything("knx")
    await b.close()


async def test_a_member_says_where_its_partitions_begin(bus: Bus) -> None:
    await bus.publish([reading(1, 1), reading(1, 2), reading(2, 3)])
    shares = Shares(stored={("knx", 1): (await bus.end_positions(["knx"]))["knx", 1] - 1})
    member = shares.member("a")
    await member.read(bus, ["knx"], "recorders")
    await shares.progress.until(lambda: len(member.records) == 2)

    assert sorted(values(member.records)) == [2, 3]
    await member.close()


async def test_other_groups_are_left_alone(bus: Bus) -> None:
    mine, theirs = Shares(), Shares()
    a, b = mine.member("a"), theirs.member("b")
    await a.read(bus, ["knx"], "recorders")
    await b.read(bus, ["knx"], "archivists")
    await bus.publish([reading(room, room) for room in range(12)])
    await mine.progress.until(lambda: len(a.records) == 12)
    await theirs.progress.until(lambda: len(b.records) == 12)

    assert mine.of("a") == theirs.of("b") == everything("knx")
    await a.close()
    await b.close()


async def test_memberships_without_data_divide_and_take_over(bus: Bus) -> None:
    shares = Shares()
    a, b = shares.member("a"), shares.member("b")
    first = await bus.join("controllers", "knx", assigned=a.assigned, revoked=a.revoked)
    await shares.progress.until(lambda: len(shares.of("a")) == 12)
    second = await bus.join("controllers", "knx", assigned=b.assigned, revoked=b.revoked)
    await shares.progress.until(lambda: len(shares.of("a")) == len(shares.of("b")) == 6)

    shares.owners = {place: owner for place, owner in shares.owners.items() if owner != "a"}
    await first.close()
    await shares.progress.until(lambda: shares.of("b") == everything("knx"))

    assert shares.of("a") == set()
    await second.close()


# --- ends


async def test_a_reader_follows_partitions_from_a_moment_and_leaves_them(bus: Bus) -> None:
    reader = await bus.subscribe(["knx", "zwave"], name="reader", start="nowhere")
    first = await published(bus, reading(2, 0))
    middle = first
    while middle.at == first.at:
        middle = await published(bus, reading(2, 1))
    await bus.publish([reading(2, 2, topic="zwave"), reading(3, 3)])

    ends = await reader.follow([("knx", 2), ("zwave", 2)], since=middle.at)
    seen = await take_until(reader, ends)
    await bus.publish([reading(3, 4), reading(2, 5)])
    later = await take(reader, 1)
    await reader.leave([("knx", 2)])
    await bus.publish([reading(2, 6), reading(2, 7, topic="zwave")])

    assert sorted(values(seen)) == [1, 2]
    assert values(later) == [5]
    assert values(await take(reader, 1)) == [7]


async def test_a_partition_that_was_left_can_be_followed_again(bus: Bus) -> None:
    reader = await bus.subscribe(["knx"], name="reader", start="nowhere")
    before = await reader.follow([("knx", 2)], since=0)
    await reader.leave([("knx", 2)])
    await bus.publish([reading(2, 1)])
    after = await reader.follow([("knx", 2)], since=0)

    assert after == {("knx", 2): before["knx", 2] + 1}
    assert values(await take(reader, 1)) == [1]


async def test_where_nothing_was_produced_since_a_reader_begins_at_the_end(bus: Bus) -> None:
    reader = await bus.subscribe(["knx"], name="reader", start="nowhere")
    old = await published(bus, reading(2, 1))
    ends = await reader.follow([("knx", 2)], since=old.at + 60_000)
    assert reader.positions() == ends == {("knx", 2): old.offset + 1}
    await bus.publish([reading(2, 2)])

    assert values(await take(reader, 1)) == [2]


async def test_a_closed_reader_is_unavailable(bus: Bus) -> None:
    reader = await bus.subscribe(["knx"], name="reader", start="beginning")
    await reader.close()
    await reader.close()

    with pytest.raises(Unavailable):
        await reader.batch()


async def test_stopping_ends_the_readers_and_publishing(bus: Bus) -> None:
    reader = await bus.subscribe(["knx"], name="reader")
    waiting = asyncio.create_task(reader.batch())
    await asyncio.sleep(0)

    await bus.stop()

    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(Unavailable):
            await waiting
    with pytest.raises(Unavailable):
        await bus.publish([reading(1, 1)])


async def test_a_reader_that_gives_up_waiting_loses_nothing(bus: Bus) -> None:
    reader = await bus.subscribe(["knx"], name="reader")
    waiting = asyncio.create_task(reader.batch())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await bus.publish([reading(1, 1)])

    assert values(await take(reader, 1)) == [1]


# --- typed messages over it

SENSOR = DeviceRecord(
    device_id=7,
    room_id=3,
    room_number=10,
    type="zwave",
    gateway_id="zwave",
    kind="sensor",
    node_id=2,
    points=(Point(role="temperature"),),
)
MARKER = Outgoing("db", END_OF_DEVICES, b"{}")


@pytest.fixture
async def channel(bus: Bus) -> AsyncIterator[Channel]:
    """One that follows the building's devices."""
    channel = Channel(bus, DeviceIndex())
    follower = asyncio.create_task(channel.follow_devices())
    yield channel
    follower.cancel()
    await asyncio.gather(follower, return_exceptions=True)


def temperature(value: float) -> Reading:
    return Reading(at=1, device_id=7, gateway_id="zwave", point="temperature", value=value, measured_at=1, changed_at=1)


async def test_what_does_not_decode_is_counted_and_skipped(bus: Bus, channel: Channel) -> None:
    await channel.send(SENSOR)
    await bus.publish([MARKER])
    async with asyncio.timeout(PATIENCE_S):
        await channel.devices.complete()
    reader = await channel.read(["zwave", "events", "state"], name="reader")
    faults = [b"", b"\xff\x00", b"[]", b'{"node_id":99,"value":1}', b'{"node_id":2,"value":NaN}', None]
    await bus.publish([Outgoing("zwave", "sensors_get_temperature", fault, spread=3) for fault in faults])
    await bus.publish([Outgoing("events", "result", b"{}"), Outgoing("state", "nonsense", b"{}")])
    sent = temperature(21.5)
    await channel.send(sent)

    received = []
    while not received or reader.undecodable < 8:
        async with asyncio.timeout(PATIENCE_S):
            received += await reader.batch()

    assert [r.message for r in received] == [sent]
    assert reader.undecodable == channel.undecodable == 8


async def test_a_lease_comes_back_as_it_was_and_can_be_forgotten(bus: Bus, channel: Channel) -> None:
    lease = Lease(device_id=7, owner=Origin(kind="user", name="ann"), since=1, until=2)
    reader = await channel.read(["state"], name="reader", start="beginning")
    await channel.send(lease)
    await channel.forget("state", "lease/7")

    received = []
    while len(received) < 2:
        async with asyncio.timeout(PATIENCE_S):
            received += await reader.batch()

    assert [(r.record.key, r.message) for r in received] == [("lease/7", lease), ("lease/7", None)]


async def test_the_devices_are_known_once_the_list_is_whole_and_follow_each_change(bus: Bus, channel: Channel) -> None:
    changed = asyncio.Event()
    channel.devices.on_change(changed.set)

    async def change() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await changed.wait()
        changed.clear()

    await channel.send(SENSOR)
    assert not changed.is_set()
    await bus.publish([MARKER])
    await change()
    assert [device.device_id for device in channel.devices] == [7]

    second = DeviceRecord(**{**{f: getattr(SENSOR, f) for f in SENSOR.__struct_fields__}, "device_id": 8, "node_id": 3})
    await channel.send(second)
    await bus.publish([Outgoing("db", "7", b"broken"), MARKER])
    await change()
    assert {device.device_id for device in channel.devices} == {7, 8}, "one whose record is broken stays"

    await channel.forget("db", "7")
    await change()
    assert [device.device_id for device in channel.devices] == [8]

    await bus.publish([MARKER])
    await change()
    assert len(channel.devices) == 0
