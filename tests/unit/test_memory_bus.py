"""The limits of the in-memory bus: what it keeps, and what happens when a reader is slow."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.bus.group import ranges
from insula.bus.memory import MemoryBus
from insula.bus.partition import CompactedLog, RetainedLog
from insula.bus.port import Outgoing, Partition, Positions, Record
from insula.clock import ManualClock, settle
from insula.errors import Unavailable

FULL = 10
KEEP = 100


@pytest.fixture
async def bus(clock: ManualClock) -> AsyncIterator[MemoryBus]:
    bus = MemoryBus(clock, keep=KEEP, full=FULL)
    await bus.start()
    yield bus
    await bus.stop()


def news(number: int, point: str = "7/position") -> Outgoing:
    return Outgoing("knx", "read_point", str(number).encode(), {"point": point}, spread=1)


def resend(number: int, point: str = "7/position") -> Outgoing:
    return Outgoing("knx", "read_point", str(number).encode(), {"point": point, "resend": "1"}, spread=1)


def command(number: int) -> Outgoing:
    return Outgoing("knx", "set_point", str(number).encode(), spread=1)


def values(records: Sequence[Record]) -> list[int]:
    return [int(record.value or b"") for record in records]


# --- what is kept


async def test_records_carry_the_real_time(bus: MemoryBus, clock: ManualClock) -> None:
    reader = await bus.subscribe(["knx"], name="reader")
    await bus.publish([news(1)])

    assert [record.at for record in await reader.batch()] == [clock.real()]


async def test_the_oldest_records_go_when_a_partition_is_full(bus: MemoryBus) -> None:
    await bus.publish([news(number) for number in range(KEEP + 5)])
    reader = await bus.subscribe(["knx"], name="reader", start="beginning")

    assert reader.positions()["knx", 1] == 5
    assert values(await reader.batch()) == list(range(5, KEEP + 5))


@pytest.mark.parametrize(("offset", "first"), [(-1, 5), (0, 5), (4, 5), (50, 50), (KEEP + 5, None), (10**9, None)])
async def test_a_position_that_is_not_kept_begins_at_the_nearest(
    bus: MemoryBus, offset: int, first: int | None
) -> None:
    await bus.publish([news(number) for number in range(KEEP + 5)])
    reader = await bus.subscribe(["knx"], name="reader", start={("knx", 1): offset})
    await bus.publish([news(1000)])

    assert values(await reader.batch())[0] == (1000 if first is None else first)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30), st.integers(0, 30))
def test_a_compacted_partition_keeps_the_last_of_each_key_in_order(
    published: list[tuple[str, bool]], since: int
) -> None:
    kept = CompactedLog(tombstones=3)
    last = {}
    for offset, (key, removed) in enumerate(published):
        record = Record("state", 0, offset, key, None if removed else b"1")
        kept.append(record)
        last[key] = record

    expected = sorted((r for r in last.values() if r.offset >= since), key=lambda record: record.offset)
    assert kept.since(since) == expected
    assert kept.end == len(published)


def test_a_compacted_partition_forgets_the_oldest_tombstones() -> None:
    kept = CompactedLog(tombstones=2)
    for offset in range(5):
        kept.append(Record("state", 0, offset, f"lease/{offset}", None))

    assert [record.key for record in kept.since(0)] == ["lease/3", "lease/4"]


def test_a_retained_partition_keeps_no_more_bytes_than_it_may() -> None:
    kept = RetainedLog(keep=10, keep_bytes=100)
    for offset in range(8):
        kept.append(Record("knx", 0, offset, "key", b"x" * 27))
    assert [record.offset for record in kept.since(0)] == [5, 6, 7]

    kept.delete_before(7)
    for offset in range(8, 30):
        kept.append(Record("knx", 0, offset, "", b"12"))
    assert (kept.begin, len(kept.since(0))) == (20, 10)


@pytest.mark.parametrize("kept", [CompactedLog(), RetainedLog(keep=10, keep_bytes=1000)])
def test_deleting_past_the_end_deletes_all_and_no_more(kept: CompactedLog | RetainedLog) -> None:
    kept.append(Record("state", 0, 0, "a", b"1"))
    kept.delete_before(100)
    kept.append(Record("state", 0, 1, "b", None))

    assert kept.begin == 1
    assert [record.key for record in kept.since(0)] == ["b"]


# --- lossless and full


async def test_a_full_reader_first_loses_the_resends(bus: MemoryBus) -> None:
    reader = await bus.subscribe(["knx"], name="recorder")
    await bus.publish([news(number) if number % 2 else resend(number) for number in range(FULL)])
    await bus.publish([news(100)])

    assert bus.dropped() == FULL // 2
    assert bus.slow_readers() == {}
    assert values(await reader.batch()) == [1, 3, 5, 7, 9, 100]


async def test_then_publishing_waits_until_there_is_room(bus: MemoryBus) -> None:
    reader = await bus.subscribe(["knx"], name="recorder")
    await bus.publish([news(number) for number in range(FULL)])
    publishing = asyncio.create_task(bus.publish([news(100), news(101)]))
    await settle()

    assert not publishing.done()
    assert bus.slow_readers() == {"recorder": FULL}

    assert values(await reader.batch(1)) == [0]
    await settle()
    assert not publishing.done()
    assert values(await reader.batch(5)) == [1, 2, 3, 4, 5]
    async with asyncio.timeout(10):
        await publishing
    assert bus.slow_readers() == {}
    assert values(await reader.batch()) == [6, 7, 8, 9, 100, 101]
    assert bus.dropped() == 0


async def test_a_resend_does_not_wait_for_a_full_reader(bus: MemoryBus) -> None:
    full = await bus.subscribe(["knx"], name="recorder")
    other = await bus.subscribe(["knx"], name="other", slow="latest")
    await bus.publish([news(number) for number in range(FULL)])
    await bus.publish([resend(FULL - 1)])

    assert bus.dropped() == 1
    assert values(await full.batch()) == list(range(FULL))
    assert values(await other.batch()) == [FULL - 1]


async def test_other_partitions_and_topics_do_not_wait(bus: MemoryBus) -> None:
    await bus.subscribe(["knx"], name="recorder")
    other = await bus.subscribe(["zwave"], name="other")
    await bus.publish([news(number) for number in range(FULL)])

    async with asyncio.timeout(10):
        await bus.publish([Outgoing("zwave", "set_point", b"5", spread=1)])

    assert values(await other.batch()) == [5]


async def test_closing_a_full_reader_lets_publishing_go_on(bus: MemoryBus) -> None:
    reader = await bus.subscribe(["knx"], name="recorder")
    await bus.publish([news(number) for number in range(FULL)])
    publishing = asyncio.create_task(bus.publish([news(100)]))
    await settle()
    await reader.close()

    async with asyncio.timeout(10):
        await publishing
    assert (await bus.end_positions(["knx"]))["knx", 1] == FULL + 1


async def test_a_stopped_bus_ends_a_waiting_publisher(bus: MemoryBus) -> None:
    await bus.subscribe(["knx"], name="recorder")
    await bus.publish([news(number) for number in range(FULL)])
    publishing = asyncio.create_task(bus.publish([news(100)]))
    await settle()
    await bus.stop()

    async with asyncio.timeout(10):
        with pytest.raises(Unavailable):
            await publishing
    with pytest.raises(Unavailable):
        await bus.subscribe(["knx"], name="late")


async def test_a_given_up_publication_is_not_waited_for(bus: MemoryBus) -> None:
    reader = await bus.subscribe(["knx"], name="recorder")
    await bus.publish([news(number) for number in range(FULL)])
    given_up = asyncio.create_task(bus.publish([news(100)]))
    publishing = asyncio.create_task(bus.publish([news(101)]))
    await settle()
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)

    assert values(await reader.batch()) == list(range(FULL))
    await publishing
    assert values(await reader.batch()) == [101]


async def test_who_takes_a_full_readers_batches_may_publish(bus: MemoryBus) -> None:
    """A gateway answers the commands that it reads on the topics that it reads."""
    reader = await bus.subscribe(["knx"], name="gateway")
    await bus.publish([command(number) for number in range(FULL)])
    assert values(await reader.batch(1)) == [0]
    await bus.publish([command(100)])
    assert bus.slow_readers() == {"gateway": FULL}

    async with asyncio.timeout(10):
        await bus.publish([command(101)])

    assert values(await reader.batch()) == [*range(1, FULL), 100, 101]


async def test_what_a_reader_starts_with_does_not_make_it_slow(bus: MemoryBus) -> None:
    await bus.publish([news(number) for number in range(3 * FULL)])
    reader = await bus.subscribe(["knx"], name="reader", start="beginning")
    await bus.publish([news(100)])

    assert bus.slow_readers() == {}
    assert len(await reader.batch()) == 3 * FULL + 1


# --- latest


async def test_of_each_point_only_the_newest_waits(bus: MemoryBus) -> None:
    reader = await bus.subscribe(["knx"], name="live", slow="latest")
    await bus.publish([news(1, "7/position"), news(2, "8/valve"), command(3), news(4, "7/position"), command(5)])

    assert values(await reader.batch()) == [2, 3, 4, 5]
    assert reader.positions()["knx", 1] == 5


async def test_a_latest_reader_can_take_part_of_it(bus: MemoryBus) -> None:
    reader = await bus.subscribe(["knx"], name="live", slow="latest")
    await bus.publish([news(1, "a"), news(2, "b"), news(3, "c")])

    assert values(await reader.batch(2)) == [1, 2]
    await bus.publish([news(4, "c")])
    assert values(await reader.batch(2)) == [4]


async def test_a_latest_reader_is_never_slow_by_readings(bus: MemoryBus) -> None:
    reader = await bus.subscribe(["knx"], name="live", slow="latest")
    await bus.publish([news(number) for number in range(100 * FULL)])

    assert bus.slow_readers() == {}
    assert values(await reader.batch()) == [100 * FULL - 1]


async def test_a_latest_reader_that_leaves_commands_is_waited_for(bus: MemoryBus) -> None:
    reader = await bus.subscribe(["knx"], name="live", slow="latest")
    await bus.publish([command(number) for number in range(FULL)])
    publishing = asyncio.create_task(bus.publish([resend(99), command(100)]))
    await settle()

    assert not publishing.done()
    assert values(await reader.batch()) == [*range(FULL), 99]
    await publishing
    assert values(await reader.batch()) == [100]


async def test_a_resend_in_the_place_of_news_is_news(bus: MemoryBus) -> None:
    reader = await bus.subscribe(["knx"], name="live", slow="latest")
    await bus.publish([news(1), resend(1), resend(1)])
    (record,) = await reader.batch()
    assert "resend" not in record.headers

    await bus.publish([resend(1), resend(1)])
    (record,) = await reader.batch()
    assert record.headers["resend"] == "1"


# --- groups


@given(st.integers(1, 40), st.integers(1, 15))
def test_ranges_share_all_partitions_evenly(partitions: int, members: int) -> None:
    shares = ranges(partitions, members)

    assert [number for share in shares for number in share] == list(range(partitions))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


class Told:
    """A member that writes down what it is told."""

    def __init__(self, answer: Positions | None = None) -> None:
        self.calls: list[tuple[str, int]] = []
        self.answer = answer

    async def assigned(self, partitions: Sequence[Partition]) -> Positions | None:
        self.calls.append(("assigned", len(partitions)))
        return self.answer

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        self.calls.append(("revoked", len(partitions)))


async def test_a_partition_changes_hands_when_its_owner_asks_for_more(bus: MemoryBus) -> None:
    """So that the owner has dealt with all it was given, and the other goes on right behind."""
    first, second = Told(), Told()
    a = await bus.subscribe(["knx"], name="a", group="g", assigned=first.assigned, revoked=first.revoked)
    await bus.publish([Outgoing("knx", "k", str(room).encode(), spread=room) for room in (0, 5, 6, 11)])
    b = await bus.subscribe(["knx"], name="b", group="g", assigned=second.assigned, revoked=second.revoked)
    waiting = asyncio.create_task(b.batch())
    await settle()

    assert first.calls == [("assigned", 12)]
    assert second.calls == []
    assert values(await a.batch()) == [0, 5]
    async with asyncio.timeout(10):
        assert values(await waiting) == [6, 11]
    assert first.calls == [("assigned", 12), ("revoked", 6)]
    assert second.calls == [("assigned", 6)]


async def test_a_waiting_owner_gives_up_at_once(bus: MemoryBus) -> None:
    first, second = Told(), Told()
    a = await bus.subscribe(["knx"], name="a", group="g", assigned=first.assigned, revoked=first.revoked)
    waiting = asyncio.create_task(a.batch())
    await settle()
    b = await bus.subscribe(["knx"], name="b", group="g", assigned=second.assigned, revoked=second.revoked)
    other = asyncio.create_task(b.batch())
    await settle()

    assert first.calls == [("assigned", 12), ("revoked", 6)]
    assert second.calls == [("assigned", 6)]
    waiting.cancel()
    other.cancel()
    await asyncio.gather(waiting, other, return_exceptions=True)


async def test_a_reader_that_could_not_begin_takes_no_share(bus: MemoryBus) -> None:
    told = Told()

    async def assigned(partitions: Sequence[Partition]) -> Positions | None:
        raise ValueError("no positions")

    with pytest.raises(ValueError, match="no positions"):
        await bus.subscribe(["knx"], name="a", group="g", assigned=assigned)
    await bus.subscribe(["knx"], name="b", group="g", assigned=told.assigned)

    assert told.calls == [("assigned", 12)]


async def test_a_callback_that_fails_is_its_readers_error_and_is_called_again(bus: MemoryBus) -> None:
    failing = [True]

    async def assigned(partitions: Sequence[Partition]) -> Positions | None:
        if failing:
            raise ValueError(failing.pop())
        return None

    a = await bus.subscribe(["knx"], name="a", group="g")
    b = await bus.subscribe(["knx"], name="b", group="g", assigned=assigned)
    await a.close()
    with pytest.raises(ValueError, match="True"):
        await b.batch()
    await bus.publish([command(1)])

    assert values(await b.batch()) == [1]
    assert len(b.positions()) == 12


async def test_members_of_different_topics_divide_each_topic_among_its_readers(bus: MemoryBus) -> None:
    a = await bus.subscribe(["knx"], name="a", group="g")
    b = await bus.subscribe(["zwave"], name="b", group="g")

    assert {topic for topic, _ in a.positions()} == {"knx"}
    assert {topic for topic, _ in b.positions()} == {"zwave"}
    assert len(a.positions()) == len(b.positions()) == 12


async def test_a_membership_whose_callback_fails_is_told_again(bus: MemoryBus, clock: ManualClock) -> None:
    first, second = Told(), Told()
    failing = True

    async def assigned(partitions: Sequence[Partition]) -> Positions | None:
        if failing:
            raise ValueError("not now")
        return await second.assigned(partitions)

    a = await bus.join("controllers", "knx", assigned=first.assigned, revoked=first.revoked)
    b = await bus.join("controllers", "knx", assigned=assigned, revoked=second.revoked)
    await clock.advance(5)
    assert first.calls == [("assigned", 12), ("revoked", 6)]
    assert second.calls == []

    failing = False
    await clock.advance(5)
    assert second.calls == [("assigned", 6)]
    await a.close()
    await a.close()
    await settle()
    assert second.calls == [("assigned", 6), ("assigned", 6)]
    await b.close()


async def test_a_membership_that_could_not_begin_takes_no_share(bus: MemoryBus) -> None:
    told = Told()

    async def assigned(partitions: Sequence[Partition]) -> Positions | None:
        raise ValueError("never")

    with pytest.raises(ValueError, match="never"):
        await bus.join("controllers", "knx", assigned=assigned, revoked=told.revoked)
    await bus.join("controllers", "knx", assigned=told.assigned, revoked=told.revoked)

    assert told.calls == [("assigned", 12)]


async def test_records_of_a_partition_that_goes_away_are_not_given_any_more(bus: MemoryBus) -> None:
    a = await bus.subscribe(["knx"], name="a", group="g", slow="latest")
    await bus.publish([news(1), Outgoing("knx", "read_point", b"2", {"point": "x"}, spread=11)])
    b = await bus.subscribe(["knx"], name="b", group="g", slow="latest")

    assert values(await a.batch()) == [1]
    assert values(await b.batch()) == [2]


async def test_who_left_while_being_assigned_gets_nothing(bus: MemoryBus) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def assigned(partitions: Sequence[Partition]) -> Positions | None:
        started.set()
        await go_on.wait()
        return None

    a = await bus.subscribe(["knx"], name="a", group="g")
    b = await bus.subscribe(["knx"], name="b", group="g", assigned=assigned)
    waiting = asyncio.create_task(b.batch())
    giving = asyncio.create_task(a.batch())
    async with asyncio.timeout(10):
        await started.wait()
    await b.close()
    go_on.set()

    with pytest.raises(Unavailable):
        await waiting
    await bus.publish([command(1), Outgoing("knx", "set_point", b"2", spread=11)])
    assert values(await giving) in ([1], [1, 2])
    assert len(a.positions()) == 12


async def test_who_closes_while_giving_up_partitions_leaves_them_all(bus: MemoryBus) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def revoked(partitions: Sequence[Partition]) -> None:
        started.set()
        await go_on.wait()

    told = Told()
    a = await bus.subscribe(["knx"], name="a", group="g", revoked=revoked)
    b = await bus.subscribe(["knx"], name="b", group="g", assigned=told.assigned)
    giving, waiting = asyncio.create_task(a.batch()), asyncio.create_task(b.batch())
    async with asyncio.timeout(10):
        await started.wait()
    await a.close()
    go_on.set()

    with pytest.raises(Unavailable):
        await giving
    await bus.publish([command(1)])
    async with asyncio.timeout(10):
        assert values(await waiting) == [1]
    assert told.calls == [("assigned", 12)]
