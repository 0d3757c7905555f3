"""A right *while there* is live where its person claims to be, for a while: with two API processes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from insula.access.presence import NONCE_MS, REFUSED_REPORTS, PresenceLimits
from insula.store.tables import Presence
from tests.flows.house import ROOM_1, ROOM_2
from tests.flows.test_signing_in import ANNAS, Door, door, json

LEASE_S = PresenceLimits().lease_ms / 1000
HERE, THERE = ({**beacon, "major": int(beacon["major"]), "minor": int(beacon["minor"])} for beacon in (ROOM_1, ROOM_2))
NOWHERE = HERE | {"minor": 1}
RADIATOR = "http://insula/percentage_radiator"


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path) as it:
        yield it


async def nonce(browser: httpx.AsyncClient) -> str:
    return str(json(await browser.post("/presence/nonce"), 201)["nonce"])


async def report(browser: httpx.AsyncClient, beacon: dict[str, Any] = HERE, status: int = 200) -> Any:
    return json(await browser.put("/presence", json={"nonce": await nonce(browser), **beacon}), status)


async def drive(browser: httpx.AsyncClient, beacon: dict[str, str], status: int = 200) -> None:
    json(await browser.get(RADIATOR, params=beacon | {"percentage": "35"}), status)


async def rooms(browser: httpx.AsyncClient) -> dict[str, str]:
    found: dict[str, str] = json(await browser.get("/session"))["rooms"]
    return found


async def everywhere(it: Door, **right: Any) -> httpx.AsyncClient:
    """Anna, who may drive each room while she is there."""
    return await it.anna(level="drive", there=True, room=None, building=1, **right)


def elsewhere(it: Door, browser: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same session, by the other process."""
    other = it.browser(it.there)
    other.cookies = browser.cookies
    return other


async def test_a_report_makes_the_right_live_in_every_process_until_the_lease_ends(it: Door) -> None:
    anna = await it.anna(level="drive", there=True)
    other, room = elsewhere(it, anna), await it.room_id(1)
    await drive(other, ROOM_1, 404)
    said = await report(anna)
    assert said == {"room": room, "room_number": 1, "level": "drive", "ends_at": it.home.clock.real() + LEASE_S * 1000}
    assert json(await other.get("/presence")) == said
    me = json(await other.get("/session"))
    assert (me["rooms"], me["while_there"]) == ({str(room): "drive"}, {})
    await drive(other, ROOM_1)

    await it.home.clock.step(LEASE_S - 1)
    await drive(other, ROOM_1)
    await it.home.clock.step(1)
    await drive(other, ROOM_1, 404)
    await drive(anna, ROOM_1, 404)
    assert json(await other.get("/presence"))["room"] is None


async def test_another_report_makes_the_lease_longer(it: Door) -> None:
    anna = await it.anna(level="drive", there=True)
    other = elsewhere(it, anna)
    await report(anna)
    await drive(other, ROOM_1)
    await it.home.clock.step(LEASE_S - 1)
    await report(anna)
    await it.home.clock.step(LEASE_S - 1)
    await drive(other, ROOM_1)
    await it.home.clock.step(1)
    await drive(other, ROOM_1, 404)


async def test_a_report_from_another_room_moves_the_presence(it: Door) -> None:
    anna = await everywhere(it)
    other = elsewhere(it, anna)
    await report(anna, HERE)
    await drive(other, ROOM_1)
    await report(other, THERE)
    assert set(await rooms(anna)) == set(await rooms(other)) == {str(await it.room_id(2))}
    await drive(anna, ROOM_1, 404)
    await drive(other, ROOM_2)


async def test_who_leaves_has_nothing_at_once(it: Door) -> None:
    anna = await it.anna(level="drive", there=True)
    other = elsewhere(it, anna)
    await report(anna)
    await drive(other, ROOM_1)
    assert json(await anna.delete("/presence")) == {"ended": True}
    assert await rooms(other) == {}
    assert json(await anna.delete("/presence")) == {"ended": False}


