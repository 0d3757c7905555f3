"""Z-Wave inclusion over HTTP, with two API processes, against a simulated Z-Wave JS server on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from insula.api.app import Api, create_api
from insula.api.options import ApiOptions
from insula.api.radio import GONE, SILENT_MS
from insula.building.demo import demo_building
from insula.clock import ManualClock, settle
from insula.gateways.zwave import inclusion
from insula.simulator.zwave_nodes import make_node
from insula.simulator.zwave_server import ZwaveServer
from tests.flows.house import House, console, house

DSK = "34673-15546-46480-39591-32400-22155-07715-45994"
PATH = "/api/v1/zwave/zwave/inclusion"


@dataclass
class Network:
    """``here`` and ``there`` are two API processes."""

    home: House
    server: ZwaveServer
    apis: list[Api]

    def browser(self, which: int) -> httpx.AsyncClient:
        api = self.apis[which]
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=api.app), base_url="http://insula", headers=console(api)
        )

    async def begin(self, what: str) -> None:
        answer = await self.browser(0).post(PATH, json={"what": what})
        assert (answer.status_code, answer.json()["status"]) == (202, "running"), answer.text

    async def until(self, status: str, which: int = 1) -> Any:
        """By default asked of the process that does not run it; sockets need a moment of real time."""
        async with asyncio.timeout(20):
            while True:
                await self.home.clock.advance(0.25)
                found = (await self.browser(which).get(PATH)).json()
                if found["status"] == status:
                    return found


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Network]:
    server = ZwaveServer(port=0, give_up_s=0.0)
    server.add(make_node("dimmer", 3, "ZE27"))
    await server.start()
    text = demo_building().replace("ws://127.0.0.1:13000", server.url)
    assert server.url in text
    async with house(tmp_path, ManualClock(), text) as home:
        apis = [
            create_api(home.channel, home.store, home.clock, name, ApiOptions(radio=lambda: inclusion)) for name in "56"
        ]
        running = [asyncio.create_task(api.run()) for api in apis]
        await settle(100)
        yield Network(home, server, apis)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    await server.stop()


async def test_a_node_is_taken_in_and_every_process_tells_it(it: Network) -> None:
    it.server.inclusion.offer("multisensor", 8)
    await it.begin("include")
    done = await it.until("done")
    assert (done["node_id"], done["label"], done["secure"]) == (8, "MultiSensor 6", True)
    assert done["said"][0].startswith("the controller listens")
    assert 8 in it.server.nodes


async def test_a_secure_node_asks_for_its_pin(it: Network) -> None:
    it.server.inclusion.offer("dimmer", 9, dsk=DSK)
    await it.begin("include")
    assert (await it.until("asks pin"))["dsk"] == DSK[5:]
    answer = await it.browser(1).post(f"{PATH}/pin", json={"pin": DSK[:5]})
    assert (answer.status_code, DSK[:5] in answer.text) == (200, False)
    done = await it.until("done")
    assert (done["node_id"], done["secure"], done["dsk"]) == (9, True, "")
    audit = (await it.browser(0).get("/api/v1/audit")).json()
    assert [one["action"] for one in audit["items"]][:2] == ["z-wave pin", "z-wave include"]
    assert DSK[:5] not in str(audit)
    async with it.home.store.read() as connection:
        assert DSK[:5] not in str((await connection.exec_driver_sql('SELECT * FROM "Setting"')).all())


async def test_a_node_leaves(it: Network) -> None:
    it.server.inclusion.leave(3)
    await it.begin("exclude")
    done = await it.until("done")
    assert (done["node_id"], done["label"]) == (3, "ZE27")
    assert it.server.nodes == {}


async def test_one_at_a_time_until_it_is_stopped_from_any_process(it: Network) -> None:
    await it.begin("include")
    busy = await it.browser(1).post(PATH, json={"what": "exclude"})
    assert (busy.status_code, "runs already" in busy.json()["detail"]) == (409, True)
    assert (await it.browser(1).post(f"{PATH}/pin", json={"pin": "12345"})).status_code == 409
    await it.until("running")
    assert (await it.browser(1).delete(PATH)).status_code == 200
    await it.until("stopped")
    assert (await it.browser(1).delete(PATH)).status_code == 409
    it.server.inclusion.leave(3)
    await it.begin("exclude")
    await it.until("done")


async def test_a_network_that_is_away_is_said(it: Network) -> None:
    await it.server.stop()
    await it.begin("include")
    assert (await it.until("failed"))["said"]


async def test_a_process_that_ends_takes_its_inclusion_with_it(it: Network) -> None:
    await it.begin("include")
    await it.until("running")
    await it.apis[0].inclusions.close()
    await it.home.clock.advance(SILENT_MS / 1000 + 1)
    assert (await it.until("failed"))["said"][-1] == GONE
    it.server.inclusion.leave(3)
    await it.begin("exclude")
    await it.until("done")


async def test_what_is_no_network_is_not_there(it: Network) -> None:
    here = it.browser(0)
    assert (await here.get(PATH)).status_code == 404
    for gateway in ("knx", "nothing"):
        path = f"/api/v1/zwave/{gateway}/inclusion"
        assert (await here.post(path, json={"what": "include"})).status_code == 404
        assert (await here.delete(path)).status_code == 404
    assert (await here.post(PATH, json={"what": "reset"})).status_code == 422
    assert (await here.post(f"{PATH}/pin", json={"pin": "1"})).status_code == 422
