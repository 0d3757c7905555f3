"""Signing in, tokens, accounts, teams and rights over HTTP, with two API processes; and what the audit says of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from insula.access.attempts import PER_PAIR, WINDOW_MS
from insula.access.presence import PresenceLimits
from insula.api.app import Api, create_api
from insula.api.options import ApiOptions
from insula.clock import ManualClock, settle
from insula.store.first_admin import first_admin
from insula.store.permissions import rights_version
from insula.store.sessions import IDLE_MS
from tests.flows.house import House, house

ADMINS, ANNAS = "correct horse battery", "staple for anna"
DAY_S = 86_400


@dataclass
class Door:
    """``here`` and ``there`` are two API processes; a browser has cookies of its own."""

    home: House
    other: Api

    @property
    def here(self) -> Any:
        return self.home.api.app

    @property
    def there(self) -> Any:
        return self.other.app

    def browser(self, app: Any | None = None, address: str = "192.0.2.7", **headers: str) -> httpx.AsyncClient:
        """On a page of this server's, as it says over plain HTTP."""
        transport = httpx.ASGITransport(app=app or self.here, client=(address, 50_000))
        said = {"Referer": "http://insula/docs", **headers}
        return httpx.AsyncClient(transport=transport, base_url="http://insula/api/v1", headers=said)

    async def signed_in(self, name: str, password: str, **more: Any) -> httpx.AsyncClient:
        browser = self.browser(**more)
        answer = await browser.post("/session", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        return browser

    async def admin(self) -> httpx.AsyncClient:
        return await self.signed_in("admin", ADMINS)

    async def anna(self, **right: Any) -> httpx.AsyncClient:
        """Signed in; ``right``: hers, in her only room unless it says where."""
        admin = await self.admin()
        made = await admin.post("/users", json={"name": "anna", "password": ANNAS})
        assert made.status_code == 201, made.text
        if right:
            room = await self.room_id(1)
            given = await admin.post("/rights", json={"user": "anna", "room": room, **right})
            assert given.status_code == 201, given.text
        return await self.signed_in("anna", ANNAS)

    async def room_id(self, number: int) -> int:
        return next(device.room_id for device in self.home.channel.devices if device.room_number == number)

    async def told(self) -> None:
        """Both processes have heard of what was changed: the directory reads the database in a thread of its own."""
        async with self.home.store.read() as connection:
            version = await rights_version(connection)
        async with asyncio.timeout(10):
            while {api.board.rights for api in (self.home.api, self.other)} != {version}:
                await self.home.clock.advance(0.1)


@asynccontextmanager
async def door(folder: Path, limits: PresenceLimits | None = None) -> AsyncIterator[Door]:
    """``limits``: of the other process."""
    async with house(folder, ManualClock()) as home:
        await first_admin(home.store, home.clock, ADMINS)
        other = create_api(home.channel, home.store, home.clock, "2", ApiOptions(presence=limits or PresenceLimits()))
        running = asyncio.create_task(other.run())
        await settle(100)
        try:
            yield Door(home, other)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path) as it:
        yield it


def json(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


# --- signing in


async def test_a_session_holds_in_every_process_and_ends_in_all(it: Door) -> None:
    admin = await it.admin()
    cookie = admin.cookies.jar._cookies["insula.local"]["/"]["insula_session"]
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"
    elsewhere = it.browser(it.there)
    elsewhere.cookies = admin.cookies
    me = json(await elsewhere.get("/session"))
    assert (me["name"], me["admin"], set(me["rooms"].values())) == ("admin", True, {"manage"})

    json(await admin.delete("/session"))
    await it.told()
    elsewhere.cookies.set("insula_session", cookie.value or "", domain="insula.local")
    assert json(await elsewhere.get("/session"), 401)["detail"] == "sign in first"


async def test_a_wrong_name_and_a_wrong_password_are_answered_alike(it: Door) -> None:
    browser = it.browser()
    wrong = [{"name": "admin", "password": "wrong"}, {"name": "nobody", "password": ADMINS}]
    answers = [await browser.post("/session", json=body) for body in wrong]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["detail"] for answer in answers} == {"the name or the password is not right"}


async def test_attempts_are_counted_over_all_processes_and_lock_nobody_else_out(it: Door) -> None:
    for number in range(PER_PAIR):
        browser = it.browser(it.here if number % 2 else it.there, "203.0.113.5")
        json(await browser.post("/session", json={"name": "admin", "password": "wrong"}), 401)
    refused = json(await browser.post("/session", json={"name": "admin", "password": ADMINS}), 429)
    assert 0 < refused["retry_after_s"] <= WINDOW_MS / 1000
    await it.admin()
    await it.home.clock.advance(WINDOW_MS / 1000)
    json(await browser.post("/session", json={"name": "admin", "password": ADMINS}))


