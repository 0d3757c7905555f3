"""The simulated Z-Wave JS server as a client sees it, and the nodes behind it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from insula.building.model import BuildingPlan, DevicePlan, RoomPlan
from insula.errors import InputError
from insula.messages import Point
from insula.simulator import zwave_sockets
from insula.simulator.physical import RoomWorld
from insula.simulator.zwave_network import CLEAR_S, CYCLE_S, VirtualZwaveNetwork
from insula.simulator.zwave_nodes import (
    BATTERY,
    HUMIDITY,
    ILLUMINANCE,
    LEVEL,
    MOTION,
    MOTION_STATUS,
    TARGET,
    TEMPERATURE,
    make_node,
    template,
)
from insula.simulator.zwave_server import ZwaveServer

SENSOR, LAMP = 2, 3
PATIENCE_S = 10


class Client:
    """Speaks the protocol by hand."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.events: list[dict[str, Any]] = []
        self._count = 0

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            message: dict[str, Any] = await self.ws.receive_json()
        if message["type"] == "event":
            self.events.append(message["event"])
        return message

    async def ask(self, command: str, **fields: object) -> dict[str, Any]:
        self._count += 1
        await self.ws.send_json({"command": command, "messageId": str(self._count), **fields})
        while (message := await self.receive())["type"] != "result":
            continue
        assert message["messageId"] == str(self._count)
        return message

    async def set(self, node_id: int, value: object, prop: str = "targetValue") -> dict[str, Any]:
        value_id = {"commandClass": 38, "endpoint": 0, "property": prop}
        return await self.ask("node.set_value", nodeId=node_id, valueId=value_id, value=value)

    def told(self, node_id: int) -> list[tuple[str, object]]:
        return [
            (event["args"]["property"], event["args"]["newValue"])
            for event in self.events
            if event["event"] == "value updated" and event["nodeId"] == node_id
        ]


@pytest.fixture
async def server() -> AsyncIterator[ZwaveServer]:
    server = ZwaveServer(port=0, give_up_s=0.0)
    server.add(make_node("multisensor", SENSOR, "Multisensor 6"))
    server.add(make_node("dimmer", LAMP, "ZE27"))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(server: ZwaveServer) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url, max_msg_size=0) as ws:
        client = Client(ws)
        assert (await client.receive())["maxSchemaVersion"] == 50
        yield client


async def test_the_greeting_names_network_and_schemas(server: ZwaveServer) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url) as ws:
        greeting = await Client(ws).receive()
    assert greeting["type"] == "version"
    assert greeting["homeId"] == server.home_id
    assert greeting["minSchemaVersion"] == 0


async def test_the_state_holds_the_controller_and_every_node(client: Client) -> None:
    await client.ask("initialize", schemaVersion=35)
    state = (await client.ask("start_listening"))["result"]["state"]
    assert [node["nodeId"] for node in state["nodes"]] == [1, SENSOR, LAMP]
    assert [node.get("name") for node in state["nodes"]] == [None, "Multisensor 6", "ZE27"]
    assert state["controller"]["homeId"] == 0x7E570001


async def test_a_schema_that_it_does_not_speak_is_refused(client: Client) -> None:
    answer = await client.ask("initialize", schemaVersion=51)
    assert (answer["success"], answer["errorCode"]) == (False, "schema_incompatible")


@pytest.mark.parametrize(
    ("command", "fields", "code"),
    [
        ("make.coffee", {}, "unknown_command"),
        ("controller.make_coffee", {}, "unknown_command"),
        ("node.ping", {"nodeId": 99}, "node_not_found"),
        ("node.ping", {}, "node_not_found"),
        ("node.set_value", {"nodeId": LAMP}, "unknown_error"),
    ],
)
async def test_commands_that_cannot_be_carried_out(
    client: Client, command: str, fields: dict[str, object], code: str
) -> None:
    answer = await client.ask(command, **fields)
    assert (answer["success"], answer["errorCode"]) == (False, code)
    assert answer["message"]
    assert (await client.ask("driver.get_log_config"))["result"]["config"]["enabled"] is False


