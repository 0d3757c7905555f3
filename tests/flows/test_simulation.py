"""The simulated building as a whole: what it serves and where, that its ports are free again, that it runs."""

import asyncio
from contextlib import suppress
from typing import Any

import httpx
import msgspec
import pytest

from insula.building.demo import demo_plan
from insula.building.model import BuildingPlan, GatewayPlan
from insula.clock import ManualClock
from insula.errors import Unavailable
from insula.http import listen
from insula.simulator.simulation import Simulation, run_simulation
from insula.simulator.truth import TruthLog


def simulation(clock: ManualClock, plan: BuildingPlan | None = None, **options: Any) -> Simulation:
    ports: dict[str, Any] = {"knx_port": 0, "zwave_port": 0, "control_port": 0}
    return Simulation(plan or demo_plan(), clock, **{**ports, **options})


async def connects(address: str) -> bool:
    host, port = address.split("//")[-1].split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_everything_is_served_and_closed_again(clock: ManualClock) -> None:
    made = simulation(clock)
    await made.start()
    addresses = made.addresses()
    assert list(addresses) == ["KNX knx", "Z-Wave zwave", "control"]
    assert all([await connects(address) for address in addresses.values()])
    await made.stop()
    assert not any([await connects(address) for address in addresses.values()])


async def test_the_plan_is_told_with_the_real_ports(clock: ManualClock) -> None:
    made = simulation(clock)
    await made.start()
    knx, zwave = made.served_plan().gateways
    await made.stop()
    assert knx.options == {"connection": "tcp", "host": "127.0.0.1", "port": made.interfaces["knx"].port}
    assert zwave.options == {"url": made.servers["zwave"].url}
    assert knx.options["port"] != 0


@pytest.mark.parametrize(
    ("options", "wished", "ports"),
    [
        ({"port": 3671}, None, (3671, 13001)),
        ({}, None, (13671, 13001)),
        ({"port": 0}, None, (0, 13001)),
        ({"port": 3671}, 20_000, (20_000, 20_001)),
        ({"port": 3671}, 0, (0, 0)),
    ],
)
def test_ports_are_the_plans_unless_given(
    clock: ManualClock, options: dict[str, int | str], wished: int | None, ports: tuple[int, int]
) -> None:
    gateways = (
        GatewayPlan(id="knx", type="knx", default=True, options={**options}),
        GatewayPlan(id="zwave", type="zwave", default=True, options={"url": "ws://127.0.0.1:3000"}),
        GatewayPlan(id="zwave-2", type="zwave"),
    )
    plan = msgspec.structs.replace(demo_plan(), gateways=gateways)
    made = simulation(clock, plan, knx_port=wished, zwave_port=wished)
    assert (made.interfaces["knx"].port, made.servers["zwave-2"].port) == ports


@pytest.mark.parametrize(
    ("port", "why"), [("knx_port", "cannot listen"), ("zwave_port", "Z-Wave server"), ("control_port", "control API")]
)
async def test_a_taken_port_is_said_and_nothing_stays_open(clock: ManualClock, port: str, why: str) -> None:
    with listen("127.0.0.1", 0) as taken:
        number = taken.getsockname()[1]
        made = simulation(clock, **{port: number})
        with pytest.raises(Unavailable, match=why) as refused:
            await made.start()
    assert str(number) in str(refused.value)
    assert not any([await connects(address) for address in made.addresses().values() if not address.endswith(":0")])


async def test_it_runs_with_the_clock_and_keeps_the_truth(clock: ManualClock) -> None:
    log = TruthLog()
    made = simulation(clock, log=log)
    await made.start()
    begun = clock.now()
    running = asyncio.create_task(made.run())
    made.world.hold(1, people=1)
    await clock.advance(20)
    made.world.hold(1, people=0)
    await clock.advance(20)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await made.stop()
    assert made.world.moment == begun + 40_000
    assert log.was(1, "occupied", 1, begun, begun + 20_000)
    assert not log.was(1, "occupied", 1, begun + 21_000, begun + 40_000)


async def test_alone_it_says_where_and_runs_until_cancelled(clock: ManualClock) -> None:
    told: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(run_simulation(demo_plan(), clock, "127.0.0.1", 0, 0, 0, 1, told.set_result))
    async with asyncio.timeout(10):
        addresses = await told
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{addresses['control']}/world/rooms/1")).json()["number"] == 1
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert not await connects(addresses["control"])