async def test_a_session_that_is_not_used_for_a_week_is_over(it: Door) -> None:
    admin = await it.admin()
    for _ in range(8):
        await it.home.clock.step(DAY_S)
        json(await admin.get("/session"))
    await it.home.clock.step(IDLE_MS / 1000)
    json(await admin.get("/session"), 401)


async def test_a_new_password_ends_the_other_sessions(it: Door) -> None:
    anna, phone = await it.anna(level="drive"), await it.signed_in("anna", ANNAS)
    json(await anna.put("/password", json={"old": "wrong", "new": "another for anna"}), 403)
    json(await anna.put("/password", json={"old": ANNAS, "new": "short"}), 400)
    json(await anna.put("/password", json={"old": ANNAS, "new": "another for anna"}))
    json(await anna.get("/session"))
    json(await phone.get("/session"), 401)
    await it.signed_in("anna", "another for anna")


async def test_where_one_is_signed_in_can_be_seen_and_ended(it: Door) -> None:
    admin, phone = await it.admin(), await it.signed_in("admin", ADMINS, address="198.51.100.2")
    found = json(await admin.get("/sessions"))["sessions"]
    assert sorted((one["address"], one["this"]) for one in found) == [("192.0.2.7", True), ("198.51.100.2", False)]
    json(await admin.delete("/sessions"))
    json(await phone.get("/session"), 401)
    json(await admin.get("/session"))


# --- tokens


async def test_a_token_does_what_it_was_made_for_until_it_is_revoked(it: Door) -> None:
    anna = await it.anna(level="drive")
    room = await it.room_id(1)
    made = json(await anna.post("/tokens", json={"name": "script", "level": "see", "rooms": [room]}), 201)
    script = it.browser(it.there, Authorization=f"Bearer {made['token']}")
    assert json(await script.get("/session"))["rooms"] == {str(room): "see"}
    json(await script.post("/tokens", json={"name": "another"}), 403)
    json(await script.put("/password", json={"old": ANNAS, "new": "taken over now"}), 403)
    assert [one["name"] for one in json(await anna.get("/tokens"))["tokens"]] == ["script"]

    json(await anna.delete(f"/tokens/{made['id']}"))
    await it.told()
    json(await script.get("/session"), 401)
    json(await anna.delete(f"/tokens/{made['id']}"), 400)


async def test_a_token_is_for_rooms_that_one_may_see_or_could_by_being_there(it: Door) -> None:
    """A room that one may not see is answered as one that is not there."""
    anna, admin = await it.anna(level="see"), await it.admin()
    mine, other = await it.room_id(1), await it.room_id(2)
    for room in (other, 999):
        refused = json(await anna.post("/tokens", json={"name": "x", "rooms": [mine, room]}), 404)
        assert refused["detail"] == f"no room {room}"
    json(await admin.post("/rights", json={"user": "anna", "level": "drive", "room": other, "there": True}), 201)
    json(await anna.post("/tokens", json={"name": "phone", "rooms": [mine, other]}), 201)
    assert [one["name"] for one in json(await anna.get("/tokens"))["tokens"]] == ["phone"]


async def test_a_token_ends(it: Door) -> None:
    anna = await it.anna(level="drive")
    token = json(await anna.post("/tokens", json={"name": "for a day", "days": 1}), 201)["token"]
    script = it.browser(Authorization=f"Bearer {token}")
    await it.home.clock.step(DAY_S - 1)
    json(await script.get("/session"))
    await it.home.clock.step(1)
    json(await script.get("/session"), 401)


async def test_a_limited_token_of_an_administrator_does_not_administer(it: Door) -> None:
    admin = await it.admin()
    for limit in ({"level": "see"}, {"rooms": [await it.room_id(1)]}):
        token = json(await admin.post("/tokens", json={"name": "x", **limit}), 201)["token"]
        json(await it.browser(Authorization=f"Bearer {token}").get("/users"), 403)
    token = json(await admin.post("/tokens", json={"name": "x"}), 201)["token"]
    json(await it.browser(Authorization=f"Bearer {token}").get("/users"))
    json(await it.browser(Authorization="Bearer insula_guessed").get("/users"), 401)


# --- accounts, teams, rights


async def test_rights_reach_every_process_within_a_second(it: Door) -> None:
    anna, admin = await it.anna(), await it.admin()
    elsewhere = it.browser(it.there)
    elsewhere.cookies = anna.cookies
    await it.told()
    room = str(await it.room_id(2))
    assert json(await elsewhere.get("/session"))["rooms"] == {}
    given = json(await admin.post("/rights", json={"user": "anna", "level": "see", "room": int(room)}), 201)
    await it.told()
    assert json(await elsewhere.get("/session"))["rooms"] == {room: "see"}
    json(await admin.delete(f"/rights/{given['id']}"))
    await it.told()
    assert json(await elsewhere.get("/session"))["rooms"] == {}