@pytest.mark.parametrize("text", ["{", "[]", '"hello"', "{}", '{"command": 1, "messageId": "1"}', "null"])
async def test_what_is_no_command_closes_the_connection_and_nothing_else(server: ZwaveServer, text: str) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(server.url) as ws:
            await ws.receive_json()
            await ws.send_str(text)
            async with asyncio.timeout(PATIENCE_S):
                assert (await ws.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        async with session.ws_connect(server.url) as ws:
            assert (await ws.receive_json())["type"] == "version"


async def test_binary_frames_close_the_connection_too(client: Client) -> None:
    await client.ws.send_bytes(b"\x00\x01")
    async with asyncio.timeout(PATIENCE_S):
        assert (await client.ws.receive()).type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize(("value", "current"), [(0, 0), (42, 42), (99, 99), (100, 99), (255, 99)])
async def test_a_dimmer_is_believed_to_be_where_it_was_told_to_go(client: Client, value: int, current: int) -> None:
    await client.ask("start_listening")
    answer = await client.set(LAMP, value)
    assert answer["result"] == {"result": {"status": 255}}
    assert client.told(LAMP) == [("targetValue", value), ("currentValue", current)]


async def test_values_that_cannot_be_set(client: Client) -> None:
    assert (await client.set(LAMP, 1, "currentValue"))["result"]["result"]["status"] == 4
    assert (await client.set(SENSOR, 1))["result"]["result"]["status"] == 4


async def test_a_node_that_does_not_answer_is_dead_until_it_does(server: ZwaveServer, client: Client) -> None:
    await client.ask("start_listening")
    server.silence(LAMP)
    answer = await client.set(LAMP, 1)
    assert (answer["errorCode"], answer["zwaveErrorCode"]) == ("zwave_error", 204)
    assert (await client.ask("node.ping", nodeId=LAMP))["result"] == {"responded": False}
    server.silence(LAMP, False)
    assert (await client.ask("node.ping", nodeId=LAMP))["result"] == {"responded": True}
    assert [event["event"] for event in client.events] == ["dead", "alive"]


async def test_a_report_is_told_even_if_unchanged_and_a_new_unit_before_it(server: ZwaveServer, client: Client) -> None:
    await client.ask("start_listening")
    server.report(SENSOR, TEMPERATURE, 21.8)
    server.report(SENSOR, TEMPERATURE, 77.0, unit="°F")
    for _ in range(3):
        await client.receive()
    assert [event["event"] for event in client.events] == ["value updated", "metadata updated", "value updated"]
    assert client.events[1]["args"]["metadata"]["unit"] == "°F"
    assert client.events[2]["args"] | {"newValue": 77.0, "prevValue": 21.8} == client.events[2]["args"]


async def test_a_silent_node_reports_nothing_and_a_dead_one_that_reports_is_alive(
    server: ZwaveServer, client: Client
) -> None:
    await client.ask("start_listening")
    server.kill_node(SENSOR)
    server.report(SENSOR, TEMPERATURE, 1)
    server.silence(SENSOR, False)
    server.report(SENSOR, TEMPERATURE, 2)
    state = (await client.ask("node.get_state", nodeId=SENSOR))["result"]["state"]
    assert [event["event"] for event in client.events] == ["dead", "alive", "value updated"]
    assert state["status"] == 4


async def test_who_does_not_listen_is_told_nothing(server: ZwaveServer, client: Client) -> None:
    server.report(SENSOR, TEMPERATURE, 5)
    await client.ask("driver.get_log_config")
    assert client.events == []


async def test_a_cut_breaks_connections_and_refuses_new_ones_until_restored(
    server: ZwaveServer, client: Client
) -> None:
    server.cut()
    async with asyncio.timeout(PATIENCE_S):
        assert (await client.ws.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.ws_connect(server.url)
        server.restore()
        async with session.ws_connect(server.url) as ws:
            assert (await ws.receive_json())["type"] == "version"


async def test_a_client_that_does_not_read_is_dropped(server: ZwaveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zwave_sockets, "QUEUE", 4)
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url) as ws:
        client = Client(ws)
        await client.receive()
        await client.ask("start_listening")
        for number in range(10):
            server.report(SENSOR, HUMIDITY, number)
        async with asyncio.timeout(PATIENCE_S):
            while (message := await ws.receive()).type is aiohttp.WSMsgType.TEXT:
                continue
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_a_reset_forgets_every_node_and_takes_another_home_id(server: ZwaveServer, client: Client) -> None:
    before = server.home_id
    assert (await client.ask("driver.hard_reset"))["success"]
    async with asyncio.timeout(PATIENCE_S):
        assert (await client.ws.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert server.nodes == {}
    assert server.home_id != before


async def test_starting_and_stopping_twice_does_no_harm() -> None:
    server = ZwaveServer(port=0)
    await server.start()
    await server.stop()
    await server.stop()
    await server.start()
    assert server.port
    await server.stop()


def test_an_unknown_node_is_named() -> None:
    with pytest.raises(InputError, match="no node 77"):
        ZwaveServer().silence(77)


def test_the_templates_are_small_and_real() -> None:
    size = sum(len(json.dumps(template(name))) for name in ("controller", "multisensor", "dimmer"))
    assert size < 40_000
    assert template("multisensor")["deviceConfig"]["description"] == "MultiSensor 6"
    assert template("dimmer")["label"] == "ZW111"


# --- the nodes in their rooms


class SpyServer(ZwaveServer):
    """Not started: writes down what nodes report."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[int, str, object]] = []

    def report(self, node_id: int, value_id: str, value: object, *, unit: str | None = None) -> None:
        self.told.append((node_id, value_id, value))
        super().report(node_id, value_id, value, unit=unit)

    def take(self) -> Iterator[tuple[int, str, object]]:
        told, self.told = self.told, []
        yield from told


def plan(*devices: DevicePlan) -> BuildingPlan:
    return BuildingPlan(site="s", rooms=(RoomPlan(number=1, floor=4, devices=devices),))


def zwave(node_id: int, kind: str, *roles: str, gateway_id: str = "zwave") -> DevicePlan:
    points = tuple(Point(role=role) for role in roles)
    return DevicePlan(
        source=f"n{node_id}", type="zwave", gateway_id=gateway_id, kind=kind, name=kind, node_id=node_id, points=points
    )


@pytest.fixture
def room() -> RoomWorld:
    return RoomWorld(number=1, temperature=20.0, humidity=45.0, luminance=100.0)


@pytest.fixture
def spy(room: RoomWorld) -> SpyServer:
    return SpyServer()


@pytest.fixture
def nodes(spy: SpyServer, room: RoomWorld) -> VirtualZwaveNetwork:
    devices = (
        zwave(SENSOR, "sensor", "temperature", "motion"),
        zwave(LAMP, "lamp", "level"),
        zwave(9, "lamp", "level", gateway_id="other"),
        DevicePlan(source="k", type="knx", gateway_id="knx", kind="blind"),
    )
    return VirtualZwaveNetwork(spy, {1: room}, plan(*devices), "zwave")


def test_the_plans_devices_of_this_gateway_become_nodes(
    spy: SpyServer, nodes: VirtualZwaveNetwork, room: RoomWorld
) -> None:
    assert set(spy.nodes) == set(nodes.devices) == {SENSOR, LAMP}
    assert len(room.lamps) == 1


def test_a_node_starts_with_what_is_true_in_its_room(spy: SpyServer, nodes: VirtualZwaveNetwork) -> None:
    values = {value_id: value.get("value") for value_id, value in spy.node(SENSOR).values.items()}
    assert (values[TEMPERATURE], values[HUMIDITY], values[ILLUMINANCE]) == (20.0, 45.0, 100.0)
    assert (values[MOTION], values[MOTION_STATUS]) == (False, 0)
    assert spy.node(LAMP).values[LEVEL]["value"] == 0


@pytest.mark.parametrize(
    ("field", "small", "large", "value_id"),
    [
        ("temperature", 20.1, 20.2, TEMPERATURE),
        ("temperature", 19.9, 19.8, TEMPERATURE),
        ("humidity", 45.4, 46.0, HUMIDITY),
        ("luminance", 108.0, 110.0, ILLUMINANCE),
        ("luminance", 92.0, 0.0, ILLUMINANCE),
    ],
)
def test_a_sensor_tells_changes_that_are_large_enough(
    spy: SpyServer,
    nodes: VirtualZwaveNetwork,
    room: RoomWorld,
    field: str,
    small: float,
    large: float,
    value_id: str,
) -> None:
    setattr(room, field, small)
    nodes.step(1)
    assert list(spy.take()) == []
    setattr(room, field, large)
    nodes.step(0)
    assert list(spy.take()) == [(SENSOR, value_id, large)]


def test_motion_is_told_at_once_and_cleared_long_after_the_last_person_left(
    spy: SpyServer, nodes: VirtualZwaveNetwork, room: RoomWorld
) -> None:
    room.people = 2
    nodes.step(0)
    assert list(spy.take()) == [(SENSOR, MOTION, True), (SENSOR, MOTION_STATUS, 8)]
    room.people = 0
    nodes.step(CLEAR_S - 1)
    assert list(spy.take()) == []
    nodes.step(1)
    assert list(spy.take())[:2] == [(SENSOR, MOTION, False), (SENSOR, MOTION_STATUS, 0)]


def test_a_sensor_tells_everything_again_from_time_to_time(spy: SpyServer, nodes: VirtualZwaveNetwork) -> None:
    nodes.step(CYCLE_S)
    assert [value_id for _, value_id, _ in spy.take()] == [TEMPERATURE, HUMIDITY, ILLUMINANCE]
    nodes.step(86_400)
    assert (SENSOR, BATTERY, 95) in list(spy.take())


@pytest.mark.parametrize(("target", "level", "told"), [(99, 100.0, 99), (100, 100.0, 99), (40, 40.0, 40), (0, 0.0, 0)])
def test_a_dimmer_ramps_and_then_tells_where_it_is(
    spy: SpyServer, nodes: VirtualZwaveNetwork, room: RoomWorld, target: int, level: float, told: int
) -> None:
    room.lamps[0].set(20)
    nodes.step(0)
    spy.told.clear()
    for hook in spy.on_set:
        hook(spy.node(LAMP), TARGET, target)
    nodes.step(0.1)
    assert room.lamps[0].level == pytest.approx(20 + max(-10, min(10, level - 20)))
    nodes.step(0.9)
    assert room.lamps[0].level == level
    assert list(spy.take()) == [(LAMP, LEVEL, told)]


def test_what_is_done_at_the_wall_is_told(spy: SpyServer, nodes: VirtualZwaveNetwork, room: RoomWorld) -> None:
    room.lamps[0].set(70)
    nodes.step(1)
    nodes.step(1)
    assert list(spy.take()) == [(LAMP, LEVEL, 70)]


def test_what_is_set_elsewhere_moves_no_lamp(spy: SpyServer, nodes: VirtualZwaveNetwork, room: RoomWorld) -> None:
    for hook in spy.on_set:
        hook(spy.node(LAMP), "38-0-Up", True)
        hook(spy.node(SENSOR), TARGET, 9)
    nodes.step(1)
    assert room.lamps[0].level == 0


def test_a_silent_sensor_says_nothing_and_tells_all_when_it_is_back(
    spy: SpyServer, nodes: VirtualZwaveNetwork, room: RoomWorld
) -> None:
    nodes.silence(SENSOR)
    room.temperature = 30.0
    nodes.step(10)
    assert list(spy.take()) == []
    nodes.silence(SENSOR, False)
    nodes.step(0)
    assert list(spy.take()) == [(SENSOR, TEMPERATURE, 30.0)]


def test_a_node_that_was_excluded_is_left_alone(spy: SpyServer, nodes: VirtualZwaveNetwork, room: RoomWorld) -> None:
    del spy.nodes[SENSOR]
    room.temperature = 30.0
    nodes.step(10)
    assert list(spy.take()) == []


def test_the_networks_faults_are_the_servers(spy: SpyServer, nodes: VirtualZwaveNetwork) -> None:
    nodes.kill_node(LAMP)
    assert spy.node(LAMP).status == 3
    nodes.revive_node(LAMP)
    assert spy.node(LAMP).status == 4
    nodes.cut()
    nodes.drop_clients()
    nodes.restore()
    assert not spy.node(LAMP).silent
