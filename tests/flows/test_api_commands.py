"""Commands over the API: the gateway's answer, once for each Idempotency-Key, in the audit, and page by page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from insula.api.app import create_api
from insula.api.commands import ANSWER_WITHIN_S
from insula.clock import settle
from insula.messages import COMMAND_LIFE_MS
from insula.store.engine import Store
from insula.store.tables import CommandResult
from tests.flows.test_signing_in import Door, door, json


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path) as it:
        yield it


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


@asynccontextmanager
async def another(it: Door, folder: Path) -> AsyncIterator[Any]:
    """A third process, with its own way to the database."""
    store = Store(f"sqlite:///{folder / 'insula.db'}")
    await store.start()
    api = create_api(it.home.channel, store, it.home.clock, "3")
    running = asyncio.create_task(api.run())
    await settle(100)
    try:
        yield api.app
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await store.stop()


async def recorded(it: Door, count: int) -> None:
    """So many results are in the database: it writes in a thread of its own."""
    async with asyncio.timeout(10):
        while await _results(it) < count:
            await it.home.clock.advance(0.5)


async def _results(it: Door) -> int:
    async with it.home.store.read() as connection:
        return await connection.scalar(select(func.count()).select_from(CommandResult)) or 0


async def late(it: Door, request: Any) -> Any:
    """The answer to a request that no gateway answers in time; the database is asked in a thread first."""
    task = asyncio.create_task(request)
    async with asyncio.timeout(10):
        while not it.home.zwave.most_at_once:
            await asyncio.sleep(0)
    await settle()
    await it.home.clock.advance(ANSWER_WITHIN_S)
    return await task


# --- the answer


async def test_a_device_is_driven_and_the_gateway_answers(it: Door) -> None:
    anna = await it.anna(level="drive")
    radiator = it.home.device(1, "valve")
    said = json(await anna.post("/commands", json={"device": radiator.device_id, "point": "valve", "value": 35}))
    (command,) = said["commands"]
    assert (said["outcome"], command["outcome"], command["room"], command["unit"]) == ("done", "done", 1, "%")
    assert command["by"] == {"kind": "user", "name": "anna", "id": ""}
    (sent,) = it.home.knx.sent
    assert (sent.device_id, sent.value, sent.origin.name) == (radiator.device_id, 35, "anna")
    assert json(await anna.get(f"http://insula{command['href']}")) == command


async def test_a_rooms_devices_of_a_kind_are_driven_together(it: Door) -> None:
    anna = await it.anna(level="drive")
    said = json(await anna.post("/commands", json={"room": 1, "kind": "blind", "point": "position", "value": 0}))
    assert [one["device_id"] for one in said["commands"]] == [it.home.device(1, "position").device_id]
    assert [(one.point, one.value) for one in it.home.knx.sent] == [("position", 0)]


async def test_a_refusal_says_why(it: Door) -> None:
    admin = await it.admin()
    lamp = it.home.device(1, "level")
    it.home.zwave.fail("node does not answer")
    said = json(await admin.post("/commands", json={"device": lamp.device_id, "point": "level", "value": 10}))
    assert (said["outcome"], said["commands"][0]["reason"]) == ("failed", "node does not answer")


async def test_what_is_not_answered_in_time_can_be_asked_for_and_expires(it: Door) -> None:
    admin = await it.admin()
    lamp = it.home.device(1, "level")
    it.home.zwave.block(lamp.device_id)
    wish = {"device": lamp.device_id, "point": "level", "value": 10}
    answer = await late(it, admin.post("/commands", json=wish, headers=keyed("late")))
    (command,) = json(answer, 202)["commands"]
    assert (command["outcome"], answer.headers["location"]) == ("open", command["href"])
    it.home.zwave.unblock(lamp.device_id)
    await it.home.clock.advance(0)
    elsewhere = it.browser(it.there)
    elsewhere.cookies = admin.cookies
    assert json(await elsewhere.get(f"http://insula{command['href']}"))["outcome"] == "done"
    assert json(await admin.post("/commands", json=wish, headers=keyed("late")))["outcome"] == "done"
    assert len(it.home.zwave.sent) == 1


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"point": "valve", "value": 1}, 400, "give a device or a room"),
        ({"device": 2, "room": 1, "point": "valve", "value": 1}, 400, "give a device or a room"),
        ({"room": 1, "point": "valve", "value": 1}, 400, "give a kind with a room"),
        ({"device": 2, "kind": "radiator", "point": "valve", "value": 1}, 400, "give a kind with a room"),
        ({"device": 2, "point": "valve", "value": 101}, 400, "101 is not from 0 to 100 %"),
        ({"device": 2, "point": "position", "value": 1}, 404, "device 2 has no point position"),
        ({"device": 1, "point": "wind_alarm", "value": 1}, 400, "cannot be written"),
        ({"room": 1, "kind": "sofa", "point": "valve", "value": 1}, 404, "room 1 has no sofa"),
    ],
)
async def test_what_cannot_be_is_refused_before_the_bus(it: Door, wish: Any, status: int, words: str) -> None:
    answer = await (await it.admin()).post("/commands", json=wish)
    json(answer, status)
    assert words in answer.text
    assert it.home.knx.sent == []


# --- rights


async def test_what_one_may_not_see_is_not_there(it: Door) -> None:
    anna = await it.anna(level="drive")
    secret = it.home.device(2, "valve").device_id
    for hidden, missing in (
        ({"device": secret}, {"device": 999}),
        ({"room": 2, "kind": "radiator"}, {"room": 999, "kind": "radiator"}),
    ):
        one = await anna.post("/commands", json=hidden | {"point": "valve", "value": 1})
        other = await anna.post("/commands", json=missing | {"point": "valve", "value": 1})
        assert one.status_code == other.status_code == 404
        number = str(hidden.get("device", 2))
        assert one.text.replace(number, "N", 1) == other.text.replace("999", "N", 1)
    assert it.home.knx.sent == []


async def test_who_may_only_see_drives_nothing(it: Door) -> None:
    anna = await it.anna(level="see")
    json(await anna.post("/commands", json={"room": 1, "kind": "radiator", "point": "valve", "value": 1}), 403)
    assert it.home.knx.sent == []


async def test_a_key_gives_nobody_what_they_may_no_longer_see(it: Door) -> None:
    admin, anna = await it.admin(), await it.anna(level="drive")
    wish = {"room": 1, "kind": "radiator", "point": "valve", "value": 1}
    json(await anna.post("/commands", json=wish, headers=keyed("k")))
    (right,) = json(await admin.get("/rights"))["rights"]
    json(await admin.delete(f"/rights/{right['id']}"))
    await it.told()
    json(await anna.post("/commands", json=wish, headers=keyed("k")), 404)


# --- once


async def test_a_key_is_carried_out_once_in_whichever_process(it: Door) -> None:
    anna = await it.anna(level="drive")
    elsewhere = it.browser(it.there)
    elsewhere.cookies = anna.cookies
    wish = {"room": 1, "kind": "radiator", "point": "valve", "value": 35}
    first = json(await anna.post("/commands", json=wish, headers=keyed("once")))
    again = json(await elsewhere.post("/commands", json=wish, headers=keyed("once")))
    assert first == again
    assert len(it.home.knx.sent) == 1
    other = await elsewhere.post("/commands", json=wish | {"value": 36}, headers=keyed("once"))
    json(other, 422)
    assert len(it.home.knx.sent) == 1


async def test_asked_many_times_at_once_it_is_carried_out_once(it: Door, tmp_path: Path) -> None:
    anna = await it.anna(level="drive")
    wish = {"room": 1, "kind": "radiator", "point": "valve", "value": 35}
    async with another(it, tmp_path) as app:
        elsewhere = it.browser(app)
        elsewhere.cookies = anna.cookies
        asked = (one.post("/commands", json=wish, headers=keyed("once")) for one in (anna, elsewhere) * 5)
        answers = [json(answer) for answer in await asyncio.gather(*asked)]
    assert all(answer == answers[0] for answer in answers)
    assert len(it.home.knx.sent) == 1


async def test_a_process_that_has_begun_since_answers_from_the_database(it: Door, tmp_path: Path) -> None:
    anna = await it.anna(level="drive")
    wish = {"room": 1, "kind": "radiator", "point": "valve", "value": 35}
    first = json(await anna.post("/commands", json=wish, headers=keyed("once")))
    await recorded(it, 1)
    async with another(it, tmp_path) as app:
        later = it.browser(app)
        later.cookies = anna.cookies
        assert json(await later.post("/commands", json=wish, headers=keyed("once"))) == first
        assert json(await later.get(f"http://insula{first['commands'][0]['href']}")) == first["commands"][0]
    assert len(it.home.knx.sent) == 1


async def test_a_key_is_of_one_account(it: Door) -> None:
    admin, anna = await it.admin(), await it.anna(level="drive")
    wish = {"room": 1, "kind": "radiator", "point": "valve", "value": 35}
    json(await anna.post("/commands", json=wish, headers=keyed("k")))
    json(await admin.post("/commands", json=wish | {"value": 36}, headers=keyed("k")))
    assert [one.value for one in it.home.knx.sent] == [35, 36]


async def test_a_key_of_what_was_refused_can_be_used_again(it: Door) -> None:
    admin = await it.admin()
    wish = {"device": 2, "point": "valve", "value": 300}
    json(await admin.post("/commands", json=wish, headers=keyed("k")), 400)
    json(await admin.post("/commands", json=wish | {"value": 30}, headers=keyed("k")))
    assert [one.value for one in it.home.knx.sent] == [30]


# --- what was


async def test_every_command_is_in_the_audit_once(it: Door) -> None:
    admin, anna = await it.admin(), await it.anna(level="drive")
    wish = {"room": 1, "kind": "radiator", "point": "valve", "value": 35}
    for _ in range(2):
        said = json(await anna.post("/commands", json=wish, headers=keyed("once")))
    (entry,) = json(await admin.get("/audit", params={"action": "command"}))["items"]
    assert (entry["name"], entry["address"], entry["target"]) == ("anna", "192.0.2.7", "each radiator of room 1, valve")
    assert entry["details"] == {
        "point": "valve",
        "value": 35,
        "room": 1,
        "devices": [it.home.device(1, "valve").device_id],
        "commands": [said["commands"][0]["id"]],
    }


async def test_commands_are_listed_page_by_page_and_of_ones_rooms(it: Door) -> None:
    admin, anna = await it.admin(), await it.anna(level="see")
    for value, room in ((10, 1), (20, 2), (30, 1), (40, 1)):
        device = it.home.device(room, "valve").device_id
        json(await admin.post("/commands", json={"device": device, "point": "valve", "value": value}))
    await recorded(it, 4)

    async def pages(browser: Any, **query: Any) -> list[float]:
        values, cursor = [], ""
        while True:
            page = json(await browser.get("/commands", params={"limit": 2, "cursor": cursor, **query}))
            values += [one["value"] for one in page["items"]]
            if page["next"] is None:
                return values
            cursor = page["next"]

    assert sorted(await pages(admin)) == [10, 20, 30, 40]
    assert sorted(await pages(anna)) == [10, 30, 40]
    assert await pages(anna, room=2) == await pages(anna, room=999) == []
    assert await pages(admin, room=2) == [20]
    assert await pages(admin, outcome="refused") == await pages(admin, by="anna") == []
    assert len(await pages(admin, by="admin", outcome="done", origin="user")) == 4
    until = it.home.clock.now() + 1
    moves = json(await anna.get("/statistics", params={"room": 1, "to": until}))["moves"]
    assert moves == [{"device_id": it.home.device(1, "valve").device_id, "by_rule": 0, "by_hand": 3}]
    hidden = json(await admin.get("/commands", params={"room": 2}))["items"][0]["href"]
    assert "no command" in (await anna.get(f"http://insula{hidden}")).text


async def test_a_command_of_a_gateway_that_is_gone_expires(it: Door) -> None:
    admin = await it.admin()
    lamp = it.home.device(1, "level")
    it.home.zwave.block(lamp.device_id)
    answer = await late(it, admin.post("/commands", json={"device": lamp.device_id, "point": "level", "value": 10}))
    await it.home.clock.advance(COMMAND_LIFE_MS / 1000 + 1)
    said = json(await admin.get(f"http://insula{answer.headers['location']}"))
    assert said["outcome"] == "expired"
    it.home.zwave.unblock(lamp.device_id)
