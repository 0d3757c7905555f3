"""The building file -> the tables, and back."""

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from insula.building.changes import difference
from insula.building.demo import demo_building, demo_plan
from insula.building.file import parse_plan
from insula.building.model import BuildingPlan
from insula.building.names import devices_of
from insula.building.rules import load_ruleset
from insula.errors import BuildingFileError
from insula.messages import BuildingSettings, DeviceRecord
from insula.store.building import export_plan, import_plan, read_settings, stored_plan
from insula.store.changes import latest_change
from insula.store.devices import list_devices, removed_devices
from insula.store.engine import Store
from insula.store.log import LogRow, add_log
from insula.store.tables import Change, Log


async def devices(store: Store) -> list[DeviceRecord]:
    async with store.read() as connection:
        return await list_devices(connection)


async def told(store: Store, text: str) -> list[str]:
    """Import the file; what it says it changed."""
    return [str(change) for change in await import_plan(store, parse_plan(text), at=7)]


ROOM_2 = next(line for line in demo_building().splitlines(keepends=True) if "number = 2," in line)


BLIND, RADIATOR = '  { kind = "blind" },\n', '  { kind = "radiator" },\n'


async def test_an_empty_database_has_no_building(store: Store) -> None:
    assert (await stored_plan(store)).rooms == ()
    assert await export_plan(store) == ""
    async with store.read() as connection:
        assert await read_settings(connection) == BuildingSettings()


async def test_the_first_import_adds_everything(store: Store) -> None:
    changes = await import_plan(store, demo_plan())
    assert {change.kind for change in changes} == {"add"}
    assert len(changes) == 1 + 2 + 4 + 4 + 16
    assert await stored_plan(store) == demo_plan()
    async with store.read() as connection:
        assert await latest_change(connection) == 1
        assert (await read_settings(connection)).time_zone == "Europe/Paris"


@pytest.mark.parametrize("rooms", [4, 300])
async def test_importing_an_export_changes_nothing(store: Store, rooms: int) -> None:
    await import_plan(store, demo_plan(rooms))
    before = await devices(store)
    again = parse_plan(await export_plan(store))
    assert difference(again, await stored_plan(store)) == []
    assert await import_plan(store, again) == []
    assert await devices(store) == before
    async with store.read() as connection:
        assert await latest_change(connection) == 1


async def test_what_an_import_will_do_is_told_first_and_then_done(store: Store) -> None:
    await import_plan(store, demo_plan())
    text = (
        demo_building()
        .replace('"Insula"', '"House"')
        .replace("port = 13671", "port = 3671")
        .replace(ROOM_2, '{ number = 3, name = "new", type = "office", bloc = 3, nodes = [4, 12] },\n')
        .replace('name = "ZE27"', 'name = "ZE28"')
    )
    before = await stored_plan(store)
    expected = [str(change) for change in difference(parse_plan(text), before)]
    assert await told(store, text) == expected
    assert "~ building: name 'Insula' -> 'House'" in expected
    assert "~ gateway knx: options" in expected
    assert "+ room 3" in expected
    assert "- room 2" in expected
    assert "- beacon b9407f30-f5f8-466e-aff9-25556b57fe6d/17644/31456 in room 2" in expected
    assert "+ blind (knx 4/4/3) in room 3" in expected
    assert "- blind (knx 4/4/2) in room 2" in expected
    assert "~ Multisensor 6 (zwave node 4) in room 3: moved from room 2" in expected
    assert "~ ZE28 (zwave node 3) in room 1: name 'ZE27' -> 'ZE28'" in expected
    assert difference(parse_plan(text), await stored_plan(store)) == []


RULES = 'name = "mine"\n[[rule]]\nname = "a"\nwhen = "humidity > 50"\ntarget = "blind.position"\nvalue = 0\n'
WITH_RULES = demo_building().replace("[building]", '[building]\nrules = "mine.toml"')


async def test_a_changed_file_of_rules_is_a_change(store: Store, tmp_path: Path) -> None:
    async def told_with(rules: str) -> list[str]:
        (tmp_path / "mine.toml").write_text(rules)
        return [str(change) for change in await import_plan(store, parse_plan(WITH_RULES, folder=tmp_path))]

    await import_plan(store, demo_plan())
    assert await told_with(RULES) == ["~ building: rules 'default' -> 'mine.toml'"]
    assert await told_with("# a remark\n" + RULES) == []
    assert await told_with(RULES.replace("> 50", "> 55")) == ["~ rules: mine.toml changed"]
    assert (await stored_plan(store)).rules == load_ruleset("mine.toml", tmp_path)
    await import_plan(store, demo_plan())
    assert (await stored_plan(store)).rules is None


