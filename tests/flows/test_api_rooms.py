"""Places, rooms, devices, history and statistics over the API: filters, pages, and what one may see of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from insula.store.log import LogRow, add_log
from tests.flows.test_guests import allow, come
from tests.flows.test_signing_in import Door, door, json

MINUTE_MS = 60_000


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path) as it:
        yield it


async def all_of(browser: httpx.AsyncClient, path: str, **query: Any) -> list[Any]:
    """Every page, two items each."""
    items: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = json(await browser.get(path, params={"limit": 2, "cursor": cursor, **query}))
        assert len(page["items"]) <= 2
        items += page["items"]
        cursor = page["next"]
    return items


# --- places and rooms


async def test_the_tree_has_what_one_may_see(it: Door) -> None:
    admin, anna = await it.admin(), await it.anna(level="drive")

    def numbers(tree: Any) -> dict[int, str]:
        (site,) = tree["sites"]
        (building,) = site["buildings"]
        return {room["number"]: room["level"] for floor in building["floors"] for room in floor["rooms"]}

    assert numbers(json(await admin.get("/places"))) == dict.fromkeys((1, 2, 10, 11), "manage")
    assert numbers(json(await anna.get("/places"))) == {1: "drive"}


async def test_who_may_see_nothing_has_an_empty_tree(it: Door) -> None:
    anna = await it.anna()
    assert json(await anna.get("/places")) == {"sites": []}
    assert await all_of(anna, "/rooms") == await all_of(anna, "/devices") == []


async def test_rooms_by_page_and_filter(it: Door) -> None:
    admin, anna = await it.admin(), await it.anna(level="see")
    rooms = await all_of(admin, "/rooms")
    assert [room["number"] for room in rooms] == [1, 2, 10, 11]
    assert rooms[0]["kinds"] == {"blind": 1, "radiator": 1, "sensor": 1, "lamp": 1}
    assert rooms[0]["beacons"][0]["minor"] == 12302
    assert [room["number"] for room in await all_of(admin, "/rooms", text="1")] == [1, 10, 11]
    assert await all_of(admin, "/rooms", floor=3) == await all_of(admin, "/rooms", mode="observe") == []
    assert [room["number"] for room in await all_of(anna, "/rooms", floor=4)] == [1]
    assert json(await anna.get(f"/rooms/{rooms[0]['id']}")) == rooms[0] | {"level": "see"}


async def test_a_hidden_room_is_no_room(it: Door) -> None:
    anna, hidden = await it.anna(level="see"), await it.room_id(2)
    for path in ("/rooms/{}", "/rooms/{}/values"):
        one, other = await anna.get(path.format(hidden)), await anna.get(path.format(99))
        assert (one.status_code, one.text.replace(str(hidden), "N")) == (404, other.text.replace("99", "N"))


async def test_a_cursor_that_nobody_gave_is_refused(it: Door) -> None:
    admin = await it.admin()
    for cursor in ("x", "WzFd", "e30", "ä", "WyJhIiwiYiIsImMiXQ"):
        json(await admin.get("/rooms", params={"cursor": cursor}), 400)
    json(await admin.get("/devices", params={"limit": 0}), 400)


# --- devices and values


async def test_devices_by_page_and_filter(it: Door) -> None:
    admin, anna = await it.admin(), await it.anna(level="see")
    assert len(await all_of(admin, "/devices")) == 16
    assert {device["room"] for device in await all_of(anna, "/devices")} == {1}
    assert await all_of(anna, "/devices", room=2) == await all_of(anna, "/devices", room=999) == []
    assert len(await all_of(admin, "/devices", protocol="knx", kind="blind")) == 4
    assert len(await all_of(admin, "/devices", point="temperature", room=2)) == 1
    assert await all_of(admin, "/devices", quality="stale") == []
    hidden = it.home.device(2, "valve").device_id
    one, other = await anna.get(f"/devices/{hidden}"), await anna.get("/devices/999")
    assert (one.status_code, one.text.replace(str(hidden), "N")) == (404, other.text.replace("999", "N"))


async def test_a_device_says_what_it_can(it: Door) -> None:
    admin = await it.admin()
    blind = json(await admin.get(f"/devices/{it.home.device(1, 'position').device_id}"))
    points = {point["point"]: point for point in blind["points"]}
    assert (points["position"]["unit"], points["position"]["high"], points["position"]["writable"]) == ("%", 100, True)
    assert (points["wind_alarm"]["alarm"], points["wind_alarm"]["writable"]) == (True, False)


async def test_a_devices_faults_are_found(it: Door) -> None:
    admin = await it.admin()
    await it.home.clock.advance(6)
    it.home.zwave.cut("unplugged")
    await it.home.clock.advance(0)
    away = await all_of(admin, "/devices", fault="gateway_away")
    assert {device["protocol"] for device in away} == {"zwave"}
    assert len(away) == len(await all_of(admin, "/devices", fault="any")) == 8
    assert len(await all_of(admin, "/devices", fault="none")) == 8


async def test_values_have_age_quality_and_cause_and_come_from_memory(it: Door) -> None:
    anna = await it.anna(level="drive")
    sensor = await it.home.measure(1, "temperature", 21.5)
    await it.home.clock.advance(120)
    room = await it.room_id(1)
    said = json(await anna.get(f"/rooms/{room}/values"))
    (value,) = [one for one in said["values"] if one["point"] == "temperature"]
    assert (value["value"], value["unit"], value["quality"], value["fresh"]) == (21.5, "°C", "good", True)
    assert (value["device_id"], value["age_s"], value["cause"]["kind"]) == (sensor.device_id, 120, "device")
    means = {mean["point"]: mean for mean in said["means"]}
    assert means["temperature"]["value"] == 21.5
    assert (means["humidity"]["value"], means["humidity"]["why"]) == (None, "it has not reported since the start")
    await it.home.clock.advance(1800)
    said = json(await anna.get(f"/devices/{sensor.device_id}/values"))
    assert (said["values"][0]["fresh"], said["values"][0]["why"]) == (False, "device 3 last reported 32 min ago")


async def test_a_device_driven_by_hand_says_why_its_value_is_so(it: Door) -> None:
    anna = await it.anna(level="drive")
    it.home.knx.echo = True
    radiator = it.home.device(1, "valve").device_id
    said = json(await anna.post("/commands", json={"device": radiator, "point": "valve", "value": 35}))
    (value,) = json(await anna.get(f"/devices/{radiator}/values"))["values"]
    assert (value["value"], value["cause"]["id"]) == (35, said["commands"][0]["id"])


async def test_a_guest_sees_the_room_and_nothing_of_people(it: Door) -> None:
    anna = await it.anna(level="drive")
    it.home.knx.echo = True
    radiator = it.home.device(1, "valve").device_id
    wish = {"device": radiator, "point": "valve", "value": 35}
    command = json(await anna.post("/commands", json=wish))["commands"][0]
    guest = await come(it, (await allow(it))["code"])
    assert {device["room"] for device in await all_of(guest, "/devices")} == {1}
    for path in (f"/rooms/{await it.room_id(1)}/values", f"/devices/{radiator}", f"/commands/{command['id']}"):
        said = (await guest.get(path)).text
        assert command["id"] in said
        assert "anna" not in said
    own = json(await guest.post("/commands", json=wish | {"value": 40}))["commands"][0]
    assert (own["outcome"], own["by"]["kind"]) == ("done", "guest")
    assert it.home.knx.sent[-1].origin.kind == "guest"


# --- history and statistics


async def logged(it: Door, point: str, *values: float) -> int:
    """A value a minute until now."""
    device, now = it.home.device(1, point).device_id, it.home.clock.now()
    begin = now - len(values) * MINUTE_MS
    rows = [LogRow(begin + at * MINUTE_MS, value, REASON[point], device) for at, value in enumerate(values)]
    async with it.home.store.write() as connection:
        await add_log(connection, rows)
    return device


REASON = {"temperature": "temperature", "motion": "sensor", "valve": "read_percentage_radiator"}


async def test_history_of_a_device_and_of_a_room(it: Door) -> None:
    anna = await it.anna(level="see")
    device = await logged(it, "temperature", 20, 21, 22)
    one = json(await anna.get("/history", params={"device": device, "point": "temperature", "points": 10_000}))
    assert [(one["mean"], one["known"]) for one in one["windows"]][:2] == [(20, 10_000)] * 2
    room = json(await anna.get("/history", params={"room": 1, "point": "temperature", "points": 10_000}))
    assert room["windows"] == one["windows"]
    json(await anna.get("/history", params={"room": 1, "point": "co2"}), 404)
    json(await anna.get("/history", params={"point": "co2"}), 400)
    hidden, missing = [await anna.get("/history", params={"room": n, "point": "valve"}) for n in (2, 999)]
    assert (hidden.status_code, hidden.text.replace("2", "999", 1)) == (404, missing.text)


async def test_export_gives_every_value(it: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insula.store.history_export.AT_ONCE", 2)
    anna = await it.anna(level="see")
    device = await logged(it, "temperature", 20, 21.25, 22, 23)
    answer = await anna.get("/history/export", params={"device": device, "point": "temperature"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines() == [
        "time,value",
        "2025-12-31T23:56:00.000Z,20",
        "2025-12-31T23:57:00.000Z,21.25",
        "2025-12-31T23:58:00.000Z,22",
        "2025-12-31T23:59:00.000Z,23",
    ]
    hours = await anna.get("/history/export", params={"device": device, "point": "temperature", "tier": "hours"})
    assert hours.text == "time,mean,minimum,maximum,last,known\n"
    hidden = it.home.device(2, "valve").device_id
    json(await anna.get("/history/export", params={"device": hidden, "point": "valve"}), 404)


async def test_statistics_of_a_room(it: Door) -> None:
    anna = await it.anna(level="see")
    await logged(it, "temperature", *[18] * 30, *[21] * 30)
    await logged(it, "motion", *[0] * 30, *[1] * 30)
    await logged(it, "valve", *[90] * 30, *[10] * 30)
    begin = it.home.clock.now() - 60 * MINUTE_MS
    said = json(await anna.get("/statistics", params={"room": 1, "from": begin}))
    points = {one["point"]: one for one in said["points"]}
    assert (points["temperature"]["mean"], points["temperature"]["minimum"]) == (19.5, 18)
    assert (said["comfort_h"], said["temperature_known_h"], said["occupied_h"]) == (0.5, 1, 0.5)
    assert (said["empty_heated_h"], said["valve_percent_h"]) == (0.5, 50)
    json(await anna.get("/statistics", params={"room": 2}), 404)
