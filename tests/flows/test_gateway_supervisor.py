"""Gateways follow what topic ``state`` says: added, changed and removed without a restart."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.keys import gateway_key, health_key
from insula.bus.memory import MemoryBus
from insula.bus.port import Outgoing
from insula.clock import ManualClock, settle
from insula.gateways.fake import FakeFieldBus
from insula.gateways.supervisor import GatewaySupervisor
from insula.messages import GatewayRecord


class Workshop:
    """Makes field buses and remembers them by the address they were made for."""

    def __init__(self) -> None:
        self.made: list[tuple[str, FakeFieldBus]] = []

    def __call__(self, record: GatewayRecord) -> FakeFieldBus:
        bus = FakeFieldBus()
        self.made.append((f"{record.id}:{record.options['port']}", bus))
        return bus

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.made]


@pytest.fixture
async def channel(clock: ManualClock) -> AsyncIterator[Channel]:
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    channel.devices.completed()
    yield channel
    await bus.stop()


@pytest.fixture
async def workshop(channel: Channel, clock: ManualClock) -> AsyncIterator[Workshop]:
    made = Workshop()
    task = asyncio.create_task(GatewaySupervisor("knx", made, channel, clock).run())
    await settle()
    yield made
    task.cancel()
    await asyncio.wait([task])


def record(port: int, id: str = "knx") -> GatewayRecord:
    return GatewayRecord(id=id, type="knx", options={"port": port})


async def test_each_gateway_of_the_protocol_is_run_once(channel: Channel, workshop: Workshop) -> None:
    await channel.send(record(1), record(2, "attic"), GatewayRecord(id="zwave", type="zwave", options={"port": 3}))
    await channel.send(record(1))
    await settle()
    assert workshop.names == ["knx:1", "attic:2"]
    assert all(len(bus.served) == 1 for _, bus in workshop.made)


async def test_a_changed_gateway_is_started_anew(channel: Channel, workshop: Workshop) -> None:
    await channel.send(record(1))
    await settle()
    await channel.send(record(2))
    await settle()
    assert workshop.names == ["knx:1", "knx:2"]


async def test_a_removed_gateway_stops_and_its_health_goes(channel: Channel, workshop: Workshop) -> None:
    await channel.send(record(1))
    await settle()
    await channel.forget("state", gateway_key("knx"))
    await settle()
    reader = await channel.bus.subscribe(["state"], name="test", start="beginning")
    last = {found.key: found.value for found in await reader.batch()}
    assert last[health_key("gateway", "knx")] is None
    await channel.bus.publish([Outgoing("state", gateway_key("knx"), None)])
    await settle()
    assert workshop.names == ["knx:1"]
