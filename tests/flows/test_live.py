"""The live stream over a real server: what one may see, in order, until one may no longer; with two API processes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from litestar.routes import WebSocketRoute
from websockets.exceptions import InvalidStatus

from insula.api.app import create_api
from insula.api.options import ApiOptions
from tests.flows.house import ROOM_1, console
from tests.flows.live_client import Follower, following, going_on, served
from tests.flows.test_signing_in import ANNAS, Door, door, json


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path) as it:
        yield it


@pytest.fixture
async def url(it: Door) -> AsyncIterator[str]:
    async with served(it.home.api) as url:
        yield url


def value_key(it: Door, room: int, point: str) -> str:
    return f"value/{it.home.device(room, point).device_id}/{point}"


async def test_a_snapshot_then_what_changes(it: Door, url: str) -> None:
    anna = await it.anna(level="drive")
    await it.home.measure(1, "temperature", 21.5)
    async with following(url, it.home.clock, anna) as live:
        first = await live.next()
        assert first["type"] == "snapshot"
        key = value_key(it, 1, "temperature")
        told = live.state[key]
        assert (told["value"], told["quality"], told["room_id"]) == (21.5, "good", await it.room_id(1))
        assert told["fresh_until"] > first["now"] >= told["measured_at"]
        await it.home.measure(1, "temperature", 22.5)
        await live.until(key, value=22.5)
        assert live.kinds == ["snapshot", "changes"]


async def test_only_of_rooms_that_one_may_see(it: Door, url: str) -> None:
    anna = await it.anna(level="see")
    await it.home.measure(2, "temperature", 23.456)
    async with following(url, it.home.clock, anna) as live, following(url, it.home.clock, await it.admin()) as all_:
        await live.next()
        await all_.until(value_key(it, 2, "temperature"), value=23.456)
        await it.home.measure(2, "temperature", 24.456)
        await it.home.measure(1, "temperature", 20.25)
        await all_.until(value_key(it, 2, "temperature"), value=24.456)
        await live.until(value_key(it, 1, "temperature"), value=20.25)
        rooms = {key for key in live.state if key.startswith("room/")}
        assert rooms == {f"room/{await it.room_id(1)}"}
        assert {one["room_id"] for one in live.state.values() if "room_id" in one} == {await it.room_id(1)}
        assert "health" not in live.state
        assert all_.state["health"]["status"] in ("ok", "degraded")


async def test_leases_modes_and_the_results_of_ones_own_commands(it: Door, url: str) -> None:
    anna, admin = await it.anna(level="drive"), await it.admin()
    async with following(url, it.home.clock, anna) as live, following(url, it.home.clock, admin) as other:
        await live.next()
        await other.next()
        json(await anna.get("http://insula/percentage_radiator", params=ROOM_1 | {"percentage": "35"}))
        while not live.results:
            await live.next()
        (result,) = live.results
        assert (result["outcome"], result["value"], result["point"]) == ("done", 35, "valve")
        json(await going_on(it.home.clock, admin.put("/mode", json={"mode": "observe", "room": 1})))
        await live.until(f"room/{await it.room_id(1)}", mode="observe")
        await other.until(f"room/{await it.room_id(1)}", mode="observe")
        assert other.results == []


async def test_a_right_taken_away_narrows_and_a_closed_account_is_cut(it: Door, url: str) -> None:
    anna = await it.anna(level="see")
    admin = await it.admin()
    given = json(await admin.post("/rights", json={"user": "anna", "level": "see", "room": await it.room_id(2)}), 201)
    await it.told()
    async with following(url, it.home.clock, anna) as live:
        await live.next()
        assert f"room/{await it.room_id(2)}" in live.state
        elsewhere = await it.signed_in("admin", "correct horse battery", app=it.there)
        json(await elsewhere.delete(f"/rights/{given['id']}"))
        while live.kinds[-1] != "resync":
            assert (await live.next()).get("why", "rights") == "rights"
        assert {key for key in live.state if key.startswith("room/")} == {f"room/{await it.room_id(1)}"}
        json(await elsewhere.patch("/users/anna", json={"active": False}))
        assert await live.closed() == (4401, "signed out")


async def test_after_the_rights_are_known_nothing_of_before_is_told(it: Door, url: str) -> None:
    """From the moment at which this process hears of it, before anything is looked up."""
    anna = await it.anna(level="see")
    async with following(url, it.home.clock, anna) as live:
        await live.next()
        it.home.api.board.listeners[-1]("rights", "", None)
        json(await (await it.admin()).delete("/users/anna"))
        await it.told()
        await it.home.measure(1, "temperature", 19.125)
        assert await live.closed() == (4401, "signed out")
        assert 19.125 not in [entry.get("value") for entry in live.state.values()]


@pytest.mark.parametrize("way", ["session", "token"])
async def test_a_revoked_session_or_token_is_cut_in_every_process(it: Door, way: str) -> None:
    anna = await it.anna(level="see")
    made = json(await anna.post("/tokens", json={"name": "wall"}), 201)
    async with served(it.other) as url:
        headers = {"Authorization": f"Bearer {made['token']}"} if way == "token" else {}
        async with following(url, it.home.clock, None if way == "token" else anna, **headers) as live:
            await live.next()
            if way == "token":
                json(await anna.delete(f"/tokens/{made['id']}"))
            else:
                json(await anna.delete("/session"))
            assert await live.closed() == (4401, "signed out")


async def test_a_token_that_comes_to_its_end_is_cut(it: Door, url: str) -> None:
    anna = await it.anna(level="see")
    token = json(await anna.post("/tokens", json={"name": "for a day", "days": 1}), 201)["token"]
    async with following(url, it.home.clock, Authorization=f"Bearer {token}") as live:
        await live.next()
        await it.home.clock.step(86_400)
        assert await live.closed() == (4401, "signed out")


async def test_a_client_narrows_to_rooms_and_buildings(it: Door, url: str) -> None:
    admin = await it.admin()
    room = await it.room_id(2)
    async with following(f"{url}?rooms={room}", it.home.clock, admin) as live:
        await live.next()
        assert {key for key in live.state if key.startswith("room/")} == {f"room/{room}"}
        for wish, count in (('{"rooms":[]}', 0), ('{"buildings":["Insula"]}', 4), ('{"rooms":[999]}', 0), ("{}", 4)):
            await live.socket.send(wish)
            while (await live.next())["type"] != "resync":
                pass
            assert len([key for key in live.state if key.startswith("room/")]) == count, wish


async def test_a_client_that_takes_nothing_is_told_all_when_it_does(it: Door, url: str) -> None:
    """Its side of the connection is full: the others are told at once, and it what is so in the end."""
    admin, key = await it.admin(), value_key(it, 1, "temperature")
    async with following(url, it.home.clock, admin) as slow, following(url, it.home.clock, admin) as quick:
        await slow.next()
        slow.socket.transport.pause_reading()
        for number in range(60):
            await it.home.measure(1, "temperature", 18 + number / 8)
            await quick.until(key, value=18 + number / 8)
        slow.socket.transport.resume_reading()
        await slow.until(key, value=18 + 59 / 8)
        await quick.until("health")
        assert slow.state["health"] == quick.state["health"]


async def test_streams_say_what_they_need_like_every_route(it: Door) -> None:
    streams = [route.route_handler for route in it.here.routes if isinstance(route, WebSocketRoute)]
    assert [handler.opt.get("needs") for handler in streams] == ["rooms"]


# --- who is not let in


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Origin": "http://evil.example"}, 401),
        ({"Sec-Fetch-Site": "cross-site"}, 401),
        ({"Authorization": "Bearer insula_guessed"}, 401),
    ],
)
async def test_who_is_not_signed_in_is_refused(it: Door, url: str, headers: dict[str, str], status: int) -> None:
    anna = await it.anna(level="see") if headers and "Authorization" not in headers else None
    with pytest.raises(InvalidStatus) as refused:
        async with following(url, it.home.clock, anna, **headers):
            pass
    assert refused.value.response.status_code == status
    assert b"sign in first" in refused.value.response.body


async def test_a_page_of_a_site_that_the_settings_name_is_let_in(it: Door) -> None:
    origin = "https://wall.example.org"
    api = create_api(it.home.channel, it.home.store, it.home.clock, "3", ApiOptions(origins=frozenset({origin})))
    running = asyncio.create_task(api.run())
    admin = await it.admin()
    try:
        async with served(api) as url, following(url, it.home.clock, admin, Origin=origin) as live:
            assert (await live.next())["type"] == "snapshot"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_token_in_the_address_is_no_token(it: Door, url: str) -> None:
    token = console(it.home.api)["Authorization"].removeprefix("Bearer ")
    with pytest.raises(InvalidStatus) as refused:
        async with following(f"{url}?token={token}&access_token={token}", it.home.clock):
            pass
    assert refused.value.response.status_code == 401


async def test_so_many_streams_and_no_more(it: Door, url: str) -> None:
    anna = await it.anna(level="see")
    open_: list[Follower] = []
    with pytest.raises(InvalidStatus) as refused:
        await _nested(it, url, anna, open_)
    assert len(open_) == 20
    assert refused.value.response.status_code == 429
    assert await it.signed_in("anna", ANNAS)


async def _nested(it: Door, url: str, anna: httpx.AsyncClient, open_: list[Follower]) -> None:
    async with following(url, it.home.clock, anna) as live:
        open_.append(live)
        await _nested(it, url, anna, open_)


# --- what a client says


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("garbage", 1007),
        ('{"rooms":"all"}', 1007),
        ('{"rooms":[1e99]}', 1007),
        ('{"other":1}', 1007),
        ("[" * 60_000, 1007),
        ("null", 1007),
        ("", 1007),
        ('{"buildings":["\\ud800"]}', 1007),
        (b"\x00\x01", 1003),
        ("x" * 70_000, 1009),
    ],
)
async def test_garbage_is_answered_by_a_close_code(it: Door, url: str, said: str | bytes, code: int) -> None:
    async with following(url, it.home.clock, await it.admin()) as live:
        await live.next()
        await live.socket.send(said)
        assert (await live.closed())[0] == code


async def test_a_bad_query_is_refused(it: Door, url: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with following(f"{url}?rooms=a", it.home.clock, await it.admin()):
            pass
    assert refused.value.response.status_code == 400


async def test_a_stream_is_no_page(it: Door, url: str) -> None:
    answer = await going_on(it.home.clock, (await it.admin()).get("/live"))
    assert answer.status_code in (404, 405)
