"""One command: the simulated building and every part in one process, over the real protocols."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from insula.console import token_for
from insula.demo import CLOCK_FILE, Demo, DemoOptions, run_demo
from insula.errors import InputError, Unavailable
from insula.settings import ApiSettings, ClockSettings, Settings
from insula.store.building import stored_plan
from tests.flows.house import ROOM_1, ROOM_2

FREE = DemoOptions(knx_port=0, zwave_port=0, control_port=0)
NOON = "2026-03-03T12:00+01:00"


@asynccontextmanager
async def running(folder: Path, options: DemoOptions = FREE, epoch: str = NOON) -> AsyncIterator[tuple[Demo, Any]]:
    settings = Settings(data=str(folder), api=ApiSettings(port=0), clock=ClockSettings(epoch=epoch))
    ready: asyncio.Future[Demo] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run_demo(settings, options, ready.set_result))
    try:
        async with asyncio.timeout(30):
            await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            it = await ready
        url = f"http://127.0.0.1:{it.installation.port}"
        token = token_for(url, {"INSULA_DATA": str(folder)})
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}) as http:
            yield it, http
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(
    http: httpx.AsyncClient, route: str, wanted: dict[str, object], beacon: dict[str, str] = ROOM_1
) -> None:
    """Asks until the answer holds this; the building needs a moment of real time to act."""
    async with asyncio.timeout(20):
        while True:
            answer = (await http.get(route, params=beacon)).json()
            if wanted.items() <= answer.items():
                return


async def hold(it: Demo, room: int, **values: float | None) -> None:
    async with httpx.AsyncClient(base_url=it.simulation.addresses()["control"]) as control:
        answer = await control.post(f"/world/rooms/{room}", json=values)
        assert answer.status_code < 300, answer.text


async def test_a_person_comes_and_the_room_follows(tmp_path: Path) -> None:
    async with running(tmp_path / "demo") as (it, http):
        assert it.fresh
        await until(http, "/read_percentage_blinds", {"success": True, "value": 100})
        await hold(it, 1, people=1, humidity=45)
        await until(http, "/sensor_get_motion", {"value": 1})
        valve = it.simulation.world.rooms[1].valves[0]
        async with asyncio.timeout(20):
            while valve.position != 90:
                await asyncio.sleep(0)
        await hold(it, 1, humidity=70)
        await until(http, "/sensor_get_humidity", {"value": 70})
        async with asyncio.timeout(20):
            while it.simulation.world.rooms[1].blinds[0].target != 0:
                await asyncio.sleep(0)
        assert it.simulation.world.rooms[2].blinds[0].target == 100


async def test_a_route_moves_the_devices_and_they_report_back(tmp_path: Path) -> None:
    async with running(tmp_path / "demo") as (it, http):
        await until(http, "/dimmer_get_level", {"success": True, "value": 0}, ROOM_2)
        answer = await http.get("/percentage_dimmers/", params=ROOM_2 | {"percentage": "100"})
        assert answer.json() == {"success": True}
        await until(http, "/dimmer_get_level", {"value": 100}, ROOM_2)
        answer = await http.get("/percentage_blinds", params=ROOM_2 | {"percentage": "99"})
        assert answer.json() == {"success": True}
        await until(http, "/read_percentage_blinds", {"percentage": 99}, ROOM_2)
        health = (await http.get("/health")).json()
        assert health["status"] == "ok"
        assert it.simulation.world.rooms[2].lamps[0].level == 100


async def test_the_building_and_its_clock_go_on_where_they_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    async with running(folder) as (it, _):
        before = it.installation.clock.now()
        assert before < int((folder / CLOCK_FILE).read_text())
    async with running(folder, epoch="") as (it, http):
        assert not it.fresh
        assert 0 <= it.installation.clock.now() - before < 3_600_000
        assert len((await http.get("/get_beacons")).json()["beacons"]) == 4
    async with running(folder, DemoOptions(2, 0, 0, 0, reset=True), epoch="") as (it, http):
        assert it.fresh
        assert len((await http.get("/get_beacons")).json()["beacons"]) == 2


async def test_actuators_stand_where_they_were_left(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    async with running(folder) as (it, http):
        await until(http, "/read_percentage_blinds", {"success": True})
        for route, percentage in (("/percentage_blinds", 99), ("/percentage_radiator", 55), ("/percentage_dimmers", 7)):
            answer = await http.get(route, params=ROOM_1 | {"percentage": str(percentage)})
            assert answer.json() == {"success": True}
        await until(http, "/read_percentage_blinds", {"value": 99})
        await until(http, "/dimmer_get_level", {"value": 7})
    async with running(folder, epoch="") as (it, http):
        await until(http, "/read_percentage_blinds", {"value": 99})
        await until(http, "/dimmer_get_level", {"value": 7})
        assert it.simulation.world.rooms[1].valves[0].position == 55
        assert not it.fresh


async def test_one_process_a_folder(tmp_path: Path) -> None:
    async with running(tmp_path / "demo"):
        with pytest.raises(Unavailable, match="another Insula runs on"):
            async with running(tmp_path / "demo"):
                pass


async def test_rooms_are_those_of_the_folder_unless_it_is_reset(tmp_path: Path) -> None:
    async with running(tmp_path / "demo", DemoOptions(2, 0, 0, 0)):
        pass
    with pytest.raises(InputError, match="a building of 2 rooms: --reset"):
        async with running(tmp_path / "demo", DemoOptions(3, 0, 0, 0)):
            pass


async def test_ports_of_this_start_are_taken(tmp_path: Path) -> None:
    for _ in range(2):
        async with running(tmp_path / "demo") as (it, http):
            await until(http, "/health", {"status": "ok"}, {})
            stored = await stored_plan(it.installation.store)
            ports = [gateway.options["port"] for gateway in stored.gateways if gateway.type == "knx"]
            assert ports == [interface.port for interface in it.simulation.interfaces.values()]


async def test_a_full_disk_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    async with running(tmp_path / "demo") as (_, http):
        assert (await http.get("/health")).status_code == 200


async def test_reset_leaves_a_folder_that_is_no_demo_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="no folder of a demo"):
        async with running(tmp_path, DemoOptions(4, 0, 0, 0, reset=True)):
            pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


async def test_health_names_a_cut_interface_and_the_gateway_comes_back(tmp_path: Path) -> None:
    async with running(tmp_path / "demo") as (it, http):
        await until(http, "/health", {"status": "ok"}, {})
        await until(http, "/read_percentage_blinds", {"success": True})
        (interface,) = it.simulation.interfaces.values()
        interface.cut()
        await until(http, "/health", {"status": "degraded"}, {})
        refused = await http.get("/open_blinds", params=ROOM_1)
        assert refused.status_code == 409
        assert "not connected" in refused.json()["error"]
        interface.restore()
        await until(http, "/health", {"status": "ok"}, {})
        await until(http, "/read_percentage_blinds", {"success": True, "value": 100})
