"""HTTP in, commands and readings out: the 16 routes, over the bus and both gateways."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from insula.api.bus import BusWindow
from insula.bus.devices import DeviceIndex
from insula.bus.port import MAX_RECORD
from insula.clock import ManualClock, settle
from insula.errors import Unavailable
from insula.messages import COMMAND_LIFE_MS, Origin
from tests.flows.house import ROOM_1, ROOM_2, UUID, House, house


@pytest.fixture
async def home(tmp_path: Path, clock: ManualClock) -> AsyncIterator[House]:
    async with house(tmp_path, clock) as it:
        yield it


DRIVING = [
    ("/open_blinds", {}, "move", 100),
    ("/close_blinds", {}, "move", 0),
    ("/percentage_blinds", {"percentage": 42}, "position", 42),
    ("/percentage_blinds", {"percentage": 0}, "position", 0),
    ("/percentage_radiator", {"percentage": 100}, "valve", 100),
    ("/percentage_radiator", {"percentage": 0}, "valve", 0),
    ("/percentage_dimmers", {"percentage": 90}, "level", 90),
    ("/percentage_dimmers", {"percentage": 0}, "level", 0),
]


@pytest.mark.parametrize(("route", "query", "point", "value"), DRIVING)
@pytest.mark.parametrize("slash", ["", "/"])
async def test_driving_route_drives_the_device_of_the_beacons_room(
    home: House, route: str, query: dict[str, int], point: str, value: float, slash: str
) -> None:
    answer = await home.get(route + slash, **query)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    device = home.device(1, "position" if point == "move" else point)
    sent = home.bus_of(device).sent
    assert [(c.device_id, c.point, c.value) for c in sent] == [(device.device_id, point, value)]
    assert sent[0].origin.kind == "user"
    assert sent[0].origin.by_hand


READING = [
    ("/read_percentage_blinds", "position", 0, {"percentage": 0, "value": 0}),
    ("/read_percentage_blinds", "position", 42, {"percentage": 42, "value": 42}),
    ("/sensor_get_temperature", "temperature", 21.5, {"value": 21.5}),
    ("/sensor_get_temperature", "temperature", 0, {"value": 0}),
    ("/sensor_get_humidity", "humidity", 43.0, {"value": 43.0}),
    ("/sensor_get_luminance", "illuminance", 0, {"value": 0}),
    ("/sensor_get_luminance", "illuminance", 120, {"value": 120}),
    ("/sensor_get_motion", "motion", 0, {"value": 0}),
    ("/sensor_get_motion", "motion", 1, {"value": 1}),
    ("/dimmer_get_level", "level", 90, {"value": 90}),
]


@pytest.mark.parametrize(("route", "point", "value", "body"), READING)
async def test_reading_route_answers_the_fresh_value(
    home: House, route: str, point: str, value: float, body: dict[str, float]
) -> None:
    await home.measure(1, point, value)
    answer = await home.get(route)
    assert (answer.status_code, answer.json()) == (200, {"success": True} | body)
    other = await home.get(route, ROOM_2)
    assert other.status_code == 404
    assert other.json()["success"] is False
    assert "has not reported" in other.json()["error"]


async def test_whole_numbers_go_out_whole(home: House) -> None:
    await home.measure(1, "illuminance", 120)
    assert (await home.get("/sensor_get_luminance")).text == '{"success":true,"value":120}'


async def test_silent_sensor_is_not_answered_though_its_value_is_sent_again(home: House) -> None:
    await home.measure(1, "temperature", 21.5)
    for _ in range(31):
        await home.clock.advance(60)
    answer = await home.get("/sensor_get_temperature")
    assert answer.status_code == 404
    assert "last reported 31 min ago" in answer.json()["error"]


async def test_value_of_a_cut_link_is_not_answered(home: House) -> None:
    await home.measure(1, "position", 42)
    home.knx.cut()
    await home.clock.advance(0)
    answer = await home.get("/read_percentage_blinds")
    assert answer.status_code == 404
    assert "not connected" in answer.json()["error"]


async def test_mean_of_three_hours_is_weighted_by_time(home: House) -> None:
    await home.measure(1, "temperature", 20)
    for _ in range(20):
        await home.clock.advance(60)
    await home.measure(1, "temperature", 23)
    for _ in range(10):
        await home.clock.advance(60)
    await home.recorded(23)
    answer = await home.get("/avg_temperature")
    assert answer.json() == {"success": True, "avg_temperature": pytest.approx(21, abs=0.05)}
    assert (await home.get("/avg_humidity")).status_code == 404
    assert (await home.get("/avg_luminance", ROOM_2)).status_code == 404


async def test_database_that_does_not_answer_is_unavailable(home: House) -> None:
    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        raise OperationalError(statement, None, Exception("disk I/O error"))

    assert home.store._engine is not None
    event.listen(home.store._engine.sync_engine, "before_cursor_execute", fail)
    answer = await home.get("/avg_temperature")
    assert (answer.status_code, answer.json()) == (503, {"success": False, "error": "database: disk I/O error"})


async def test_lists(home: House) -> None:
    beacons = (await home.http.get("/get_beacons")).json()["beacons"]
    assert [(b["major"], b["minor"], b["room_number"]) for b in beacons] == [
        (17644, 12302, 1),
        (17644, 31456, 2),
        (30874, 43216, 10),
        (30874, 10279, 11),
    ]
    assert {b["uuid"] for b in beacons} == {UUID}
    devices = (await home.get("/get_devices")).json()["devices"]
    assert sorted(device["name"] for device in devices) == ["Multisensor 6", "ZE27", "blind", "radiator"]
    assert len({device["id"] for device in devices}) == 4


WRONG = [
    ({}, "missing"),
    ({"uuid": UUID, "major": "17644", "percentage": "40"}, "minor"),
    (ROOM_1 | {"major": "many", "percentage": "40"}, "major"),
    (ROOM_1 | {"minor": "65536", "percentage": "40"}, "minor"),
    (ROOM_1 | {"percentage": "-1"}, "percentage"),
    (ROOM_1 | {"percentage": "100.5"}, "percentage"),
    (ROOM_1 | {"percentage": "nan"}, "percentage"),
    (ROOM_1 | {"percentage": ""}, "percentage"),
    (ROOM_1 | {"percentage": "1_0"}, "percentage"),
    (ROOM_1 | {"percentage": "1e999"}, "percentage"),
    (ROOM_1 | {"percentage": "\u0664\u0660"}, "percentage"),
    (ROOM_1, "percentage"),
]


@pytest.mark.parametrize(("query", "named"), WRONG)
async def test_wrong_parameter_is_named(home: House, query: dict[str, str], named: str) -> None:
    answer = await home.http.get("/percentage_blinds", params=query)
    assert answer.status_code == 400
    assert answer.json()["success"] is False
    assert named in answer.json()["error"]
    assert home.knx.sent == []


@pytest.mark.parametrize("name", ["uuid", "major", "minor", "percentage"])
@pytest.mark.parametrize("route", ["/percentage_blinds", "/read_percentage_blinds"])
async def test_parameter_given_twice_is_refused(home: House, route: str, name: str) -> None:
    query = [*ROOM_1.items(), ("percentage", "10"), (name, "90")]
    answer = await home.http.get(route, params=query)
    assert (answer.status_code, answer.json()) == (400, {"success": False, "error": f"{name}: given twice"})
    assert home.knx.sent == []


@pytest.mark.parametrize(("text", "value"), [("00", 0), ("040", 40), ("40.5", 41), ("0100.0", 100), ("1e1", 10)])
async def test_percentage_is_a_decimal_number(home: House, text: str, value: float) -> None:
    assert (await home.get("/percentage_radiator", percentage=text)).status_code == 200
    assert [command.value for command in home.knx.sent] == [value]


@pytest.mark.parametrize(
    "beacon",
    [
        ROOM_1 | {"uuid": "b9407f30-f5f8-466e-aff9-25556b57fe6e"},
        ROOM_1 | {"major": "17645"},
        ROOM_1 | {"minor": "12303"},
        ROOM_1 | {"uuid": ""},
    ],
)
async def test_beacon_is_named_by_all_three(home: House, beacon: dict[str, str]) -> None:
    for route in ("/open_blinds", "/sensor_get_temperature", "/avg_temperature", "/get_devices"):
        answer = await home.get(route, beacon)
        assert answer.status_code == 404
        assert answer.json()["success"] is False
    assert home.knx.sent == []


async def test_uuid_may_be_in_capitals(home: House) -> None:
    assert (await home.get("/get_devices", ROOM_1 | {"uuid": UUID.upper()})).status_code == 200


async def test_refusal_is_a_conflict_and_says_why(home: House) -> None:
    home.knx.cut()
    answer = await home.get("/open_blinds")
    assert answer.status_code == 409
    assert "not connected" in answer.json()["error"]


async def test_device_that_does_not_confirm_is_a_failed_dependency(home: House) -> None:
    home.zwave.fail("node does not answer")
    answer = await home.get("/percentage_dimmers", percentage=50)
    assert answer.status_code == 424
    assert "node does not answer" in answer.json()["error"]


async def test_late_answer_is_202_and_can_be_asked_for(home: House) -> None:
    device = home.device(1, "level")
    home.zwave.block(device.device_id)
    answer = await home.get_late("/percentage_dimmers", percentage=50)
    assert answer.status_code == 202
    (address,) = answer.json()["pending"]
    assert (await home.http.get(address)).json()["outcome"] == "open"
    home.zwave.unblock(device.device_id)
    await home.clock.advance(0)
    assert (await home.http.get(address)).json()["outcome"] == "done"
    assert (await home.http.get("/api/v1/commands/nothing")).status_code == 404


async def test_command_that_nobody_answers_expires(home: House) -> None:
    for task in home.tasks:
        if task.get_name() == "zwave":
            task.cancel()
    answer = await home.get_late("/percentage_dimmers", percentage=50)
    assert answer.status_code == 202
    await home.clock.advance(COMMAND_LIFE_MS / 1000 + 1)
    body = (await home.http.get(answer.json()["pending"][0])).json()
    assert (body["outcome"], body["point"]) == ("expired", "level")


async def test_while_the_bus_is_away_nobody_waits_for_it(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = asyncio.Event()

    async def publish(records: object) -> None:
        await gone.wait()
        raise Unavailable("Kafka: no broker")

    monkeypatch.setattr(home.channel.bus, "publish", publish)
    answer = await home.get_late("/percentage_dimmers", percentage=50)
    assert answer.status_code == 202
    gone.set()
    await settle()
    await home.clock.advance(COMMAND_LIFE_MS / 1000 + 1)
    assert (await home.http.get(answer.json()["pending"][0])).json()["outcome"] == "expired"


async def test_any_process_answers_for_a_command(home: House) -> None:
    lamp = home.device(1, "level")
    command = home.api.commands.command(lamp, "level", 30, Origin(kind="user"))
    home.api.commands._sent.clear()
    await home.channel.send(command)
    await settle()
    address = f"/api/v1/commands/{command.id}"
    assert (await home.http.get(address)).json()["value"] == 30


async def test_health_tells_what_is_wrong(home: House) -> None:
    await home.clock.advance(6)
    health = (await home.http.get("/health")).json()
    assert health["status"] == "ok"
    assert {"gateway/knx", "gateway/zwave"} <= health["parts"].keys()
    home.knx.cut("cable pulled")
    await home.clock.advance(0)
    health = (await home.http.get("/health")).json()
    assert health["status"] == "degraded"
    assert any("gateway/knx" in why and "cable pulled" in why for why in health["why"])


async def test_openapi_describes_all_routes(home: House) -> None:
    document = (await home.http.get("/schema/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    legacy = [path for path, item in document["paths"].items() if "2020" in item.get("get", {}).get("tags", [])]
    assert len(legacy) == 16
    parameters = document["paths"]["/percentage_blinds"]["get"]["parameters"]
    percentage = next(one["schema"] for one in parameters if one["name"] == "percentage")
    assert {"type": "number", "minimum": 0, "maximum": 100}.items() <= percentage.items()


async def test_unknown_path_and_method_are_problem_details(home: House) -> None:
    answer = await home.http.get("/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert (await home.http.post("/open_blinds")).status_code == 405


@given(
    route=st.sampled_from([route for route, *_ in DRIVING + READING]),
    query=st.dictionaries(st.sampled_from(["uuid", "major", "minor", "percentage"]), st.text(max_size=12)),
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_query_is_an_error_of_ours(home: House, route: str, query: dict[str, str]) -> None:
    answer = await home.http.get(route, params=query)
    assert 400 <= answer.status_code < 500
    assert answer.json()["success"] is False


async def test_bus_window_takes_records_of_2020(home: House) -> None:
    record = {"key": "percentage_blinds", "value": {"bloc": 1, "floor": 4, "percentage": "40"}}
    answer = await home.http.post("/api/v1/bus/knx", json=record)
    assert answer.status_code == 202
    await home.clock.advance(0)
    assert [(c.point, c.value) for c in home.knx.sent] == [("position", 40)]
    assert (await home.http.post("/api/v1/bus/nothing", json=record)).status_code == 404
    assert (await home.http.post("/api/v1/bus/db", json=record)).status_code == 400
    assert (await home.http.post("/api/v1/bus/knx", json={"value": {}})).status_code == 422
    large = await home.http.post("/api/v1/bus/knx", json={"key": "x", "value": {"text": "x" * MAX_RECORD}})
    assert (large.status_code, "bytes" in large.json()["detail"]) == (413, True)


async def test_bus_window_refuses_json_nested_too_deeply(home: House) -> None:
    deep = '{"key": "open_blinds", "value": {"bloc": ' + "[" * 5000 + "]" * 5000 + "}}"
    headers = {"content-type": "application/json"}
    answer = await home.http.post("/api/v1/bus/knx", content=deep, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (400, "the JSON is nested too deeply")


async def test_bus_window_closes_with_its_streams(home: House) -> None:
    window = BusWindow(home.channel)
    streams = [asyncio.create_task(_first_line(window.lines("knx", "end"))) for _ in range(3)]
    await settle()
    await window.close()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*streams) == [None] * 3
        assert await _first_line(window.lines("knx", "beginning")) is None


async def test_bus_window_shows_records_as_they_are_on_the_wire(home: House) -> None:
    device = home.device(1, "position")
    seen = asyncio.create_task(_first_line(BusWindow(home.channel).lines("knx", "end")))
    await home.measure(1, "position", 0)
    async with asyncio.timeout(10):
        line = await seen
    assert line["key"] == "read_percentage_blinds"
    assert line["headers"]["point"] == f"{device.device_id}/position"
    assert {"kind": "blind", "bloc": 1, "floor": 4, "reason": "read_percentage_blinds", "value": 0}.items() <= line[
        "value"
    ].items()


async def _first_line(lines: AsyncIterator[bytes]) -> Any:
    async for line in lines:
        return json.loads(line)
    return None


async def test_a_room_is_not_empty_because_its_devices_are_not_yet_known(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeviceIndex, "known", False)
    answer = await home.get("/open_blinds")

    assert (answer.status_code, answer.json()["success"]) == (503, False)
    assert "not yet known" in answer.json()["error"]
