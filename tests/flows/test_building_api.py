"""The building file over HTTP: export, the differences of an import, the import."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from insula.building.demo import demo_building
from insula.building.file import parse_plan
from insula.store.building import stored_plan
from tests.flows.test_signing_in import Door, door, json

TOML = {"Content-Type": "application/toml"}
ROOM_2 = next(line for line in demo_building().splitlines(keepends=True) if "number = 2," in line)


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path) as it:
        yield it


async def dry(browser: httpx.AsyncClient, text: str, status: int = 200) -> Any:
    return json(await browser.post("/building/changes", content=text, headers=TOML), status)


async def bring(browser: httpx.AsyncClient, text: str, status: int = 200) -> Any:
    return json(await browser.put("/building", content=text, headers=TOML), status)


async def test_an_export_changes_nothing(it: Door) -> None:
    admin = await it.admin()
    answer = await admin.get("/building")
    assert answer.headers["content-type"].startswith("application/toml")
    assert parse_plan(answer.text).rooms == parse_plan(demo_building()).rooms
    assert await dry(admin, answer.text) == {"changes": [], "made": False}


async def test_a_look_shows_the_differences_and_changes_nothing(it: Door) -> None:
    admin, before = await it.admin(), await stored_plan(it.home.store)
    found = await dry(admin, demo_building().replace(ROOM_2, ""))
    assert {"kind": "remove", "what": "room 2"} in found["changes"]
    assert not found["made"]
    assert await stored_plan(it.home.store) == before


async def test_an_import_reaches_every_part_and_is_in_the_audit(it: Door) -> None:
    admin = await it.admin()
    kept = it.home.device(1, "temperature").device_id
    shown = await dry(admin, demo_building().replace(ROOM_2, ""))
    made = await bring(admin, demo_building().replace(ROOM_2, ""))
    assert made == {**shown, "made": True}
    await it.told()
    assert {device.room_number for device in it.home.channel.devices} == {1, 10, 11}
    assert it.home.device(1, "temperature").device_id == kept
    entry = json(await admin.get("/audit", params={"action": "building imported"}))["items"][0]
    assert (entry["name"], entry["details"]["changes"]["remove"]) == ("admin", len(made["changes"]))


async def test_every_fault_has_its_line_and_nothing_is_changed(it: Door) -> None:
    admin, before = await it.admin(), await stored_plan(it.home.store)
    for text in ("[building", demo_building().replace("number = 1", "nummer = 1"), "\x00", ""):
        for found in (await dry(admin, text, 400), await bring(admin, text, 400)):
            assert all(fault["line"] >= 1 and fault["text"] for fault in found["faults"])
            assert found["faults"]
    assert await stored_plan(it.home.store) == before
    binary = await admin.put("/building", content=b"\xff\xfe", headers=TOML)
    assert "UTF-8" in json(binary, 400)["detail"]
    json(await admin.put("/building", json={"site": "x"}), 415)


async def test_no_file_of_the_machine_is_read(it: Door, tmp_path: Path) -> None:
    """Neither its words nor whether it is there come back."""
    admin = await it.admin()
    secret = tmp_path / "secret.toml"
    secret.write_text('name = "hunter2"')
    said = []
    for path in (secret, tmp_path / "nothing.toml"):
        text = demo_building().replace("[building]", f'[building]\nrules = "{path}"')
        assert str(path) in text
        said.append((await dry(admin, text, 400))["faults"])
    assert said[0] == said[1]
    assert "hunter2" not in str(said)


async def test_it_is_for_who_may_manage_everything(it: Door) -> None:
    anna, admin = await it.anna(level="manage"), await it.admin()
    json(await anna.get("/building"), 403)
    await dry(anna, demo_building(), 403)
    await bring(anna, demo_building(), 403)
    json(await admin.post("/rights", json={"user": "anna", "level": "manage", "site": 1}), 201)
    assert await bring(anna, demo_building()) == {"changes": [], "made": True}