async def test_who_is_in_a_team_may_what_the_team_may(it: Door) -> None:
    anna, admin = await it.anna(), await it.admin()
    json(await admin.put("/teams/cleaners", json={"members": ["anna"]}))
    json(await admin.post("/rights", json={"team": "cleaners", "level": "drive", "building": 1, "floor": 4}), 201)
    rooms = json(await anna.get("/session"))["rooms"]
    assert set(rooms.values()) == {"drive"}
    assert json(await admin.get("/rights"))["rights"][0]["where"] == "building Insula, floor 4"
    json(await admin.put("/teams/cleaners", json={"members": []}))
    assert json(await anna.get("/session"))["rooms"] == {}
    json(await admin.delete("/teams/cleaners"))
    assert json(await admin.get("/rights"))["rights"] == []


async def test_a_right_while_there_is_none_from_afar(it: Door) -> None:
    anna = await it.anna(level="drive", there=True)
    me = json(await anna.get("/session"))
    assert (me["rooms"], me["while_there"]) == ({}, {str(await it.room_id(1)): "drive"})


async def test_a_closed_account_is_signed_out_and_an_open_one_signs_in_again(it: Door) -> None:
    anna, admin = await it.anna(level="drive"), await it.admin()
    json(await admin.patch("/users/anna", json={"active": False}))
    json(await anna.get("/session"), 401)
    json(await it.browser().post("/session", json={"name": "anna", "password": ANNAS}), 401)
    json(await admin.patch("/users/anna", json={"active": True}))
    await it.signed_in("anna", ANNAS)
    json(await admin.delete("/users/anna"))
    assert [one["name"] for one in json(await admin.get("/users"))["users"]] == ["admin"]


async def test_one_administrator_is_left(it: Door) -> None:
    admin = await it.admin()
    for answer in (
        await admin.delete("/users/admin"),
        await admin.patch("/users/admin", json={"admin": False}),
        await admin.patch("/users/admin", json={"active": False}),
    ):
        assert json(answer, 400)["detail"] == "one administrator must be left"
    assert json(await admin.get("/session"))["admin"]


async def test_bad_input_is_said(it: Door) -> None:
    admin = await it.admin()
    wrong = {
        "/users": [
            {"name": "admin", "password": ADMINS},
            {"name": " anna"},
            {"name": ""},
            {"name": "a", "password": "x"},
        ],
        "/rights": [
            {"level": "see", "user": "anna", "room": 1},
            {"level": "see", "user": "admin", "team": "x", "room": 1},
            {"level": "see", "user": "admin", "room": 999},
            {"level": "see", "user": "admin", "floor": 4},
            {"level": "see", "user": "admin", "room": 1, "site": 1},
        ],
    }
    for path, bodies in wrong.items():
        for body in bodies:
            json(await admin.post(path, json=body), 400)
    json(await admin.post("/rights", json={"level": "own", "user": "admin", "room": 1}), 422)
    json(await admin.patch("/users/nobody", json={"admin": True}), 404)
    json(await admin.delete("/rights/99"), 404)


@pytest.mark.parametrize("path", ["/users", "/teams", "/rights", "/audit"])
async def test_administration_is_for_administrators(it: Door, path: str) -> None:
    json(await it.browser().get(path), 401)
    json(await (await it.anna(level="manage")).get(path), 403)


# --- the audit


async def test_who_did_what_from_where_is_kept_and_found(it: Door) -> None:
    await it.anna(level="drive")
    admin = await it.signed_in("admin", ADMINS, address="198.51.100.2")
    json(await it.browser().post("/session", json={"name": "anna", "password": "wrong"}), 401)
    entries = json(await admin.get("/audit"))["items"]
    said = [(one["name"], one["action"], one["target"]) for one in entries if one["action"] != "sign in"]
    assert said == [
        ("anna", "sign in refused", ""),
        ("admin", "right given", "anna"),
        ("admin", "user added", "anna"),
        ("", "user added", "admin"),
    ]
    wanted = {"action": "sign in", "name": "admin", "limit": 1}
    newest = json(await admin.get("/audit", params=wanted))
    assert [one["address"] for one in newest["items"]] == ["198.51.100.2"]
    older = json(await admin.get("/audit", params={**wanted, "cursor": newest["next"]}))
    assert ([one["address"] for one in older["items"]], older["next"]) == (["192.0.2.7"], None)


async def test_no_secret_is_kept_in_the_clear(it: Door, tmp_path: Path) -> None:
    anna = await it.anna(level="drive")
    token = json(await anna.post("/tokens", json={"name": "script"}), 201)["token"]
    secrets = [ADMINS, ANNAS, token, anna.cookies["insula_session"]]
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("insula.db*"))
    assert b"argon2id" in kept
    assert [secret for secret in secrets if secret.encode() in kept] == []
