"""Bus -> Z-Wave gateway -> websocket -> node -> lamp in a room, and back: Insula and a Z-Wave network."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from insula.building.model import BuildingPlan, DevicePlan, RoomPlan
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.bus.port import Outgoing, Record
from insula.clock import SystemClock
from insula.gateways.run import GatewayRunner
from insula.gateways.zwave.gateway import ZwaveGateway
from insula.messages import Command, CommandResult, DeviceRecord, Origin, Point, Reading
from insula.simulator.physical import RoomWorld
from insula.simulator.zwave_network import VirtualZwaveNetwork
from insula.simulator.zwave_server import ZwaveServer

PATIENCE_S = 20
SENSOR, LAMP = 20, 30
NODES = {SENSOR: 2, LAMP: 3}
POINTS = {SENSOR: ("temperature", "humidity", "illuminance", "motion"), LAMP: ("level",)}
KIND = {SENSOR: "sensor", LAMP: "lamp"}
NAME = {SENSOR: "Multisensor 6", LAMP: "ZE27"}


def points(device_id: int) -> tuple[Point, ...]:
    return tuple(Point(role=role) for role in POINTS[device_id])


DEVICES = [
    DeviceRecord(
        device_id=device_id,
        room_id=1,
        room_number=1,
        type="zwave",
        gateway_id="zwave",
        kind=KIND[device_id],
        node_id=node_id,
        name=NAME[device_id],
        points=points(device_id),
    )
    for device_id, node_id in NODES.items()
]
PLAN = BuildingPlan(
    site="s",
    rooms=(
        RoomPlan(
            number=1,
            floor=4,
            devices=tuple(
                DevicePlan(
                    source=f"zwave/{node_id}",
                    type="zwave",
                    gateway_id="zwave",
                    kind=KIND[device_id],
                    name=NAME[device_id],
                    node_id=node_id,
                    points=points(device_id),
                )
                for device_id, node_id in NODES.items()
            ),
        ),
    ),
)


@dataclass
class House:
    """A room, its nodes behind a server, and a gateway on a bus. ``heard``: what is on the bus, newest last."""

    room: RoomWorld
    nodes: VirtualZwaveNetwork
    channel: Channel
    clock: SystemClock
    heard: list[object] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        reader = await self.channel.read(["zwave", "events"], name="test", start="beginning")
        try:
            while True:
                for received in await reader.batch():
                    self.heard.append(received.message)
                    self.keys.append(_key(received.record))
                self._news.set()
        finally:
            await reader.close()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    def reading(self, device_id: int, point: str) -> Reading | None:
        """The newest one."""
        return next(
            (
                one
                for one in reversed(self.heard)
                if isinstance(one, Reading) and (one.device_id, one.point) == (device_id, point)
            ),
            None,
        )

    def value(self, device_id: int, point: str) -> float | None:
        reading = self.reading(device_id, point)
        return None if reading is None or reading.quality != "good" else reading.value

    def result(self, command: Command) -> CommandResult | None:
        results = (one for one in self.heard if isinstance(one, CommandResult))
        return next((one for one in results if one.command.id == command.id), None)

    async def wish(self, value: float) -> CommandResult:
        now = self.clock.real()
        command = Command(
            at=now,
            device_id=LAMP,
            gateway_id="zwave",
            point="level",
            value=value,
            expires_at=now + 30_000,
            origin=Origin(kind="user", name="anna"),
        )
        await self.channel.send(command)
        await self.until(lambda: self.result(command))
        result = self.result(command)
        assert result is not None
        return result


def _key(record: Record) -> str:
    return record.key


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with _house() as house:
        yield house


@asynccontextmanager
async def _house() -> AsyncIterator[House]:
    clock, room = SystemClock(), RoomWorld(number=1, temperature=21.5, humidity=43.0, luminance=0.0)
    server = ZwaveServer(port=0, give_up_s=0.0)
    nodes = VirtualZwaveNetwork(server, {1: room}, PLAN, "zwave")
    await server.start()
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    house = House(room, nodes, channel, clock)
    gateway = ZwaveGateway({"url": server.url}, clock)
    await channel.send(*DEVICES)
    await bus.publish([Outgoing("db", "end_read_db", b"{}")])
    works = [channel.follow_devices(), GatewayRunner("zwave", "zwave", gateway, channel, clock).run(), house.listen()]
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await house.until(lambda: house.reading(LAMP, "level"))
        yield house
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.stop()
        await server.stop()


async def test_what_the_sensors_feel_is_on_the_bus_zero_included(house: House) -> None:
    await house.until(lambda: house.value(SENSOR, "motion") is not None)
    values = [house.value(SENSOR, point) for point in POINTS[SENSOR]]
    assert values == [21.5, 43.0, 0.0, 0.0]
    assert house.value(LAMP, "level") == 0.0


async def test_somebody_enters_and_it_is_on_the_bus(house: House) -> None:
    house.room.people = 1
    house.nodes.step(0)
    await house.until(lambda: house.value(SENSOR, "motion") == 1.0)
    reading = house.reading(SENSOR, "motion")
    assert reading is not None
    assert reading.origin.kind == "device"
    assert "sensors_get_motion" in house.keys


@pytest.mark.parametrize(("wish", "level"), [(100, 100.0), (42, 42.0), (0, 0.0)])
async def test_a_wish_moves_the_lamp_and_its_level_comes_back(house: House, wish: float, level: float) -> None:
    house.room.lamps[0].set(20)
    house.nodes.step(1)
    await house.until(lambda: house.value(LAMP, "level") == 20.0)
    assert (await house.wish(wish)).outcome == "done"
    house.nodes.step(1)
    await house.until(lambda: house.value(LAMP, "level") == level)
    assert house.room.lamps[0].level == level


async def test_a_dead_dimmer_fails_and_its_level_is_stale(house: House) -> None:
    house.nodes.silence(NODES[LAMP])
    result = await house.wish(50)
    assert (result.outcome, house.room.lamps[0].level) == ("failed", 0.0)
    await house.until(lambda: (reading := house.reading(LAMP, "level")) and reading.quality == "stale")
    house.nodes.revive_node(NODES[LAMP])
    await house.until(lambda: house.value(LAMP, "level") == 0.0)


async def test_after_a_cut_a_dead_sensors_values_are_as_old_as_they_were(house: House) -> None:
    await house.until(lambda: house.value(SENSOR, "temperature") == 21.5)
    before = house.reading(SENSOR, "temperature")
    house.nodes.cut()
    await house.until(lambda: (reading := house.reading(SENSOR, "temperature")) and reading.quality == "stale")
    assert (await house.wish(50)).outcome == "refused"
    house.nodes.silence(NODES[SENSOR])
    house.nodes.restore()
    await house.until(lambda: house.value(SENSOR, "temperature") == 21.5)
    after = house.reading(SENSOR, "temperature")
    assert before is not None
    assert after is not None
    assert abs(after.measured_at - before.measured_at) < 400
    assert house.room.lamps[0].level == 0.0
