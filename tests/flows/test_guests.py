"""A room's code alone drives the room for a while: with two API processes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from insula.access.attempts import WINDOW_MS
from insula.access.presence import VISITS, WRONG_CODES, PresenceLimits
from insula.clock import settle
from insula.controller.controller import Controller
from tests.flows.house import ROOM_1, ROOM_2
from tests.flows.test_presence import HERE, RADIATOR, drive, elsewhere, nonce, report, rooms
from tests.flows.test_signing_in import Door, door, json
from tests.flows.test_why import told

VISIT_S = PresenceLimits().guest_ms / 1000
GUESTS_ADDRESS = "198.51.100.9"


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path) as it:
        yield it


async def allow(it: Door, allowed: bool = True) -> Any:
    """Room 1 allows guests."""
    return json(await (await it.admin()).put(place(it), json={"allowed": allowed}))


def place(it: Door, number: int = 1) -> str:
    return f"/rooms/{number}/guests"


async def come(it: Door, code: str, status: int = 200, address: str = GUESTS_ADDRESS) -> httpx.AsyncClient:
    browser = it.browser(address=address)
    json(await browser.post("/guests", json={"code": code}), status)
    return browser


# --- what a guest may


async def test_a_code_drives_its_room_for_a_while_in_every_process(it: Door) -> None:
    code = (await allow(it))["code"]
    browser = it.browser(address=GUESTS_ADDRESS)
    came = json(await browser.post("/guests", json={"code": code}))
    room, ends_at = await it.room_id(1), it.home.clock.real() + VISIT_S * 1000
    assert came == {"name": "guest 1", "room": room, "level": "drive", "ends_at": ends_at}
    for guest in (browser, elsewhere(it, browser)):
        me = json(await guest.get("/session"))
        assert me == {
            "name": "guest 1",
            "admin": False,
            "guest": True,
            "rooms": {str(room): "drive"},
            "while_there": {},
        }
        await drive(guest, ROOM_1)
        await drive(guest, ROOM_2, 404)
    await it.home.clock.step(VISIT_S - 1)
    await drive(elsewhere(it, browser), ROOM_1)
    await it.home.clock.step(1)
    await drive(browser, ROOM_1, 401)
    await drive(elsewhere(it, browser), ROOM_1, 401)


async def test_a_guest_gets_the_values_of_the_room_and_nothing_of_before_or_of_people(it: Door) -> None:
    guest = await come(it, (await allow(it))["code"])
    sensor = await it.home.measure(1, "temperature", 21.5)
    assert json(await guest.get("http://insula/sensor_get_temperature", params=ROOM_1))["value"] == 21.5
    assert len(json(await guest.get("http://insula/get_beacons"))["beacons"]) == 1
    refused = [
        ("GET", f"/history?device={sensor.device_id}&point=temperature"),
        ("GET", "/why?room=1"),
        ("GET", "/leases"),
        ("GET", "/alerts"),
        ("GET", "/users"),
        ("GET", "/sessions"),
        ("GET", "/tokens"),
        ("POST", "/presence/nonce"),
        ("GET", place(it)),
    ]
    for method, path in refused:
        assert json(await guest.request(method, path), 403)["status"] == 403, path
    json(await guest.post("/tokens", json={"name": "for ever"}), 403)
    json(await guest.put("/password", json={"old": "a", "new": "b"}), 403)


async def test_a_guest_is_named_as_one_wherever_it_is_said_who_did_it(it: Door) -> None:
    guest, admin = await come(it, (await allow(it))["code"]), await it.admin()
    await drive(guest, ROOM_1)
    (command,) = it.home.knx.sent
    assert (command.origin.kind, command.origin.name, command.origin.by_hand) == ("guest", "1", True)
    refused = json(await admin.get("/audit", params={"action": "guest came"}))["items"]
    (came,) = refused
    assert (came["name"], came["target"], came["account"], came["address"]) == (
        "guest 1",
        "room 1",
        None,
        GUESTS_ADDRESS,
    )


async def test_a_guest_holds_what_it_drove_and_why_says_so(it: Door) -> None:
    it.home.tasks.append(asyncio.create_task(Controller(it.home.channel, it.home.clock).run(), name="controller"))
    await settle()
    guest, admin = await come(it, (await allow(it))["code"]), await it.admin()
    await drive(guest, ROOM_1)
    (entry,) = await told(it.home, 1)
    assert entry["actor"] == {"kind": "guest", "name": "1"}
    assert "by guest 1, with the room's code" in entry["text"]
    (lease,) = json(await admin.get("/leases"))["leases"]
    assert (lease["owner"]["kind"], lease["owner"]["name"]) == ("guest", "1")


async def test_a_link_on_another_site_moves_nothing(it: Door) -> None:
    guest = await come(it, (await allow(it))["code"])
    query = ROOM_1 | {"percentage": "35"}
    json(await guest.get(RADIATOR, params=query, headers={"Sec-Fetch-Site": "cross-site"}), 401)
    assert it.home.knx.sent == []


async def test_a_guest_leaves(it: Door) -> None:
    guest = await come(it, (await allow(it))["code"])
    secret = guest.cookies["insula_session"]
    json(await guest.delete("/session"))
    await it.told()
    kept = it.browser(it.there)
    kept.cookies.set("insula_session", secret)
    json(await kept.get("/session"), 401)
    assert json(await (await it.admin()).get(place(it)))["guests"] == []


async def test_a_guest_with_the_code_of_another_room_has_left_the_first(it: Door) -> None:
    guest, admin = await come(it, (await allow(it))["code"]), await it.admin()
    other = json(await admin.put(place(it, 2), json={"allowed": True}))["code"]
    json(await guest.post("/guests", json={"code": other}))
    assert set(await rooms(guest)) == {str(await it.room_id(2))}
    assert json(await admin.get(place(it)))["guests"] == []


async def test_who_is_signed_in_stays_so(it: Door) -> None:
    code, anna = (await allow(it))["code"], await it.anna(level="see")
    assert "anna" in json(await anna.post("/guests", json={"code": code}), 409)["detail"]
    assert set((await rooms(anna)).values()) == {"see"}


async def test_the_rooms_code_says_where_somebody_with_an_account_is(it: Door) -> None:
    code, anna = (await allow(it))["code"], await it.anna(level="drive", there=True)
    assert (await report(anna, {"code": code}))["room_number"] == 1
    await drive(elsewhere(it, anna), ROOM_1)
    assert (
        json(await anna.put("/presence", json={"nonce": await nonce(anna), "code": "x"}), 404)["detail"]
        == "no such code"
    )


# --- the code


async def test_no_room_allows_guests_until_who_manages_it_says_so(it: Door) -> None:
    anna, room = await it.anna(level="manage"), place(it)
    off = {"allowed": False, "code": None, "url": None, "made_at": None}
    assert json(await anna.get(room)) == {"code": off, "guests": []}
    json(await anna.post(f"{room}/code"), 404)
    json(await anna.get(f"{room}/code.svg"), 404)
    on = json(await anna.put(room, json={"allowed": True}))
    assert on["url"] == f"http://insula/guest#{on['code']}"
    assert json(await anna.put(room, json={"allowed": True})) == on
    guest = await come(it, on["code"])
    await drive(elsewhere(it, guest), ROOM_1)
    assert json(await anna.put(room, json={"allowed": False})) == off
    await it.told()
    await drive(elsewhere(it, guest), ROOM_1, 401)
    await come(it, on["code"], 401)


@pytest.mark.parametrize("level", ["see", "drive"])
async def test_the_code_is_for_who_manages_the_room(it: Door, level: str) -> None:
    await allow(it)
    anna = await it.anna(level=level)
    for number, status in ((1, 403), (2, 404)):
        room = place(it, number)
        json(await anna.get(room), status)
        json(await anna.get(f"{room}/code.svg"), status)
        json(await anna.post(f"{room}/code"), status)
        json(await anna.put(room, json={"allowed": False}), status)
        json(await anna.delete(room), status)
    hidden, missing = await anna.get(place(it, 2)), await anna.get("/rooms/999/guests")
    assert hidden.json()["detail"].replace("2", "N") == missing.json()["detail"].replace("999", "N")


async def test_a_renewed_code_ends_the_old_one_and_its_guests_in_every_process(it: Door) -> None:
    old, admin = (await allow(it))["code"], await it.admin()
    guest = elsewhere(it, await come(it, old))
    await drive(guest, ROOM_1)
    new = json(await admin.post(f"{place(it)}/code"), 201)["code"]
    await it.told()
    await drive(guest, ROOM_1, 401)
    await come(it, old, 401)
    await drive(await come(it, new), ROOM_1)


async def test_guests_are_sent_away_and_may_come_again(it: Door) -> None:
    code, admin = (await allow(it))["code"], await it.admin()
    guest = elsewhere(it, await come(it, code))
    await drive(guest, ROOM_1)
    assert [one["name"] for one in json(await admin.get(place(it)))["guests"]] == ["guest 1"]
    assert json(await admin.delete(place(it))) == {"sent_away": 1}
    await it.told()
    await drive(guest, ROOM_1, 401)
    await drive(await come(it, code), ROOM_1)


async def test_the_code_is_drawn_for_who_manages_the_room(it: Door) -> None:
    code, admin = (await allow(it))["code"], await it.admin()
    answer = await admin.get(f"{place(it)}/code.svg")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith("<svg")
    assert code not in answer.text


# --- attempts


async def test_wrong_codes_are_counted_over_all_processes_and_shut_nobody_else_out(it: Door) -> None:
    code = (await allow(it))["code"]
    for number in range(WRONG_CODES):
        browser = it.browser(it.here if number % 2 else it.there, "203.0.113.5")
        json(await browser.post("/guests", json={"code": f"{code}x"}), 401)
    refused = json(await browser.post("/guests", json={"code": code}), 429)
    assert 0 < refused["retry_after_s"] <= WINDOW_MS / 1000
    await drive(await come(it, code), ROOM_1)
    await it.home.clock.advance(WINDOW_MS / 1000)
    await come(it, code, address="203.0.113.5")
    entries = json(await (await it.admin()).get("/audit", params={"action": "guest refused"}))["items"]
    assert len(entries) == WRONG_CODES
    assert code not in str(entries)


async def test_visits_are_counted_by_room_and_address(it: Door) -> None:
    code, admin = (await allow(it))["code"], await it.admin()
    other = json(await admin.put(place(it, 2), json={"allowed": True}))["code"]
    for _ in range(VISITS):
        await come(it, code)
    await come(it, code, 429)
    await come(it, other)
    await come(it, code, address="198.51.100.10")


async def test_no_wrong_input_makes_an_error_of_ours(it: Door) -> None:
    await allow(it)
    anna = await it.anna(level="drive", there=True)
    await settle()
    bodies = (
        b"",
        b"{}",
        b'{"code": 1}',
        b'{"code": "\\ud800"}',
        b'{"code": "\\u0000"}',
        b"[]",
        b"{",
    )
    for body in (*bodies, b'{"code": "%s"}' % (b"x" * 201), b'{"code": "x", "room": 1}'):
        answer = await it.browser().post("/guests", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 401, 422), (body, answer.text)
    for body in ({}, {"nonce": "x"}, {"nonce": "x", "major": -1}, {"nonce": "x", **HERE, "room": 1}, {"nonce": None}):
        assert (await anna.put("/presence", json=body)).status_code in (400, 409, 422)
