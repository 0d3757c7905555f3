"""The control API over HTTP: the physical world is read and held, faults begin and end, bad input is refused."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import aiohttp
import httpx
import msgspec
import pytest

from insula.building.demo import demo_plan
from insula.building.model import BuildingPlan
from insula.clock import ManualClock
from insula.messages import Point
from insula.simulator.faults import AnyFault
from insula.simulator.simulation import Simulation
from insula.simulator.world import HELD

ALARMS = tuple(Point(role=role, status=f"9/{number}/1") for number, role in enumerate(("wind_alarm", "rain_alarm")))
LOCK = Point(role="lock_alarm", status="9/2/1")


def exposed(plan: BuildingPlan) -> BuildingPlan:
    """The blind of the first room gets alarm objects."""
    room = plan.rooms[0]
    blind = msgspec.structs.replace(room.devices[0], points=(*room.devices[0].points, *ALARMS, LOCK))
    room = msgspec.structs.replace(room, devices=(blind, *room.devices[1:]))
    return msgspec.structs.replace(plan, rooms=(room, *plan.rooms[1:]))


@pytest.fixture
async def simulation(clock: ManualClock) -> AsyncIterator[Simulation]:
    made = Simulation(exposed(demo_plan()), clock, knx_port=0, zwave_port=0, control_port=0)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def http(simulation: Simulation) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulation.addresses()["control"]) as client:
        yield client


async def post(http: httpx.AsyncClient, path: str, body: Any, status: int = 200) -> Any:
    answer = await http.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def fault(http: httpx.AsyncClient, status: int = 200, **body: Any) -> Any:
    return await post(http, "/world/faults", body, status)


async def room(http: httpx.AsyncClient, number: int = 1) -> dict[str, Any]:
    answer = await http.get(f"/world/rooms/{number}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_the_world_can_be_read(http: httpx.AsyncClient, clock: ManualClock) -> None:
    world = (await http.get("/world")).json()
    assert world["moment"] == clock.now()
    assert [one["number"] for one in world["rooms"]] == [1, 2, 10, 11]
    assert world["faults"] == []
    assert world["sun"] < 0
    assert world["outside_illuminance"] == 0
    assert -20 < world["outside_temperature"] < 20


async def test_a_room_can_be_read(http: httpx.AsyncClient) -> None:
    read = await room(http, 10)
    assert read["blinds"] == [{"position": 100, "slat": 100, "moving": False}]
    assert (len(read["valves"]), read["lamps"], read["held"]) == (1, [0], {})


async def test_values_are_held_until_null(http: httpx.AsyncClient, simulation: Simulation) -> None:
    held = {"people": 2, "temperature": 18.5, "humidity": 70, "luminance": 0, "window_open": True}
    assert held.items() <= (await post(http, "/world/rooms/1", held)).items()
    simulation.world.step(600)
    assert held.items() <= (await room(http)).items()
    read = await post(http, "/world/rooms/1", {"humidity": None, "people": None, "window_open": None})
    assert read["held"] == {"temperature": 18.5, "luminance": 0}
    assert (read["people"], read["window_open"]) == (0, False)


async def test_daylight_can_be_held(http: httpx.AsyncClient) -> None:
    assert (await post(http, "/world/rooms/2", {"daylight": 15}))["luminance"] == 15


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"people": -1}, "people"),
        ({"people": 1.5}, "people"),
        ({"people": "two"}, "people"),
        ({"temperature": 400}, "temperature"),
        ({"humidity": 101}, "humidity"),
        ({"luminance": -3}, "luminance"),
        ({"brightness": 3}, "brightness"),
        ([1], "array"),
    ],
)
async def test_what_cannot_be_is_refused(http: httpx.AsyncClient, body: Any, why: str) -> None:
    assert why in (await post(http, "/world/rooms/1", body, 400))["error"]
    assert (await room(http))["held"] == {}


async def test_what_is_no_json_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/world/rooms/1", content=b"{people", headers={"content-type": "application/json"})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_room_is_not_found(http: httpx.AsyncClient, method: str) -> None:
    answer = await http.request(method, "/world/rooms/99", json={} if method == "POST" else None)
    assert (answer.status_code, answer.json()) == (404, {"error": "no room 99 in the building"})


async def test_an_unknown_path_is_not_found(http: httpx.AsyncClient) -> None:
    answer = await http.get("/worlds")
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


PAIRS = [
    ("sensor_dies", "sensor_revives", {"node_id": 2}),
    ("node_dead", "node_alive", {"node_id": 3}),
    ("tunnel_cut", "tunnel_restored", {}),
    ("zwave_cut", "zwave_restored", {"gateway": "zwave"}),
    ("device_fails", "device_works", {"room": 1, "kind": "radiator"}),
]


@pytest.mark.parametrize(("begin", "end", "target"), PAIRS)
async def test_a_fault_lasts_until_it_is_ended(
    http: httpx.AsyncClient, begin: str, end: str, target: dict[str, Any]
) -> None:
    for _ in range(2):
        (active,) = await fault(http, fault=begin, **target)
        assert {"fault": begin, **target}.items() <= active.items()
    assert (await http.get("/world/faults")).json() == [active]
    assert (await http.get("/world")).json()["faults"] == [active]
    for _ in range(2):
        assert await fault(http, fault=end, **target) == []


async def test_a_cut_tunnel_takes_no_connection_until_it_is_restored(
    http: httpx.AsyncClient, simulation: Simulation
) -> None:
    host, port = simulation.host, simulation.interfaces["knx"].port
    await fault(http, fault="tunnel_cut")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)
    await fault(http, fault="tunnel_restored")
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    await writer.wait_closed()
    assert writer.is_closing()


async def test_a_cut_zwave_server_greets_nobody_until_it_is_restored(
    http: httpx.AsyncClient, simulation: Simulation
) -> None:
    async with aiohttp.ClientSession() as session:
        await fault(http, fault="zwave_cut")
        with pytest.raises(aiohttp.ClientError):
            await session.ws_connect(simulation.servers["zwave"].url)
        await fault(http, fault="zwave_restored")
        async with session.ws_connect(simulation.servers["zwave"].url) as socket:
            assert (await socket.receive_json())["type"] == "version"


@pytest.mark.parametrize(
    ("name", "end", "status"), [("sensor_dies", "sensor_revives", 4), ("node_dead", "node_alive", 3)]
)
async def test_a_dead_sensor_tells_nothing_until_it_revives(
    http: httpx.AsyncClient, simulation: Simulation, name: str, end: str, status: int
) -> None:
    node = simulation.servers["zwave"].nodes[2]
    await fault(http, fault=name, node_id=2)
    before = {value_id: value.get("value") for value_id, value in node.values.items()}
    await post(http, "/world/rooms/1", {"people": 1, "humidity": 91})
    simulation.world.step(300)
    assert {value_id: value.get("value") for value_id, value in node.values.items()} == before
    assert node.status == status
    await fault(http, fault=end, node_id=2)
    simulation.world.step(1)
    assert 91 in [value.get("value") for value in node.values.values()]
    assert node.status == 4


async def test_a_wall_switch_moves_the_blind(http: httpx.AsyncClient, simulation: Simulation) -> None:
    sent = simulation.interfaces["knx"].counters.sent
    assert await fault(http, fault="wall_switch", room=1, kind="blind", point="move", value=0) == []
    assert simulation.interfaces["knx"].counters.sent > sent
    assert (await room(http))["blinds"][0]["moving"]
    simulation.world.step(60)
    assert (await room(http))["blinds"][0]["position"] == 0


async def test_a_wall_switch_of_a_named_device(http: httpx.AsyncClient, simulation: Simulation) -> None:
    await fault(http, fault="wall_switch", room=2, source="0/4/2", point="valve", value=35, address="1.1.201")
    assert (await room(http, 2))["valves"] == [pytest.approx(35, abs=0.5)]


@pytest.mark.parametrize("alarm", ["wind_alarm", "rain_alarm"])
async def test_bad_weather_opens_the_blind_and_holds_it(
    http: httpx.AsyncClient, simulation: Simulation, alarm: str
) -> None:
    await fault(http, fault="wall_switch", room=1, point="position", value=0)
    simulation.world.step(60)
    assert await fault(http, fault=alarm, room=1) == [{"fault": alarm, "room": 1, "active": True}]
    simulation.world.step(60)
    await fault(http, fault="wall_switch", room=1, point="position", value=0)
    simulation.world.step(60)
    assert (await room(http))["blinds"][0]["position"] == 100
    assert await fault(http, fault=alarm, room=1, active=False) == []


async def test_a_lock_holds_the_blind_where_it_is(http: httpx.AsyncClient, simulation: Simulation) -> None:
    await fault(http, fault="lock", room=1)
    await fault(http, fault="wall_switch", room=1, point="position", value=0)
    simulation.world.step(60)
    assert (await room(http))["blinds"][0]["position"] == 100


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"fault": "earthquake"}, "earthquake"),
        ({"node_id": 2}, "fault"),
        ({"fault": "sensor_dies"}, "node_id"),
        ({"fault": "sensor_dies", "node_id": 77}, "77"),
        ({"fault": "sensor_dies", "node_id": 2, "gateway": "attic"}, "no zwave gateway attic"),
        ({"fault": "tunnel_cut", "gateway": "zwave"}, "no knx gateway zwave"),
        ({"fault": "tunnel_cut", "tunnel": 1}, "tunnel"),
        ({"fault": "wall_switch", "room": 99, "point": "move", "value": 0}, "no room 99"),
        ({"fault": "wall_switch", "room": 1, "kind": "lift", "point": "move", "value": 0}, "no such KNX device: lift"),
        ({"fault": "wall_switch", "room": 1, "point": "position", "value": 300}, "300"),
        ({"fault": "wall_switch", "room": 1, "point": "position", "value": 3, "address": "here"}, "address"),
        ({"fault": "rain_alarm", "room": 2}, "room 2 has no device with a rain_alarm"),
        ({"fault": "device_fails", "room": 1, "source": "9/9/9"}, "no such KNX device: 9/9/9"),
    ],
)
async def test_a_fault_that_cannot_be_is_refused(http: httpx.AsyncClient, body: dict[str, Any], why: str) -> None:
    assert why in (await post(http, "/world/faults", body, 400))["error"]
    assert (await http.get("/world/faults")).json() == []


async def test_an_error_of_ours_is_told_as_such(http: httpx.AsyncClient, simulation: Simulation) -> None:
    class Broken:
        def step(self, seconds: float) -> None:
            raise ZeroDivisionError

    simulation.world.devices.append(Broken())
    assert "ours" in (await post(http, "/world/rooms/1", {"people": 1}, 500))["error"]


async def test_the_api_describes_itself(http: httpx.AsyncClient) -> None:
    described = (await http.get("/schema/openapi.json")).json()
    assert {"/world", "/world/faults"} <= described["paths"].keys()
    text = msgspec.json.encode(described).decode()
    for begin, end, _ in PAIRS:
        assert begin in text
        assert end in text


def test_everything_that_can_be_done_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "simulate.md").read_text()
    faults = [kind.__struct_config__.tag for kind in get_args(AnyFault)]
    assert [name for name in (*HELD, *faults) if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("point", "value", "told"),
    [
        ("motion", 1, {"48-0-Motion": True, "113-0-Home Security-Motion sensor status": 8}),
        ("motion", 0, {"48-0-Motion": False, "113-0-Home Security-Motion sensor status": 0}),
        ("humidity", 70, {"49-0-Humidity": 70}),
        ("illuminance", 0, {"49-0-Illuminance": 0}),
    ],
)
async def test_sensor_reports_what_it_is_told_to(
    simulation: Simulation, http: httpx.AsyncClient, point: str, value: float, told: dict[str, object]
) -> None:
    assert await fault(http, fault="sensor_reports", node_id=2, point=point, value=value) == []
    values = simulation.servers["zwave"].nodes[2].values
    assert {value_id: values[value_id]["value"] for value_id in told} == told
