"""A process's way to the bus: typed messages out and in."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from structlog.testing import capture_logs

from insula.bus.channel import END_OF_DEVICES, Channel, Received
from insula.bus.memory import MemoryBus
from insula.bus.port import Outgoing
from insula.clock import ManualClock, settle
from insula.messages import Command, Learned
from tests.unit.devices import BLIND, DIMMER, RADIATOR, index


@pytest.fixture
async def channel(clock: ManualClock) -> AsyncIterator[Channel]:
    bus = MemoryBus(clock)
    await bus.start()
    yield Channel(bus, index())
    await bus.stop()


def command(value: float) -> Command:
    return Command(at=1, device_id=DIMMER.device_id, gateway_id="zwave", point="level", value=value, expires_at=2)


async def test_messages_come_in_the_order_they_were_sent(channel: Channel) -> None:
    reader = await channel.read(["zwave"], name="reader")
    sent = [command(value) for value in (0, 50, 100)]
    await channel.send(*sent)

    assert [received.message for received in await reader.batch()] == sent
    assert reader.positions()["zwave", DIMMER.room_id % 12] == 3
    await reader.close()


async def test_a_reader_can_leave_what_it_does_not_want_undecoded(channel: Channel) -> None:
    reader = await channel.read(["zwave"], name="reader", wanted=lambda record: record.key == "dimmers_set_level")
    await channel.bus.publish([Outgoing("zwave", "nonsense", b"", spread=DIMMER.room_id)])
    await channel.send(command(7))

    assert [r.record.key for r in await reader.batch()] == ["dimmers_set_level"]
    assert reader.undecodable == 0


async def test_records_can_be_kept_and_decoded_later(channel: Channel) -> None:
    reader = await channel.read(["zwave"], name="reader")
    sent = command(7)
    await channel.send(sent)
    await channel.bus.publish([Outgoing("zwave", "nonsense", b"", spread=DIMMER.room_id)])
    good, bad = await reader.records()

    assert reader.decode(good) == Received(good, sent)
    assert reader.decode(bad) is None
    assert (reader.undecodable, channel.undecodable) == (1, 1)


async def test_a_record_that_several_readers_skip_is_logged_once_and_briefly(channel: Channel) -> None:
    readers = [await channel.read(["zwave"], name=f"reader {number}") for number in range(3)]
    await channel.bus.publish([Outgoing("zwave", "x" * 10_000, b"{}"), Outgoing("zwave", "y", b"{}")])
    with capture_logs() as logs:
        for reader in readers:
            for record in await reader.records():
                assert reader.decode(record) is None

    assert [line["key"] for line in logs] == ["x" * 80, "y"]
    assert all(len(line["why"]) <= 200 for line in logs)
    assert ([reader.undecodable for reader in readers], channel.undecodable) == ([2, 2, 2], 6)


async def test_a_batch_of_undecodable_records_is_empty(channel: Channel) -> None:
    reader = await channel.read(["zwave"], name="reader")
    await channel.bus.publish([Outgoing("zwave", "nonsense", b"")])

    assert await reader.batch() == []


async def test_what_was_learned_can_be_forgotten(channel: Channel) -> None:
    learned = Learned(room_id=1, lux_per_percent=2)
    await channel.send(learned)
    await channel.forget("state", "learned/1")
    reader = await channel.read(["state"], name="reader", start="beginning")

    assert [(r.record.key, r.message) for r in await reader.batch()] == [("learned/1", None)]


async def test_following_devices(channel: Channel) -> None:
    """From an index that knows more than the list says, to the list."""
    changes = 0

    def changed() -> None:
        nonlocal changes
        changes += 1

    channel.devices.on_change(changed)
    marker = Outgoing("db", END_OF_DEVICES, b"{}")
    following = asyncio.create_task(channel.follow_devices())
    moved = msgspec.structs.replace(BLIND, room_id=999)
    await channel.send(moved, RADIATOR, DIMMER)
    await channel.forget("db", str(RADIATOR.device_id))
    await channel.bus.publish([Outgoing("db", "not a device", b"{}")])
    await settle()
    assert changes == 0, "the list is not whole yet"

    await channel.bus.publish([marker])
    await settle()
    assert changes == 1
    assert list(channel.devices) == [moved, DIMMER]

    await channel.bus.publish([Outgoing("db", str(DIMMER.device_id), b"broken"), marker])
    await settle()
    assert list(channel.devices) == [DIMMER], "a device whose record does not decode stays as it was"
    assert channel.undecodable == 2

    await channel.forget("db", str(DIMMER.device_id))
    await settle()
    assert (changes, len(channel.devices)) == (3, 0)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