async def test_a_presence_is_of_the_session_that_reported_it(it: Door) -> None:
    anna, at_home = await everywhere(it), await it.signed_in("anna", ANNAS)
    await report(anna)
    assert await rooms(at_home) == {}
    assert json(await at_home.get("/presence"))["room"] is None
    await report(at_home, THERE)
    assert await rooms(anna) == {}
    assert set(await rooms(at_home)) == {str(await it.room_id(2))}


async def test_a_token_reports_within_its_limits(it: Door) -> None:
    anna, room = await everywhere(it), await it.room_id(1)
    made = json(await anna.post("/tokens", json={"name": "phone", "level": "see", "rooms": [room]}), 201)
    phone = it.browser(it.there, Authorization=f"Bearer {made['token']}")
    assert (await report(phone))["level"] == "see"
    await drive(phone, ROOM_1, 403)
    await report(phone, THERE, 404)
    assert await rooms(phone) == {str(room): "see"}


# --- nonces


async def test_a_nonce_is_good_once_in_whichever_process(it: Door) -> None:
    anna = await it.anna(level="drive", there=True)
    body = {"nonce": await nonce(anna), **HERE}
    json(await elsewhere(it, anna).put("/presence", json=body))
    json(await anna.delete("/presence"))
    for browser in (anna, elsewhere(it, anna)):
        assert "nonce" in json(await browser.put("/presence", json=body), 409)["detail"]
    assert await rooms(anna) == {}


async def test_of_two_reports_at_once_one_has_the_nonce(it: Door) -> None:
    anna = await it.anna(level="drive", there=True)
    body = {"nonce": await nonce(anna), **HERE}
    both = [browser.put("/presence", json=body) for browser in (anna, elsewhere(it, anna))]
    assert sorted(answer.status_code for answer in await asyncio.gather(*both)) == [200, 409]


async def test_a_nonce_of_a_report_that_gave_nothing_is_used_up_too(it: Door) -> None:
    anna = await it.anna(level="drive", there=True)
    once = await nonce(anna)
    json(await anna.put("/presence", json={"nonce": once, **NOWHERE}), 404)
    json(await anna.put("/presence", json={"nonce": once, **HERE}), 409)


async def test_a_nonce_of_another_session_an_old_one_and_a_made_up_one_are_none(it: Door) -> None:
    anna, phone = await it.anna(level="drive", there=True), await it.signed_in("anna", ANNAS)
    body = {"nonce": await nonce(phone), **HERE}
    json(await anna.put("/presence", json=body), 409)
    json(await anna.put("/presence", json={"nonce": "made up", **HERE}), 409)
    await it.home.clock.step(NONCE_MS / 1000)
    json(await phone.put("/presence", json=body), 409)
    assert await rooms(anna) == await rooms(phone) == {}


# --- what it does not do


async def test_a_claim_that_gives_nothing_says_what_one_of_no_room_says(it: Door) -> None:
    anna = await it.anna(level="drive", there=True)
    await report(anna, HERE)
    hidden, missing = await report(anna, THERE, 404), await report(anna, NOWHERE, 404)
    assert hidden["detail"].replace("31456", "1") == missing["detail"]
    assert hidden.keys() == missing.keys()
    assert set(await rooms(anna)) == {str(await it.room_id(1))}
    assert json(await anna.get("/presence"))["room_number"] == 1


async def test_where_a_right_stands_nothing_is_kept(it: Door) -> None:
    anna = await it.anna(level="see")
    assert await report(anna) == {"room": await it.room_id(1), "room_number": 1, "level": "see", "ends_at": None}
    await drive(anna, ROOM_1, 403)
    admin = await it.admin()
    assert (await report(admin))["ends_at"] is None
    assert await kept(it) == 0