async def test_an_export_is_imported_without_its_file_of_rules(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(RULES)
    await import_plan(store, parse_plan(WITH_RULES, folder=tmp_path))
    text = await export_plan(store)
    assert 'rules = "mine.toml"' in text
    elsewhere = tmp_path / "elsewhere"
    assert await import_plan(store, parse_plan(text, await stored_plan(store), elsewhere)) == []
    with pytest.raises(BuildingFileError, match=r"no rule set 'mine\.toml'"):
        parse_plan(text, demo_plan(), elsewhere)


async def test_site_room_and_order_changes_are_told(store: Store) -> None:
    await import_plan(store, demo_plan())
    blind, radiator = (line for line in demo_building().splitlines() if "kind = " in line and "name" not in line)
    text = (
        demo_building()
        .replace('site = "Demo"', 'site = "Campus"')
        .replace("number = 2, ", 'number = 2, name = "corner", ')
        .replace(f"{blind}\n{radiator}\n", f"{radiator}\n{blind}\n")
        .replace("17644/12302", "17644/1")
        .replace(
            'beacon = "b9407f30-f5f8-466e-aff9-25556b57fe6d/17644/1"', 'beacons = ["{0}/17644/9", "{0}/17644/12302"]'
        )
        .replace("{0}", "b9407f30-f5f8-466e-aff9-25556b57fe6d")
    )
    found = await told(store, text)
    assert "~ building: site 'Demo' -> 'Campus'" in found
    assert "~ room 2: name '' -> 'corner'" in found
    assert "~ radiator (knx 0/4/1) in room 1: order" in found
    assert "~ beacon b9407f30-f5f8-466e-aff9-25556b57fe6d/17644/12302 in room 1: order" in found
    assert difference(parse_plan(text), await stored_plan(store)) == []


async def test_devices_keep_their_ids_when_the_file_changes(store: Store) -> None:
    await import_plan(store, demo_plan())
    before = {(d.gateway_id, d.node_id, d.bloc, d.kind): d.device_id for d in await devices(store)}
    await told(store, demo_building().replace("number = 11,", "number = 12,"))
    after = await devices(store)
    assert {(d.gateway_id, d.node_id, d.bloc, d.kind): d.device_id for d in after} == before
    assert {d.room_number for d in after} == {1, 2, 10, 12}


async def test_a_removed_device_keeps_its_history_and_gets_its_id_back(store: Store) -> None:
    await import_plan(store, demo_plan())
    sensor = next(d for d in await devices(store) if d.room_number == 2 and d.kind == "sensor")
    async with store.write() as connection:
        await add_log(connection, [LogRow(1, 0.0, "sensor", sensor.device_id)])
    await told(store, demo_building().replace(ROOM_2, ""))
    async with store.read() as connection:
        assert sensor.device_id in await removed_devices(connection)
        assert len((await connection.execute(select(Log))).all()) == 1
    assert sensor.device_id not in {d.device_id for d in await devices(store)}
    await told(store, demo_building())
    back = next(d for d in await devices(store) if d.device_id == sensor.device_id)
    assert (back.room_number, back.node_id) == (2, sensor.node_id)


async def test_an_import_is_one_transaction_with_its_outbox_row(store: Store) -> None:
    await import_plan(store, demo_plan(), at=5)
    plan = demo_plan()
    broken = BuildingPlan(site=plan.site, settings=plan.settings, rooms=(*plan.rooms, plan.rooms[0]))
    with pytest.raises(IntegrityError):
        await import_plan(store, broken)
    assert await stored_plan(store) == plan
    async with store.read() as connection:
        assert (await connection.execute(select(Change.c.at, Change.c.what))).all() == [(5, "import: 27 changes")]


async def test_names_given_by_an_import_stay(store: Store) -> None:
    lamp = '{{ kind = "lamp", gateway = "knx", points = {{ switch = "6/0/{}" }} }}'
    gateway = '[[gateway]]\nid = "knx"\ntype = "knx"\nhost = "h"\n'

    def file(*lamps: int) -> str:
        inner = ", ".join(lamp.format(number) for number in lamps)
        return f"{gateway}[[floor]]\nnumber = 1\nrooms = [{{ number = 1, devices = [{inner}] }}]\n"

    await import_plan(store, parse_plan(file(1), known=await stored_plan(store)))
    await import_plan(store, parse_plan(file(2, 1), known=await stored_plan(store)))
    found = {device.source: device.bloc for device in devices_of(await stored_plan(store))}
    assert found == {"6/0/2": 2, "6/0/1": 1}
