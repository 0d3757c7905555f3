"""What is Kafka's own: foreign programs, back-pressure, outages, members that die; and a building in two processes."""

import asyncio
import re
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from insula.api.health import HealthBoard
from insula.bootstrap import installation
from insula.building.rules import load_ruleset
from insula.bus import kafka_offsets
from insula.bus.channel import END_OF_DEVICES, Channel, Reader
from insula.bus.devices import DeviceIndex
from insula.bus.health import tell_health
from insula.bus.kafka import KafkaBus
from insula.bus.kafka_poller import MOST
from insula.bus.kafka_readers import FULL
from insula.bus.port import Bus, Outgoing
from insula.clock import SystemClock
from insula.controller.controller import Controller
from insula.errors import Unavailable
from insula.gateways.fake import FakeFieldBus
from insula.gateways.run import GatewayRunner
from insula.messages import BuildingSettings, CommandResult, Health
from insula.settings import BusSettings, Settings
from tests.a_room import BLIND, LAMP, NOON, RADIATOR, SENSOR, devices
from tests.contracts.buses import Shares, reading, take, values
from tests.services.kafka import CLUSTER, Cluster, running
from tests.services.topics import empty_topics

pytestmark = pytest.mark.kafka
PATIENCE_S = 60
M = TypeVar("M")


@asynccontextmanager
async def started(cluster: Cluster, **options: float) -> AsyncIterator[KafkaBus]:
    bus = KafkaBus(cluster.config, SystemClock(), **options)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


@pytest.fixture
async def bus(kafka: Cluster) -> AsyncIterator[KafkaBus]:
    await empty_topics(kafka)
    async with started(kafka) as bus:
        yield bus


async def test_records_of_foreign_programs_are_read(bus: KafkaBus, kafka: Cluster) -> None:
    reader = await bus.subscribe(["zwave"], name="reader")
    foreign = Producer(kafka.config)
    foreign.produce("zwave", b"1", partition=3)
    foreign.produce("zwave", b"2", key=b"\xff", headers=[("room", None), ("x", b"\xff"), ("x", "last")], partition=3)
    foreign.flush()

    first, second = await take(reader, 2)

    assert (first.key, first.value, dict(first.headers)) == ("", b"1", {})
    assert (second.key, dict(second.headers)) == ("\ufffd", {"room": "", "x": "last"})


async def test_what_a_slow_reader_has_not_taken_waits_with_the_brokers(bus: KafkaBus) -> None:
    full = FULL["lossless"]
    slow = await bus.subscribe(["knx"], name="slow")
    await bus.publish([reading(1, number) for number in range(3 * full)])
    async with asyncio.timeout(PATIENCE_S):
        while not bus.slow_readers():
            await asyncio.sleep(0)
    waiting = bus.slow_readers()["slow"]

    assert full <= waiting <= full + MOST + 1
    assert values(await take(slow, 3 * full)) == list(range(3 * full))
    assert bus.slow_readers() == {}
    assert bus.dropped() == 0