async def test_who_comes_where_a_right_stands_has_left_the_other_room(it: Door) -> None:
    anna, admin = await everywhere(it), await it.admin()
    json(await admin.post("/rights", json={"user": "anna", "room": await it.room_id(2), "level": "drive"}), 201)
    other = elsewhere(it, anna)
    await report(anna, HERE)
    await drive(other, ROOM_1)
    assert (await report(anna, THERE))["ends_at"] is None
    await drive(other, ROOM_1, 404)
    await drive(other, ROOM_2)


async def test_a_right_that_is_taken_away_ends_at_once(it: Door) -> None:
    anna, admin = await it.anna(level="drive", there=True), await it.admin()
    other = elsewhere(it, anna)
    await report(anna)
    await drive(other, ROOM_1)
    (right,) = json(await admin.get("/rights"))["rights"]
    json(await admin.delete(f"/rights/{right['id']}"))
    await it.told()
    for browser in (anna, other):
        assert await rooms(browser) == {}
        assert json(await browser.get("/presence"))["room"] is None
        await drive(browser, ROOM_1, 404)
    json(
        await admin.post(
            "/rights", json={"user": "anna", "room": await it.room_id(1), "level": "drive", "there": True}
        ),
        201,
    )
    assert await rooms(anna) == {}
    await report(anna)
    await drive(anna, ROOM_1)


async def test_a_closed_account_is_nowhere(it: Door) -> None:
    anna, admin = await it.anna(level="drive", there=True), await it.admin()
    made = json(await anna.post("/tokens", json={"name": "phone"}), 201)
    phone = it.browser(it.there, Authorization=f"Bearer {made['token']}")
    await report(phone)
    await drive(phone, ROOM_1)
    json(await admin.patch("/users/anna", json={"active": False}))
    await it.told()
    await drive(phone, ROOM_1, 401)
    json(await phone.post("/presence/nonce"), 401)


async def test_what_is_live_by_presence_is_seen_too(it: Door) -> None:
    anna = await it.anna(level="drive", there=True)
    sensor = await it.home.measure(1, "temperature", 21.5)
    query = {"device": str(sensor.device_id), "point": "temperature"}
    json(await anna.get("/history", params=query), 404)
    await report(anna)
    json(await anna.get("/history", params=query))
    assert len(json(await anna.get("http://insula/get_beacons"))["beacons"]) == 1


# --- what is kept


async def kept(it: Door) -> int:
    async with it.home.store.read() as connection:
        return await connection.scalar(select(func.count()).select_from(Presence)) or 0


async def test_a_presence_is_forgotten_when_it_has_ended(it: Door) -> None:
    anna = await it.anna(level="drive", there=True)
    await report(anna)
    assert await kept(it) == 1
    await it.home.clock.advance(LEASE_S)
    async with asyncio.timeout(10):
        while await kept(it):
            await it.home.clock.advance(1)


async def test_the_audit_knows_that_and_not_where(it: Door) -> None:
    anna = await everywhere(it)
    for beacon in (HERE, HERE, THERE):
        await report(anna, beacon)
    json(await anna.put("/presence", json={"nonce": "made up", **HERE}), 409)
    for _ in range(REFUSED_REPORTS):
        await report(anna, NOWHERE, 404)
    json(await anna.delete("/presence"))
    entries = json(await (await it.admin()).get("/audit", params={"name": "anna"}))["items"]
    said = [(one["action"], one["target"], one["details"]) for one in reversed(entries) if "presence" in one["action"]]
    assert said == [
        ("presence", "", {}),
        ("presence", "", {}),
        ("presence refused", "", {"why": "nonce"}),
        ("presence refused", "", {"why": "room", "reports": REFUSED_REPORTS}),
        ("presence ended", "", {}),
    ]
    assert {one["address"] for one in entries} == {"192.0.2.7"}


async def test_an_installation_may_have_the_rooms_in_the_audit(tmp_path: Path) -> None:
    async with door(tmp_path, PresenceLimits(audit_rooms=True)) as it:
        await report(elsewhere(it, await everywhere(it)), THERE)
        entries = json(await (await it.admin()).get("/audit", params={"action": "presence"}))["items"]
    assert [one["target"] for one in entries] == ["room 2"]
