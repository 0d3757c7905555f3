"""What a page elsewhere can do with the cookie of who looks at it (cross-site request forgery), as browsers say who
asks: Sec-Fetch-Site over TLS and on this machine; over plain HTTP Origin and Referer, which a page can withhold."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from tests.flows.house import ROOM_1
from tests.flows.test_signing_in import Door, door, json

HERE, ELSEWHERE = "http://insula", "http://evil.example"
Said = dict[str, str]

FROM_HERE: list[Said] = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin", "Origin": HERE, "Referer": f"{HERE}/docs"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://insula.example"},
    {"Origin": HERE},
    {"Origin": HERE, "Referer": f"{HERE}/docs"},
    {"Referer": f"{HERE}/docs?a=1"},
]
FROM_ELSEWHERE: list[Said] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": HERE, "Referer": f"{HERE}/"},
    {"Sec-Fetch-Site": "strange"},
    {"Origin": ELSEWHERE},
    {"Origin": "null"},
    {"Origin": ELSEWHERE, "Referer": f"{HERE}/"},
    {"Origin": "http://insula:8080"},
    {"Referer": f"{ELSEWHERE}/insula"},
    {"Referer": f"{ELSEWHERE}/{HERE}/"},
    {"Referer": "http://insula.evil.example/"},
    {"Referer": "http://insula@evil.example/"},
    {"Referer": "http://["},
]
FROM_NO_PAGE: list[Said] = [{}, {"Sec-Fetch-Site": "none"}]
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path) as it:
        yield it


async def asked(it: Door, by: httpx.AsyncClient, method: str, path: str, said: Said, **more: Any) -> int:
    """The status of a request with that one's cookie or token, and these headers alone."""
    kept = {name: by.headers[name] for name in ("Authorization",) if name in by.headers}
    transport = httpx.ASGITransport(app=it.here)
    async with httpx.AsyncClient(transport=transport, base_url=HERE, cookies=by.cookies, headers=kept) as client:
        return (await client.request(method, path, headers=said, **more)).status_code


async def drives(it: Door, by: httpx.AsyncClient, said: Said) -> bool:
    before = len(it.home.knx.sent)
    status = await asked(it, by, "GET", "/percentage_radiator", said, params=ROOM_1 | {"percentage": "35"})
    assert (status, len(it.home.knx.sent) - before) in ((200, 1), (401, 0))
    return status == 200


async def test_only_a_page_from_here_drives_by_a_cookie(it: Door) -> None:
    anna = await it.anna(level="drive")
    assert [said for said in FROM_HERE if not await drives(it, anna, said)] == []
    assert [said for said in FROM_ELSEWHERE + FROM_NO_PAGE if await drives(it, anna, said)] == []


async def test_every_route_of_2020_that_drives_says_that_it_acts(it: Door) -> None:
    """The one GET for which what it does is not in its method."""
    routes = (route for route in it.here.routes if isinstance(route, HTTPRoute))
    handlers: list[HTTPRouteHandler] = [one for route in routes for one in route.route_handlers]
    driving = {path for one in handlers for path in one.paths if 408 in one.opt.get("statuses", ()) and one.opt["acts"]}
    assert driving == {
        "/open_blinds",
        "/close_blinds",
        "/percentage_blinds",
        "/percentage_radiator",
        "/percentage_dimmers",
    }
    assert {path for one in handlers for path in one.paths if one.opt.get("acts")} == driving


async def test_a_page_elsewhere_changes_nothing_by_a_cookie(it: Door) -> None:
    anna = await it.anna(level="drive")

    async def signs_out(said: Said) -> bool:
        status = await asked(it, anna, "PUT", "/api/v1/password", said, json={"old": "x", "new": "y"})
        assert status in (401, 403)
        return status == 403

    assert [said for said in FROM_HERE + FROM_NO_PAGE if not await signs_out(said)] == []
    assert [said for said in FROM_ELSEWHERE if await signs_out(said)] == []


async def test_a_link_elsewhere_may_lead_to_what_only_reads(it: Door) -> None:
    anna = await it.anna(level="see")
    for said in FROM_HERE + FROM_ELSEWHERE + FROM_NO_PAGE:
        assert await asked(it, anna, "GET", "/api/v1/rooms", said | NAVIGATION) == 200
        assert await asked(it, anna, "GET", "/get_devices", said | NAVIGATION, params=ROOM_1) == 200


async def test_a_token_is_asked_for_no_page(it: Door) -> None:
    anna = await it.anna(level="drive")
    made = json(await anna.post("/tokens", json={"name": "phone"}), 201)
    phone = it.browser(Authorization=f"Bearer {made['token']}")
    phone.cookies = anna.cookies
    for said in FROM_HERE + FROM_ELSEWHERE + FROM_NO_PAGE:
        assert await drives(it, phone, said)
        assert await asked(it, phone, "DELETE", "/api/v1/tokens/999", said) != 401