async def test_a_paused_reader_goes_on(bus: KafkaBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is full for longer than it may hold its thread up."""
    monkeypatch.setattr("insula.bus.kafka_poller.PAUSE_AFTER_S", 0.0)
    full = FULL["lossless"]
    slow = await bus.subscribe(["knx"], name="slow")
    await bus.publish([reading(1, number) for number in range(3 * full)])

    assert values(await take(slow, 3 * full, limit=500)) == list(range(3 * full))


async def test_a_member_that_is_killed_is_replaced_after_its_session(kafka: Cluster, bus: KafkaBus) -> None:
    shares = Shares()
    heir = shares.member("heir")
    async with group_member(kafka.servers, "controllers", "knx") as (program, said), asyncio.timeout(PATIENCE_S):
        assert await said.readline() == b"12\n"
        joining = asyncio.create_task(bus.join("controllers", "knx", assigned=heir.assigned, revoked=heir.revoked))
        assert await said.readline() == b"6\n"
        membership = await joining
        program.kill()
        await program.wait()
        killed = time.monotonic()
        await shares.progress.until(lambda: len(shares.of("heir")) == 12)
        took_s = time.monotonic() - killed
    await membership.close()

    assert took_s < 10


@asynccontextmanager
async def group_member(*arguments: str) -> AsyncIterator[tuple[Process, asyncio.StreamReader]]:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.services.group_member", *arguments), stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    try:
        yield program, program.stdout
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()


class Outdated:
    """A consumer that asks leaders of the past, as librdkafka does after a leadership that came back, until told to
    look again."""

    def __init__(self, consumer: Consumer) -> None:
        self.asks = [self._refused, self._raises, consumer.offsets_for_times]
        self.looked = 0
        self._consumer = consumer

    def list_topics(self, timeout: float) -> object:
        self.looked += 1
        return self._consumer.list_topics(timeout=timeout)

    def offsets_for_times(self, wanted: list[TopicPartition], timeout: float) -> object:
        return self.asks[min(self.looked, 2)](wanted, timeout=timeout)

    @staticmethod
    def _raises(wanted: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION))

    @staticmethod
    def _refused(wanted: list[TopicPartition], timeout: float) -> list["Fenced"]:
        return [Fenced() for _ in wanted]


class Fenced:
    """The answer for a partition: this broker leads it no more."""

    error = KafkaError(KafkaError.FENCED_LEADER_EPOCH)


async def test_where_topics_end_is_known_after_their_leaders_have_changed(
    bus: KafkaBus, kafka: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await bus.end_positions(["knx"])
    await bus.publish([reading(1, 1)])
    outdated = Outdated(kafka_offsets.asker(kafka.config))
    monkeypatch.setattr(kafka_offsets, "asker", lambda config: outdated)

    assert sum((await bus.end_positions(["knx"])).values()) == sum(before.values()) + 1
    assert outdated.looked == 2


async def test_an_outage_is_survived(tmp_path: Path) -> None:
    """Publishing says so when it has finally failed; readers and memberships go on by themselves."""
    with running(tmp_path) as cluster:
        await empty_topics(cluster)
        async with started(cluster, give_up_s=1.0) as bus, asyncio.timeout(PATIENCE_S):
            reader = await bus.subscribe(["knx"], name="reader")
            await bus.publish([reading(1, 1)])
            assert values(await take(reader, 1)) == [1]
            cluster.brokers[0].kill()

            with pytest.raises(Unavailable):
                await bus.publish([reading(1, 2)])
            cluster.brokers[0].start()
            cluster.wait()
            await publish_at_last(bus, reading(1, 3))

            while values(await take(reader, 1)) != [3]:
                continue
        assert bus.slow_readers() == {}


async def publish_at_last(bus: Bus, record: Outgoing) -> None:
    """As whoever may try again does."""
    while True:
        try:
            return await bus.publish([record])
        except Unavailable:
            continue


async def test_publishing_when_stopped_and_stopping_without_brokers(tmp_path: Path) -> None:
    with running(tmp_path) as cluster:
        await empty_topics(cluster)
        async with started(cluster) as bus, asyncio.timeout(PATIENCE_S):
            await bus.publish([reading(1, 1)])
            cluster.brokers[0].kill()
            publishing = asyncio.create_task(bus.publish([reading(1, 2)]))
            await asyncio.sleep(0)
            await bus.stop()

            with pytest.raises(Unavailable, match="stopped"):
                await publishing


# --- a building in two processes

ROOM = {
    (BLIND, "position"): 100,
    (BLIND, "wind_alarm"): 0,
    (RADIATOR, "valve"): 10,
    (SENSOR, "temperature"): 20,
    (SENSOR, "humidity"): 40,
    (SENSOR, "illuminance"): 10,
    (SENSOR, "motion"): 1,
    (LAMP, "level"): 0,
}
"""Somebody came into a dark room: all is known, so that nothing has to be waited for."""


@asynccontextmanager
async def process(cluster: Cluster) -> AsyncIterator[Channel]:
    """What each process has: a bus of its own, and its index of the devices."""
    async with started(cluster) as bus:
        channel = Channel(bus, DeviceIndex())
        follower = asyncio.create_task(channel.follow_devices())
        try:
            yield channel
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)


async def furnish(bus: Bus, channel: Channel) -> None:
    """What the directory puts on db and state."""
    await channel.send(BuildingSettings(time_zone="Europe/Zurich"), load_ruleset("default"), *devices())
    await bus.publish([Outgoing("db", END_OF_DEVICES, b"{}")])


async def first(reader: Reader, wanted: type[M]) -> M:
    """The next message of this type."""
    while True:
        for received in await reader.batch():
            if isinstance(received.message, wanted):
                return received.message


async def test_a_reading_of_one_process_leads_to_a_command_of_another_and_back(kafka: Cluster) -> None:
    await empty_topics(kafka)
    clock = SystemClock(epoch=NOON)
    knx, zwave = FakeFieldBus(echo=True), FakeFieldBus(echo=True)
    async with AsyncExitStack() as stack:
        gateways, controllers = [await stack.enter_async_context(process(kafka)) for _ in range(2)]
        await furnish(gateways.bus, gateways)
        seen = await gateways.read(["state", "events"], name="test", start="beginning")
        tasks = [asyncio.create_task(Controller(controllers, clock).run())]
        async with asyncio.timeout(PATIENCE_S):
            await first(seen, Health)
            tasks.append(asyncio.create_task(GatewayRunner("knx", "knx", knx, gateways, clock).run()))
            tasks.append(asyncio.create_task(GatewayRunner("zwave", "zwave", zwave, gateways, clock).run()))
            for (device_id, point), value in ROOM.items():
                (knx if device_id in (BLIND, RADIATOR) else zwave).press(device_id, point, value)
            warm, light = await knx.see(), await zwave.see()
            result = await first(seen, CommandResult)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert (warm.device_id, warm.point, warm.value, warm.origin.kind) == (RADIATOR, "valve", 90, "rule")
    assert (light.device_id, light.point, light.value) == (LAMP, "level", 90)
    assert result.outcome == "done"


async def test_a_part_without_tables_opens_no_database(kafka: Cluster, tmp_path: Path) -> None:
    await empty_topics(kafka)
    settings = Settings(data=str(tmp_path / "data"), bus=BusSettings(kind="kafka", servers=kafka.servers))
    async with installation(settings, SystemClock(), parts=["controller"]) as at, asyncio.timeout(PATIENCE_S):
        reader = await at.channel.read(["state"], name="test")
        running_parts = asyncio.create_task(at.run(["controller"]))
        await furnish(at.bus, at.channel)
        await first(reader, Health)
        await at.ready.wait()
        running_parts.cancel()
        await asyncio.gather(running_parts, return_exceptions=True)

    assert (at.run_id, at.address()) == (CLUSTER, "")
    assert not (tmp_path / "data").exists()


class LateClock(SystemClock):
    """Of a host whose clock is behind."""

    def real(self) -> int:
        return super().real() - 2500


async def test_a_host_whose_clock_is_wrong_shows_in_health(kafka: Cluster) -> None:
    await empty_topics(kafka)
    async with started(kafka) as right, asyncio.timeout(PATIENCE_S):
        late = KafkaBus(kafka.config, LateClock())
        await late.start()
        board = HealthBoard(Channel(right, DeviceIndex()), SystemClock())
        telling = [
            asyncio.create_task(tell_health(Channel(bus, DeviceIndex()), bus.clock, partial(healthy, host)))
            for host, bus in (("north", right), ("south", late))
        ]
        following = asyncio.create_task(board.run())
        try:
            while abs(late.clock_offset_ms()) < 2000:
                await asyncio.sleep(0)
            await Channel(late, DeviceIndex()).send(
                msgspec.structs.replace(await healthy("south"), clock_offset_ms=late.clock_offset_ms())
            )
            while board.report()["status"] == "ok":
                await asyncio.sleep(0)
            assert abs(right.clock_offset_ms()) < 2000
            (why,) = board.report()["why"]
            assert re.fullmatch(r"recorder/south: its host's clock is [23]\.\d s behind the broker's", why)
        finally:
            for task in (*telling, following):
                task.cancel()
            await asyncio.gather(*telling, following, return_exceptions=True)
            await late.stop()


async def healthy(host: str) -> Health:
    return Health(part="recorder", instance=host, at=SystemClock().real())
