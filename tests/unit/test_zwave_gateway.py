"""The Z-Wave gateway in front of a simulated server, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import pytest
from zwave_js_server.exceptions import ConnectionClosed, NotConnected
from zwave_js_server.model.node import Node

from insula.clock import Clock, ManualClock, SystemClock
from insula.errors import Failed, Refused
from insula.gateways.zwave import gateway as gateway_module
from insula.gateways.zwave import link, network
from insula.gateways.zwave.gateway import ZwaveGateway
from insula.messages import DeviceRecord, Origin, Point
from insula.simulator.zwave_nodes import HUMIDITY, LEVEL, MOTION, MOTION_STATUS, TARGET, TEMPERATURE, make_node
from insula.simulator.zwave_server import ZwaveServer
from tests.contracts.rigs import PATIENCE_S, Ear, command

SENSOR, LAMP = 2, 3
"""The node ids; the devices are 20 and 30."""


@dataclass
class AgedEar(Ear):
    """Also writes down how old each value is said to be."""

    measured: dict[tuple[int, str], int | None] = field(default_factory=dict)

    def report(
        self,
        device_id: int,
        point: str,
        value: float,
        *,
        origin: Origin | None = None,
        measured_at: int | None = None,
    ) -> None:
        self.measured[device_id, point] = measured_at
        super().report(device_id, point, value, origin=origin, measured_at=measured_at)


def device(device_id: int, node_id: int | None, kind: str, *roles: str) -> DeviceRecord:
    return DeviceRecord(
        device_id=device_id,
        room_id=1,
        room_number=1,
        type="zwave",
        gateway_id="zwave",
        kind=kind,
        node_id=node_id,
        points=tuple(Point(role=role) for role in roles),
    )


DEVICES = (
    device(20, SENSOR, "sensor", "temperature", "humidity", "illuminance", "motion"),
    device(30, LAMP, "lamp", "level"),
)


@pytest.fixture
async def server() -> AsyncIterator[ZwaveServer]:
    server = ZwaveServer(port=0, give_up_s=0.0)
    server.add(make_node("multisensor", SENSOR, "Multisensor 6"))
    server.add(make_node("dimmer", LAMP, "ZE27"))
    await server.start()
    yield server
    await server.stop()


@asynccontextmanager
async def running(gateway: ZwaveGateway, ear: Ear) -> AsyncIterator[None]:
    task = asyncio.create_task(gateway.run(ear))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def connected(server: ZwaveServer, clock: Clock | None = None) -> AsyncIterator[tuple[ZwaveGateway, AgedEar]]:
    gateway, ear = ZwaveGateway({"url": server.url}, clock or SystemClock()), AgedEar()
    await gateway.serve(DEVICES)
    async with running(gateway, ear):
        await ear.until(lambda: any(device_id == 30 for device_id, _, _ in ear.reports))
        yield gateway, ear


async def test_the_values_that_the_server_knows_are_told_as_old_as_the_nodes_last_sign_of_life(
    server: ZwaveServer,
) -> None:
    seen = datetime(2026, 1, 1, 12, tzinfo=UTC)
    server.node(SENSOR).state["lastSeen"] = seen.isoformat()
    async with connected(server) as (_, ear):
        assert (20, "temperature", 21.8) in ear.reports
        assert (20, "motion", 0.0) in ear.reports
        assert abs((ear.measured[20, "temperature"] or 0) - seen.timestamp() * 1000) < 1000
        server.report(SENSOR, TEMPERATURE, 22.0)
        await ear.until(lambda: (20, "temperature", 22.0) in ear.reports)
        assert ear.measured[20, "temperature"] is None


async def test_a_node_that_was_never_heard_of_has_no_values(server: ZwaveServer) -> None:
    del server.node(SENSOR).state["lastSeen"]
    server.node(SENSOR).state["isListening"] = False
    async with connected(server) as (_, ear):
        assert {device_id for device_id, _, _ in ear.reports} == {30}


async def test_fahrenheit_is_told_as_celsius_whenever_the_unit_changes(server: ZwaveServer) -> None:
    async with connected(server) as (_, ear):
        ear.reports.clear()
        server.report(SENSOR, TEMPERATURE, 77.0, unit="°F")
        server.report(SENSOR, TEMPERATURE, 78.8)
        server.report(SENSOR, TEMPERATURE, 27.0, unit="°C")
        await ear.until(lambda: len(ear.reports) == 3)
        assert ear.reports == [(20, "temperature", 25.0), (20, "temperature", 26.0), (20, "temperature", 27.0)]


async def test_one_motion_is_told_once(server: ZwaveServer) -> None:
    async with connected(server) as (_, ear):
        ear.reports.clear()
        server.report(SENSOR, MOTION, True)
        server.report(SENSOR, MOTION_STATUS, 8)
        server.report(SENSOR, HUMIDITY, 50)
        await ear.until(lambda: (20, "humidity", 50.0) in ear.reports)
        assert ear.reports == [(20, "motion", 1.0), (20, "humidity", 50.0)]


async def test_an_unchanged_value_is_told_again_and_what_is_no_point_is_a_sign_of_life(server: ZwaveServer) -> None:
    async with connected(server) as (_, ear):
        ear.reports.clear()
        ear.lives.clear()
        server.report(SENSOR, "128-0-level", 90)
        server.report(SENSOR, TEMPERATURE, 21.8)
        await ear.until(lambda: bool(ear.reports))
        assert (ear.lives, ear.reports) == ([20], [(20, "temperature", 21.8)])


@pytest.mark.parametrize(("value", "sent", "told"), [(0, 0, 0.0), (1, 1, 1.0), (99, 99, 100.0), (100, 99, 100.0)])
async def test_a_lamp_is_set_and_tells_where_it_goes(server: ZwaveServer, value: int, sent: int, told: float) -> None:
    async with connected(server) as (gateway, ear):
        server.report(LAMP, LEVEL, 50)
        await ear.until(lambda: (30, "level", 50.0) in ear.reports)
        await gateway.send(command(30, "level", value))
        assert server.node(LAMP).values[TARGET]["value"] == sent
        await ear.until(lambda: (30, "level", told) in ear.reports)
        assert ear.origins[-1] is None


async def test_a_change_at_the_device_itself_is_somebodys_hand(server: ZwaveServer) -> None:
    async with connected(server) as (_, ear):
        server.report(LAMP, LEVEL, 12)  # as it was
        server.report(LAMP, LEVEL, 70)
        await ear.until(lambda: (30, "level", 70.0) in ear.reports)
        assert ear.origins[-2:] == [None, Origin(kind="switch", name=f"node {LAMP}")]


async def test_a_node_that_does_not_answer_fails_is_dead_and_then_fails_without_holding_up_others(
    server: ZwaveServer,
) -> None:
    async with connected(server) as (gateway, ear):
        server.silence(LAMP)
        with pytest.raises(Failed, match="did not acknowledge"):
            await gateway.send(command(30, "level", 50))
        await ear.until(lambda: bool(ear.deaths))
        assert ear.deaths == [(30, f"node {LAMP} does not answer")]
        with pytest.raises(Failed, match="does not answer"):
            await gateway.send(command(30, "level", 50))
        with pytest.raises(Failed, match="does not answer"):
            await gateway.send(command(30, "level", 50))


async def test_a_dead_node_that_answers_again_is_alive_first_and_then_commanded(server: ZwaveServer) -> None:
    async with connected(server) as (gateway, ear):
        server.kill_node(LAMP)
        await ear.until(lambda: bool(ear.deaths))
        server.silence(LAMP, False)  # power is back; nobody was told
        await gateway.send(command(30, "level", 60))
        assert server.node(LAMP).values[TARGET]["value"] == 60
        assert 30 in ear.lives


async def test_a_node_that_answers_but_stays_dead_gets_no_command(
    server: ZwaveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "ALIVE_S", 0.01)
    async with connected(server) as (gateway, ear):
        server.kill_node(LAMP)
        await ear.until(lambda: bool(ear.deaths))
        server.node(LAMP).silent = False
        server.node(LAMP).state["status"] = 4  # the driver's word for it is lost
        with pytest.raises(Failed, match="does not answer"):
            await gateway.send(command(30, "level", 60))


async def test_a_node_that_comes_back_by_itself_is_a_sign_of_life(server: ZwaveServer) -> None:
    async with connected(server) as (_, ear):
        server.kill_node(SENSOR)
        await ear.until(lambda: ear.deaths == [(20, f"node {SENSOR} does not answer")])
        ear.lives.clear()
        server.revive_node(SENSOR)
        await ear.until(lambda: 20 in ear.lives)
        assert ear.lives == [20]


async def test_a_node_that_was_dead_before_we_came_is_dead(server: ZwaveServer) -> None:
    server.kill_node(SENSOR)
    async with connected(server) as (_, ear):
        assert ear.deaths == [(20, f"node {SENSOR} does not answer")]


async def test_a_sleeping_node_gets_nothing_that_would_arrive_hours_later(server: ZwaveServer) -> None:
    server.sleep_node(LAMP)
    async with connected(server) as (gateway, _):
        with pytest.raises(Failed, match="asleep"):
            await gateway.send(command(30, "level", 50))
        assert server.node(LAMP).values[TARGET]["value"] == 12


async def test_nodes_and_devices_that_have_no_other_half(server: ZwaveServer) -> None:
    server.add(make_node("multisensor", 7))
    async with connected(server) as (gateway, ear):
        assert ear.strangers == ["node 7"]
        await gateway.serve([*DEVICES, device(40, 9, "lamp", "level"), device(50, None, "lamp", "level")])
        assert ear.deaths == [(40, "node 9 is not in the network")]
        with pytest.raises(Refused, match="not in the network"):
            await gateway.send(command(40, "level", 1))
        with pytest.raises(Refused, match="nothing to set"):
            await gateway.send(command(20, "temperature", 1))
        await gateway.serve([*DEVICES, device(70, 7, "sensor", "temperature")])
        assert (70, "temperature", 21.8) in ear.reports
        assert ear.strangers == ["node 7"]


async def test_a_value_that_the_node_does_not_have_is_refused(server: ZwaveServer) -> None:
    odd = DEVICES[1].points[0]
    odd = Point(role="level", write="38-5-targetValue", status=odd.status)
    async with connected(server) as (gateway, _):
        await gateway.serve([device(20, SENSOR, "sensor"), DeviceRecord(**_fields(DEVICES[1]), points=(odd,))])
        with pytest.raises(Refused, match="no value 38-5-targetValue"):
            await gateway.send(command(30, "level", 1))


def _fields(record: DeviceRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__ if name != "points"}


async def test_the_nodes_own_refusal_is_a_failure(server: ZwaveServer) -> None:
    async with connected(server) as (gateway, _):
        del server.node(LAMP).values[TARGET]
        with pytest.raises(Failed, match="no such value"):
            await gateway.send(command(30, "level", 1))
        del server.nodes[LAMP]
        with pytest.raises(Failed, match="node_not_found"):
            await gateway.send(command(30, "level", 1))


async def test_a_node_included_later_is_heard_as_soon_as_it_is_ready(server: ZwaveServer) -> None:
    async with connected(server) as (gateway, ear):
        await gateway.serve([*DEVICES, device(40, 4, "sensor", "temperature")])
        server.inclusion.offer("multisensor", 4)
        server.inclusion.command("controller.begin_inclusion", {})
        await ear.until(lambda: (40, "temperature", 21.8) in ear.reports)
        server.inclusion.command("controller.begin_exclusion", {})
        server.inclusion.leave(4)
        await ear.until(lambda: (40, "node 4 left the network") in ear.deaths)


async def test_a_value_that_appears_later_is_taken_if_it_is_better(server: ZwaveServer) -> None:
    better = server.node(SENSOR).values.pop(MOTION_STATUS)
    async with connected(server) as (_, ear):
        assert (20, "motion", 0.0) in ear.reports
        ear.reports.clear()
        server.node(SENSOR).values[MOTION_STATUS] = better
        args = {**better, "newValue": 8}
        server.emit({"source": "node", "event": "value added", "nodeId": SENSOR, "args": args})
        server.report(SENSOR, MOTION, False)
        server.report(SENSOR, HUMIDITY, 51)
        await ear.until(lambda: (20, "humidity", 51.0) in ear.reports)
        assert ear.reports == [(20, "motion", 1.0), (20, "humidity", 51.0)]


async def test_statistics_are_a_sign_of_life_only_if_the_node_was_heard(server: ZwaveServer) -> None:
    async with connected(server) as (_, ear):
        ear.lives.clear()
        node = server.node(SENSOR)
        for last_seen in (node.state["lastSeen"], datetime.fromtimestamp(4e9, UTC).isoformat()):
            statistics = {**node.state["statistics"], "lastSeen": last_seen}
            server.emit({"source": "node", "event": "statistics updated", "nodeId": SENSOR, "statistics": statistics})
        server.emit({"source": "node", "event": "wake up", "nodeId": LAMP, "oldStatus": 1})
        await ear.until(lambda: 30 in ear.lives)
        assert ear.lives == [20, 30]


async def test_a_lamp_that_nobody_drives_is_asked_for_a_sign_of_life(server: ZwaveServer, clock: ManualClock) -> None:
    async with connected(server, clock) as (_, ear):
        await clock.advance(network.CHECK_S)
        assert ear.lives == []
        await clock.advance(network.QUIET_S)
        await ear.until(lambda: {20, 30} <= set(ear.lives))
        assert ear.deaths == []


async def test_a_sensor_that_fell_silent_is_found_out(server: ZwaveServer, clock: ManualClock) -> None:
    async with connected(server, clock) as (_, ear):
        server.silence(SENSOR)
        await clock.advance(network.QUIET_S + network.CHECK_S)
        await ear.until(lambda: bool(ear.deaths))
        assert ear.deaths == [(20, f"node {SENSOR} does not answer")]


async def test_a_command_under_way_fails_when_the_connection_is_lost(server: ZwaveServer) -> None:
    slow = ZwaveServer(port=0, latency_s=3600)
    slow.add(make_node("dimmer", LAMP))
    await slow.start()
    async with connected(slow) as (gateway, ear):
        sending = asyncio.create_task(gateway.send(command(30, "level", 50)))
        cancelled = asyncio.create_task(gateway.send(command(30, "level", 51)))
        async with asyncio.timeout(PATIENCE_S):
            await slow.on_air.wait()
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        slow.drop_clients()
        with pytest.raises(Failed, match="connection was lost"):
            await sending
        await ear.until(lambda: ear.links[-1] != "connected")
        assert ear.links == ["connected", "connection lost"]
    await slow.stop()


@pytest.mark.parametrize(
    "error",
    [NotConnected(), ConnectionClosed("gone"), aiohttp.ClientConnectionResetError(), BrokenPipeError()],
    ids=repr,
)
async def test_a_connection_that_breaks_while_sending_is_the_reason(
    server: ZwaveServer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def breaks(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Node, "async_set_value", breaks)
    async with connected(server) as (gateway, _):
        with pytest.raises(Failed, match=r"^the connection was lost before the answer$"):
            await gateway.send(command(30, "level", 50))


async def test_no_failure_is_without_a_reason(server: ZwaveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(*_: object, **__: object) -> None:
        raise ValueError

    monkeypatch.setattr(Node, "async_set_value", breaks)
    async with connected(server) as (gateway, _):
        with pytest.raises(Failed, match=f"^node {LAMP}: ValueError$"):
            await gateway.send(command(30, "level", 50))


async def test_a_command_without_an_answer_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "SET_S", 0.05)
    slow = ZwaveServer(port=0, latency_s=3600)
    slow.add(make_node("dimmer", LAMP))
    await slow.start()
    async with connected(slow) as (gateway, _):
        with pytest.raises(Failed, match="no answer within"):
            await gateway.send(command(30, "level", 50))
    await slow.stop()


async def test_an_incompatible_server_is_told_and_tried_again_slowly(server: ZwaveServer, clock: ManualClock) -> None:
    server.max_schema = 1
    gateway, ear = ZwaveGateway({"url": server.url}, clock), Ear()
    async with running(gateway, ear):
        await ear.until(lambda: bool(ear.links))
        assert "incompatible" in ear.links[0]
        server.max_schema = 50
        await clock.advance(link.WRONG_VERSION_S - 1)
        assert len(ear.links) == 1
        await clock.advance(1)
        await ear.until(lambda: ear.links[-1] == "connected")
        assert len(ear.links) == 2


async def test_each_reason_is_told_once(server: ZwaveServer, clock: ManualClock) -> None:
    await server.stop()
    gateway, ear = ZwaveGateway({"url": server.url}, clock), Ear()
    async with running(gateway, ear):
        await ear.until(lambda: bool(ear.links))
        await clock.advance(5)
        await server.start()
        await clock.advance(5)
        await ear.until(lambda: "connected" in ear.links)
        assert len(ear.links) == 2
        with pytest.raises(Refused, match="no device"):
            await gateway.send(command(30, "level", 1))


async def test_a_driver_that_restarted_gives_a_new_model(server: ZwaveServer) -> None:
    async with connected(server) as (gateway, ear):
        assert gateway._network is not None
        gateway._network.driver.emit("driver ready", {})
        await ear.until(lambda: ear.links == ["connected", "connection lost", "connected"])
        assert ear.links[-1] == "connected"


async def test_two_networks_may_use_the_same_node_ids(server: ZwaveServer) -> None:
    other = ZwaveServer(port=0)
    other.add(make_node("dimmer", LAMP))
    await other.start()
    async with connected(server) as (first, _), connected(other) as (second, _):
        await first.send(command(30, "level", 10))
        await second.send(command(30, "level", 20))
        assert server.node(LAMP).values[TARGET]["value"] == 10
        assert other.node(LAMP).values[TARGET]["value"] == 20
    await other.stop()
