"""xknx's own command line, unchanged, against the simulated building: telegrams there and back."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from insula.building.model import BuildingPlan, DevicePlan, RoomPlan
from insula.building.scheme2020 import points_2020
from insula.clock import ManualClock, settle
from insula.simulator.knx_devices import VirtualKnxBus
from insula.simulator.knx_interface import KnxInterface
from insula.simulator.physical import RoomWorld

WAIT_S = 30
PLAN = BuildingPlan(
    site="test",
    rooms=(
        RoomPlan(
            number=1,
            floor=4,
            devices=(
                DevicePlan(
                    source="blind", type="knx", gateway_id="knx-1", kind="blind", points=points_2020("blind", 1, 4)
                ),
                DevicePlan(
                    source="radiator",
                    type="knx",
                    gateway_id="knx-1",
                    kind="radiator",
                    points=points_2020("radiator", 1, 4),
                ),
            ),
        ),
    ),
)


@pytest.fixture
def room() -> RoomWorld:
    return RoomWorld(1)


@pytest.fixture
async def interface() -> AsyncIterator[KnxInterface]:
    interface = KnxInterface(port=0)
    await interface.start()
    yield interface
    await interface.stop()
    await settle()


@pytest.fixture
def bus(interface: KnxInterface, room: RoomWorld, clock: ManualClock) -> VirtualKnxBus:
    return VirtualKnxBus(interface, {1: room}, PLAN, clock)


def gateway(interface: KnxInterface) -> tuple[str, str]:
    return "--gateway", f"127.0.0.1:{interface.port}"


@asynccontextmanager
async def xknx(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "xknx",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        async with asyncio.timeout(WAIT_S):
            yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def finished(*arguments: str) -> str:
    """What the command printed; it must end well."""
    async with xknx(*arguments) as process:
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
    return out.decode()


async def test_write_moves_the_blind(bus: VirtualKnxBus, interface: KnxInterface, room: RoomWorld) -> None:
    await finished("group", "write", "3/4/1", "40", "--type", "percent", *gateway(interface))
    assert room.blinds[0].target == 60, "40 % closed is 60 % open"
    bus.step(60)
    assert await finished("group", "read", "4/4/1", "--type", "percent", *gateway(interface)) == "40\n"


async def test_read_of_a_valve(bus: VirtualKnxBus, interface: KnxInterface, room: RoomWorld) -> None:
    room.valves[0].set(30)
    assert await finished("group", "read", "0/4/1", "--type", "percent", *gateway(interface)) == "30\n"


async def test_monitor_sees_clients_and_devices(bus: VirtualKnxBus, interface: KnxInterface) -> None:
    async with xknx("-vv", "group", "monitor", *gateway(interface)) as monitor:
        assert monitor.stdout is not None
        assert monitor.stderr is not None
        while b"Tunnel established" not in await monitor.stderr.readline():
            """It connects."""
        await finished("group", "write", "3/4/1", "100", "--type", "percent", *gateway(interface))
        written = (await monitor.stdout.readline()).decode()
        assert "1.1.101" in written
        assert "3/4/1" in written
        bus.step(60)
        told = (await monitor.stdout.readline()).decode()
        assert bus.device(1, "blind").address in told
        assert "4/4/1" in told
        assert "0xff" in told


async def test_scan_finds_the_interface() -> None:
    interface = KnxInterface(port=0, name="Simulated in Wien", discoverable=True)
    await interface.start()
    found = await finished("scan", "--local-ip", "127.0.0.1", "--timeout", "0.5")
    await interface.stop()
    line = next(line for line in found.splitlines() if f"127.0.0.1:{interface.port}" in line)
    assert line == f"1.1.0 127.0.0.1:{interface.port} 'Simulated in Wien' tunnelling: TCP routing: No"
