"""Who moved what and why, over the whole flow: HTTP, wall, rules, a program of 2020; leases, and rules that change."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from insula.building.rules import load_ruleset
from insula.bus.port import Outgoing
from insula.clock import ManualClock, settle
from insula.controller.controller import Controller
from insula.directory.directory import Directory
from insula.messages import Origin
from tests.a_room import MINUTE
from tests.flows.house import House, house

API = "/api/v1"
QUIET = {"motion": 0, "humidity": 40, "illuminance": 500, "position": 50, "valve": 10, "level": 0, "wind_alarm": 0}
DRY = """\
name = "dry"

# a remark
[[rule]]
name = "blinds open when dry"
when = "humidity < 30"
target = "blind.position"
value = 100
"""


@pytest.fixture
async def home(tmp_path: Path, clock: ManualClock) -> AsyncIterator[House]:
    async with house(tmp_path, clock) as it:
        it.tasks.append(asyncio.create_task(Controller(it.channel, clock).run(), name="controller"))
        await settle()
        for point, value in QUIET.items():
            await it.measure(1, point, value)
        await clock.advance(10)
        yield it


async def asked(home: House, method: str, path: str, **more: Any) -> httpx.Response:
    """The answer to a request; the directory looks at once for what it changes."""
    directory = Directory(home.channel, home.store, home.clock, rules=load_ruleset)
    async with asyncio.timeout(20):
        request = asyncio.create_task(home.http.request(method, API + path, **more))
        while not request.done():
            if method in ("PUT", "POST"):
                await directory.look()
            await settle(5)
        return request.result()


async def told(home: House, count: int, **query: Any) -> list[dict[str, Any]]:
    """What ``GET /why`` says of room 1, or of what is asked, once it has so many entries that are answered."""
    async with asyncio.timeout(20):
        while True:
            await home.clock.advance(0.5)
            answer = await home.http.get(f"{API}/why", params=query or {"room": 1})
            assert answer.status_code == 200, answer.text
            entries = list(answer.json()["entries"])
            if len(entries) >= count and all(entry["outcome"] != "open" for entry in entries):
                return entries


# --- why


async def test_a_rules_command_is_explained(home: House) -> None:
    blind = await home.measure(1, "position", 50)
    await home.measure(1, "humidity", 53.2)
    (entry,) = await told(home, 1)
    assert (entry["device_id"], entry["point"], entry["value"]) == (blind.device_id, "position", 0)
    assert entry["actor"] == {"kind": "rule", "name": "blinds close when humid"}
    assert (entry["outcome"], entry["version"]) == ("done", load_ruleset("default").version)
    assert entry["values"]["humidity"] == 53.2
    text = entry["text"]
    assert f"blind {blind.device_id} in room 1, position to 0 %: rule 'blinds close when humid'" in text
    assert "when humidity > 50" in text
    assert f"because humidity of device {home.device(1, 'humidity').device_id} became 53.2" in text
    assert "KNX took it 01:00:10" in text


async def test_that_it_arrived_is_told_with_the_time(home: House) -> None:
    await home.measure(1, "humidity", 60)
    await home.clock.advance(20)
    await home.measure(1, "position", 0)
    async with asyncio.timeout(20):
        while (entry := (await told(home, 1))[0])["arrived_at"] is None:
            await home.clock.advance(1)
    assert (entry["arrived"], "arrived 01:00:30" in entry["text"]) == (0, True)


async def test_the_rules_that_lost_are_named(home: House) -> None:
    weaker = {"name": "blinds half way", "when": "humidity > 45", "target": "blind.position", "value": 40}
    stronger = {**weaker, "name": "blinds close", "value": 0}
    await asked(home, "PUT", "/rules", json={"name": "two", "rules": [stronger, weaker]})
    await home.measure(1, "humidity", 60)
    (entry,) = await told(home, 1)
    assert (entry["rule"], entry["lost"]) == ("blinds close", ["blinds half way"])
    assert "lost: blinds half way" in entry["text"]


async def test_who_moves_by_hand_is_told(home: House) -> None:
    lamp, blind = home.device(1, "level"), home.device(1, "position")
    await home.get("/percentage_dimmers", percentage=35)
    await home.clock.advance(1)
    home.bus_of(blind).press(blind.device_id, "position", 80, origin=Origin(kind="switch", name="1.1.200"))
    await home.clock.advance(1)
    await home.channel.bus.publish([_by_2020(home)])
    entries = await told(home, 3)
    assert [(entry["device_id"], entry["actor"]["kind"], entry["value"]) for entry in entries] == [
        (lamp.device_id, "user", 35),
        (blind.device_id, "switch", 80),
        (home.device(1, "valve").device_id, "unknown", 66),
    ]
    assert "by console, over the API; Z-Wave took it" in entries[0]["text"]
    assert "by hand at the wall: 1.1.200 wrote on the bus" in entries[1]["text"]
    assert "by a program that does not say who it is; KNX took it" in entries[2]["text"]


def _by_2020(home: House) -> Outgoing:
    radiator = home.device(1, "valve")
    body = f'{{"bloc": {radiator.bloc}, "floor": {radiator.floor}, "percentage": 66}}'
    return Outgoing("knx", "percentage_radiator", body.encode())


async def test_one_press_is_one_entry_though_the_blind_tells_its_way(home: House) -> None:
    blind, wall = home.device(1, "position"), Origin(kind="switch", name="1.1.200")
    for value in (60, 70, 80):
        home.bus_of(blind).press(blind.device_id, "position", value, origin=wall)
        await home.clock.advance(5)
    entries = await told(home, 1, device=blind.device_id)
    async with asyncio.timeout(20):
        while entries[-1]["arrived"] != 80:
            entries = await told(home, 1, device=blind.device_id)
    assert [entry["value"] for entry in entries] == [80]  # the press itself is not told
    assert "position to 80 %: by hand at the wall" in entries[-1]["text"]


async def test_a_refusal_names_who_holds_the_device(home: House) -> None:
    await home.get("/percentage_blinds", percentage=80)
    blind = home.device(1, "position")
    weak = f'{{"device_id": {blind.device_id}, "point": "position", "value": 0, "class": "comfort"}}'
    await home.channel.bus.publish([Outgoing("knx", "set_point", weak.encode())])
    await settle()
    entries = await told(home, 2)
    assert entries[-1]["outcome"] == "refused"
    assert "refused 01:00:10: held by user console until 02:00" in entries[-1]["text"]


async def test_pages_go_back_in_time(home: House) -> None:
    for value in (10, 20, 30):
        await home.get("/percentage_dimmers", percentage=value)
        await home.clock.advance(1)
    await told(home, 3)
    first = (await home.http.get(f"{API}/why", params={"room": 1, "limit": 2})).json()
    assert [entry["value"] for entry in first["entries"]] == [20, 30]
    second = (await home.http.get(f"{API}/why", params={"room": 1, "limit": 2, "before": first["after"]})).json()
    assert ([entry["value"] for entry in second["entries"]], second["after"]) == ([10], None)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/why", 400),
        ("/why?room=1&device=1", 400),
        ("/why?room=99", 404),
        ("/why?room=1&from=yesterday", 400),
        ("/why?room=1&before=x", 400),
        ("/history?device=1&point=charm", 400),
        ("/history?device=1&point=humidity", 404),
        ("/history?device=3&point=humidity&from=2026-02-01&to=2026-01-01", 400),
        ("/rules/versions/none", 404),
    ],
)
async def test_what_cannot_be_asked_is_a_problem(home: House, path: str, status: int) -> None:
    answer = await home.http.get(API + path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_history_comes_from_the_tier_that_fits(home: House) -> None:
    sensor = home.device(1, "humidity")
    await home.recorded(40)
    answer = await home.http.get(
        f"{API}/history", params={"device": sensor.device_id, "point": "humidity", "from": home.clock.now() - MINUTE}
    )
    found = answer.json()
    assert (found["tier"], found["unit"], found["windows"][-1]["last"]) == ("raw", "%", 40)


# --- leases


async def test_a_lease_is_listed_and_can_be_ended(home: House) -> None:
    lamp = home.device(1, "level")
    await home.get("/percentage_dimmers", percentage=35)
    await settle()
    (held,) = (await home.http.get(f"{API}/leases")).json()["leases"]
    assert (held["device_id"], held["name"], held["room_number"], held["reason"]) == (
        lamp.device_id,
        "ZE27",
        1,
        "by hand",
    )
    assert held["until"] == home.clock.now() + 60 * MINUTE
    answer = await asked(home, "DELETE", f"/leases/{lamp.device_id}?by=ben")
    assert (answer.status_code, answer.json()["ended"]["device_id"]) == (200, lamp.device_id)
    assert (await home.http.get(f"{API}/leases")).json()["leases"] == []
    assert (await asked(home, "DELETE", f"/leases/{lamp.device_id}")).status_code == 404


async def test_without_a_controller_nobody_ends_a_lease(home: House) -> None:
    lamp = home.device(1, "level")
    await home.get("/percentage_dimmers", percentage=35)
    home.tasks.pop().cancel()
    await settle()
    answer = await home.in_the_end(home.http.delete(f"{API}/leases/{lamp.device_id}"))
    assert answer.status_code == 503


# --- hands off


async def test_a_floor_or_a_room_can_be_observed_alone(home: House) -> None:
    async def modes() -> dict[int, str]:
        rooms = (await home.http.get(f"{API}/mode")).json()["rooms"]
        return {room["number"]: room["mode"] for room in rooms}

    answer = await asked(home, "PUT", "/mode", json={"mode": "observe", "room": 2, "by": "anna"})
    assert answer.json() == {"scope": "room 2", "mode": "observe", "rooms": 1, "reached": True}
    assert await modes() == {1: "active", 2: "observe", 10: "active", 11: "active"}
    assert (await asked(home, "PUT", "/mode", json={"mode": "observe", "floor": 4})).json()["rooms"] == 4
    assert set((await modes()).values()) == {"observe"}
    await asked(home, "PUT", "/mode", json={"mode": "active"})
    assert set((await modes()).values()) == {"active"}
    assert (await asked(home, "PUT", "/mode", json={"mode": "active", "floor": 9})).status_code == 404
    assert (await asked(home, "PUT", "/mode", json={"mode": "active", "floor": 4, "room": 1})).status_code == 400


# --- rules


async def test_new_rules_are_in_force_at_once_and_kept_as_a_version(home: House) -> None:
    before = load_ruleset("default").version
    answer = await asked(home, "PUT", "/rules?by=anna", content=DRY, headers={"content-type": "application/toml"})
    assert answer.status_code == 200, answer.text
    version = answer.json()["version"]
    await home.clock.advance(0.5)
    await home.measure(1, "humidity", 20)
    (entry,) = await told(home, 1)
    assert (entry["rule"], entry["version"], entry["value"]) == ("blinds open when dry", version, 100)
    assert "when humidity < 30" in entry["text"]
    versions = (await home.http.get(f"{API}/rules/versions")).json()["versions"]
    assert [(one["version"], one["by"]) for one in versions] == [(version, "anna (console)"), (before, "import")]
    assert (await home.http.get(f"{API}/rules", params={"form": "toml"})).text == DRY

    answer = await asked(home, "POST", f"/rules/versions/{before}/restore?by=ben")
    assert (answer.status_code, answer.json()["version"]) == (201, before)
    in_force = (await home.http.get(f"{API}/rules")).json()
    assert (in_force["name"], in_force["by"], len(in_force["rules"])) == ("default", "ben (console)", 5)
    old = await home.http.get(f"{API}/rules/versions/{version}", params={"form": "toml"})
    assert old.text == DRY


async def test_rules_that_cannot_work_change_nothing_and_name_their_line(home: House) -> None:
    wrong = DRY.replace("humidity", "humidty").replace("value = 100", "value = 101")
    answer = await asked(home, "PUT", "/rules", content=wrong, headers={"content-type": "application/toml"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    (fault,) = answer.json()["faults"]
    assert (fault["line"], "101 is not within" in fault["text"] or "humidty" in fault["text"]) in ((6, True), (8, True))
    assert (await home.http.get(f"{API}/rules")).json()["name"] == "default"


async def test_rules_come_as_json_too(home: House) -> None:
    rule = {"name": "dry", "when": "humidity < 30", "target": "blind.position", "value": 100}
    answer = await asked(home, "PUT", "/rules", json={"name": "mine", "rules": [rule]})
    assert answer.status_code == 200, answer.text
    assert (await home.http.get(f"{API}/rules")).json()["rules"][0]["when"] == "humidity < 30"
    answer = await asked(
        home, "PUT", "/rules", json={"name": "mine", "rules": [rule, {**rule, "name": "b", "when": "x"}]}
    )
    assert answer.json()["faults"][0]["rule"] == 2
    for nonsense in (b"{", b"[]", b'{"rules": 1}', b'{"rules": [1]}', b'{"name": null, "rules": [{}]}'):
        answer = await asked(home, "PUT", "/rules", content=nonsense, headers={"content-type": "application/json"})
        assert answer.status_code == 400


# --- shadow


async def test_rules_are_tried_as_shadow_and_told_in_why(home: House) -> None:
    assert (await home.http.get(f"{API}/rules/shadow")).status_code == 404
    toml = {"content-type": "application/toml"}
    answer = await asked(home, "PUT", "/rules/shadow?by=anna", content=DRY, headers=toml)
    assert (answer.status_code, answer.json()["shadow"]) == (200, True), answer.text
    version = answer.json()["version"]
    assert (await home.http.get(f"{API}/rules/shadow", params={"form": "toml"})).text == DRY
    assert (await home.http.get(f"{API}/rules")).json()["name"] == "default"
    await home.clock.advance(0.5)
    await home.measure(1, "humidity", 20)
    (entry,) = await told(home, 1)
    assert (entry["rule"], entry["version"], entry["outcome"]) == ("blinds open when dry", version, "shadow")
    assert "shadow rule 'blinds open when dry'" in entry["text"]
    assert "when humidity < 30" in entry["text"]
    assert "only tried, as shadow" in entry["text"]
    assert home.knx.sent == []

    assert (await asked(home, "DELETE", "/rules/shadow?by=anna")).json() == {"shadow": None}
    assert (await home.http.get(f"{API}/rules/shadow")).status_code == 404
    directory = Directory(home.channel, home.store, home.clock, rules=load_ruleset)
    await directory.look()
    await settle()
    await home.measure(1, "humidity", 45)
    await home.measure(1, "humidity", 19)
    assert len(await told(home, 1)) == 1
    (kept,) = [one for one in (await home.http.get(f"{API}/rules/versions")).json()["versions"] if one["shadow"]]
    assert (kept["version"], kept["by"]) == (version, "anna (console)")


async def test_shadow_rules_that_cannot_work_are_refused(home: House) -> None:
    answer = await asked(home, "PUT", "/rules/shadow", content="name = 1", headers={"content-type": "application/toml"})
    assert answer.status_code == 400
    assert (await home.http.get(f"{API}/rules/shadow")).status_code == 404
