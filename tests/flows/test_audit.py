"""Who did what to which, from where: each act leaves an entry, entries stay, and they are found."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.house import ROOM_1
from tests.flows.test_signing_in import Door, door, json

SOURCE = Path(__file__).parents[2] / "src" / "insula"
ACTS = {
    "/open_blinds": {},
    "/close_blinds": {},
    "/percentage_blinds": {"percentage": "40"},
    "/percentage_radiator": {"percentage": "40"},
    "/percentage_dimmers": {"percentage": "40"},
}
BEACON = ROOM_1


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path) as it:
        yield it


async def entries(it: Door, **wanted: Any) -> list[dict[str, Any]]:
    """By the console, the newest first."""
    found: list[dict[str, Any]] = json(await it.home.http.get("/api/v1/audit", params=wanted))["items"]
    return found


@pytest.mark.parametrize("route", ACTS)
async def test_what_a_route_of_2020_drove_is_kept_with_who_and_where(it: Door, route: str) -> None:
    anna = await it.anna(level="drive")
    answer = await anna.get(f"http://insula{route}", params={**BEACON, **ACTS[route]})
    assert answer.status_code == 200, answer.text
    (entry,) = await entries(it, action="command", room=1)
    assert (entry["name"], entry["address"], entry["target"]) == ("anna", "192.0.2.7", "room 1")
    assert entry["details"]["commands"]
    assert await entries(it, action="command", device=entry["details"]["devices"][0]) == [entry]


async def test_what_may_not_be_done_leaves_no_act(it: Door) -> None:
    anna = await it.anna(level="see")
    answer = await anna.get("http://insula/open_blinds", params=BEACON)
    assert answer.status_code == 403
    assert await entries(it, action="command") == []


def test_entries_are_added_and_read_and_nothing_else() -> None:
    """No statement changes or removes one: the table's name stands in these files alone, and there in these ways."""
    uses = {
        file.relative_to(SOURCE).as_posix(): set(re.findall(r"(\w+)\(Audit\)|Audit\.(update|delete)", file.read_text()))
        for file in SOURCE.rglob("*.py")
        if re.search(r"import .*\bAudit\b", file.read_text()) and "insula.store.tables" in file.read_text()
    }
    assert uses == {"store/audit.py": {("insert", ""), ("select", "")}}
