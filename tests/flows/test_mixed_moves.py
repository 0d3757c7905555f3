"""Many moves of all kinds, mixed: each has its actor and its reason, also after a restart of the API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx

from insula.api.app import create_api
from insula.building.state import CONFIRM_MS
from insula.bus.port import Outgoing
from insula.clock import ManualClock, settle
from insula.controller.controller import Controller
from insula.messages import LeaseEnd, Origin
from tests.flows.house import House, console, house
from tests.flows.test_why import API, QUIET

MOVES = 40
Expected = tuple[str, str, float]
"""The actor's kind, the point, and the value."""


async def test_each_of_many_mixed_moves_has_its_actor(tmp_path: Path, clock: ManualClock) -> None:
    async with house(tmp_path, clock) as home:
        home.tasks.append(asyncio.create_task(Controller(home.channel, clock).run(), name="controller"))
        await settle()
        for point, value in QUIET.items():
            await home.measure(1, point, value)
        await clock.advance(10)
        chance = Random(6)
        expected = [await _move(home, chance, number) for number in range(MOVES)]
        found = await _told(home, home.http, len(expected))
        assert found == expected
        async with _another_api(home) as http:
            assert await _told(home, http, len(expected)) == expected


async def _move(home: House, chance: Random, number: int) -> Expected:
    """One move of the blind by one of four; the next comes later, and no lease is left in its way."""
    blind = home.device(1, "position")
    value = float(20 + number % 70)
    who = chance.choice(["user", "switch", "unknown"] if number % 4 else ["user", "rule"])
    match who:
        case "user":
            await home.get("/percentage_blinds", percentage=round(value))
        case "switch":
            wall = Origin(kind="switch", name=chance.choice(["1.1.200", "1.1.250"]))
            home.knx.press(blind.device_id, "position", value, origin=wall)
        case "unknown":
            body = f'{{"bloc": {blind.bloc}, "floor": {blind.floor}, "percentage": {value:g}}}'
            await home.channel.bus.publish([Outgoing("knx", "percentage_blinds", body.encode())])
        case "rule":
            value = 0.0
            await home.clock.advance(CONFIRM_MS / 1000)  # until then it may be on its way from the last time
            await home.measure(1, "humidity", 60)
    await settle()
    if who != "switch":
        home.knx.press(blind.device_id, "position", value)
    await home.clock.advance(1)
    await home.measure(1, "humidity", 40)
    await home.channel.send(LeaseEnd(at=home.clock.real(), device_id=blind.device_id))
    await home.clock.advance(3)
    return who, "position", value


async def _told(home: House, http: httpx.AsyncClient, count: int) -> list[Expected]:
    """All that ``GET /why`` tells of the blind, page by page, the oldest first."""
    blind = home.device(1, "position").device_id
    async with asyncio.timeout(20):
        while True:
            await home.clock.advance(0.5)
            entries = await _pages(http, blind)
            if len(entries) >= count:
                return entries


async def _pages(http: httpx.AsyncClient, device_id: int) -> list[Expected]:
    found: list[Expected] = []
    before = ""
    while True:
        query = {"device": device_id, "from": 0, "limit": 50, "before": before}
        page = (await http.get(f"{API}/why", params=query)).json()
        entries = [(one["actor"]["kind"], one["point"], one["value"]) for one in page["entries"]]
        found = entries + found
        if page["after"] is None:
            return found
        before = page["after"]


@asynccontextmanager
async def _another_api(home: House) -> AsyncIterator[httpx.AsyncClient]:
    """One that was not there when it happened: all it knows is what is stored."""
    api = create_api(home.channel, home.store, home.clock)
    transport = httpx.ASGITransport(app=api.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://insula", headers=console(api)) as http:
        yield http
