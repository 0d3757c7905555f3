"""Rooms from the building file to topic ``state``: tags, holds and modes, over an import that says less."""

import pytest

from insula.building.demo import demo_building
from insula.building.file import parse_plan
from insula.messages import RoomRecord
from insula.store.building import export_plan, import_plan, stored_plan
from insula.store.engine import Store
from insula.store.hands import Scope, read_rooms, set_mode

ROOM_2 = "  { number = 2,"
TAGGED = demo_building().replace(ROOM_2, f'{ROOM_2} tags = ["office"], hand_hold_min = 30, mode = "observe",')
SILENT = demo_building().replace('mode = "active"\n', "")


async def records(store: Store) -> dict[int, RoomRecord]:
    async with store.read() as connection:
        return {record.number: record for record in await read_rooms(connection)}


async def test_a_room_as_every_part_knows_it(store: Store) -> None:
    await import_plan(store, parse_plan(TAGGED))
    found = (await records(store))[2]
    assert (found.building, found.floor, found.tags, found.mode) == ("Insula", 4, ("office",), "observe")
    assert (found.hand_hold_s, found.empty_hold_s) == (1800, None)
    assert (await stored_plan(store)) == parse_plan(TAGGED)
    assert await import_plan(store, parse_plan(await export_plan(store))) == []
    await import_plan(store, parse_plan(TAGGED.replace(' tags = ["office"], hand_hold_min = 30,', "")))
    found = (await records(store))[2]
    assert (found.tags, found.hand_hold_s, found.mode) == ((), None, "observe")


@pytest.mark.parametrize("mode", ["observe", "active"])
async def test_a_new_building_begins_as_it_was_imported(store: Store, mode: str) -> None:
    await import_plan(store, parse_plan(SILENT), mode=mode)
    assert {record.mode for record in (await records(store)).values()} == {mode}


async def test_an_import_changes_no_mode_of_which_it_says_nothing(store: Store) -> None:
    await import_plan(store, parse_plan(SILENT), mode="observe")
    await set_mode(store, "active", Scope(room=2), "anna", 1)
    await import_plan(store, parse_plan(SILENT.replace('name = "Insula"', 'name = "House"')), mode="observe")
    found = await records(store)
    assert {number: record.mode for number, record in found.items()} == {
        1: "observe",
        2: "active",
        10: "observe",
        11: "observe",
    }
    assert {record.building for record in found.values()} == {"House"}
