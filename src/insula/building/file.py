"""The building file: one TOML file that says what there is. How to write one: docs/how-to/describe-a-building.md."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from insula.building.check import Placed, check_placed
from insula.building.file_devices import DeviceReader, RoomLine
from insula.building.file_lines import Lines
from insula.building.file_settings import read_building, read_gateways, read_minutes, read_mode, read_rules, read_tags
from insula.building.file_table import Faults, Table, hint
from insula.building.model import BeaconPlan, BuildingPlan, RoomPlan
from insula.building.names import give_names
from insula.errors import BuildingFileError, InputError
from insula.messages import Mode


def load_plan(path: Path, known: BuildingPlan | None = None) -> BuildingPlan:
    """The building that the file describes, everything resolved.

    ``known``: the building as it is now: devices that are in it keep the names of 2020 that were given to them. A
    file of rules is looked for from the building file's folder on.
    Raises BuildingFileError with every fault and its line; InputError when the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    return parse_plan(text, known, path.parent)


def parse_plan(text: str, known: BuildingPlan | None = None, folder: Path | None = Path()) -> BuildingPlan:
    """As ``load_plan``, from the text of a file in ``folder``; None: no other file is read."""
    values = _values(text)
    faults = Faults(Lines(text))
    top = Table(values, (), faults)
    building = top.table("building")
    mode = read_mode(building)
    site, settings = read_building(building)
    rules = read_rules(building, settings.rules, folder, known)
    gateways = read_gateways(top.tables("gateway"))
    placed = Placed(gateways)
    _read_rooms(top, placed)
    _read_beacons(top, placed)
    top.close("the file")
    check_placed(placed, faults)
    found = faults.in_order()
    if found:
        raise BuildingFileError(found)
    plan = BuildingPlan(
        site=site,
        mode=mode,
        settings=settings,
        rules=rules,
        gateways=tuple(placed.gateways.values()),
        rooms=placed.plans(),
    )
    return give_names(plan, known)


def _values(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else max(1, text.count("\n"))
        raise BuildingFileError([(line, f"not TOML: {error}")]) from error


def _read_rooms(top: Table, placed: Placed) -> None:
    reader = DeviceReader(placed.gateways)
    types = _room_types(top.table("room_type"))
    for floor in top.tables("floor"):
        number = floor.require("number", int, 0)
        mode = read_mode(floor)
        for table in floor.tables("rooms"):
            _read_room(table, number, mode, types, reader, placed)
        floor.close("a floor")


def _room_types(table: Table) -> dict[str, list[Table]]:
    types = {}
    for name in table.values:
        room_type = table.table(name)
        types[name] = room_type.tables("devices")
        room_type.close(f"room type {name}")
    return types


def _read_room(
    table: Table, floor: int, mode: Mode | None, types: dict[str, list[Table]], reader: DeviceReader, placed: Placed
) -> None:
    line = RoomLine(table, table.require("number", int, 0), floor)
    type_name = table.get("type", str, "")
    if type_name and type_name not in types:
        table.fault(f"unknown room type {type_name!r}{hint(type_name, types)}", "type")
    room = RoomPlan(
        number=line.number,
        floor=floor,
        name=table.get("name", str, ""),
        tags=read_tags(table),
        mode=read_mode(table) or mode,
        hand_hold_s=_seconds(read_minutes(table, "hand_hold_min")),
        empty_hold_s=_seconds(read_minutes(table, "empty_hold_min")),
        beacons=tuple(_beacons_of(table)),
    )
    devices = reader.read(line, types.get(type_name, []))
    placed.add(msgspec.structs.replace(room, devices=tuple(devices)), table.path)


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else minutes * 60


def _beacons_of(table: Table) -> Iterator[BeaconPlan]:
    listed = table.raw("beacons") or []
    if not isinstance(listed, list):
        table.fault("beacons must be a list", "beacons")
        listed = []
    single = [("beacon", table.raw("beacon"))] if "beacon" in table.values else []
    for key, text in (*single, *(("beacons", text) for text in listed)):
        beacon = parse_beacon(text)
        if beacon is None:
            table.fault(f"{text!r} is no beacon: uuid/major/minor, major and minor 0 to 65535", key)
        else:
            yield beacon


def parse_beacon(text: object) -> BeaconPlan | None:
    """``b9407f30-f5f8-466e-aff9-25556b57fe6d/17644/12302``; None if it is not one, or not a whole one."""
    parts = str(text).split("/")
    if len(parts) != 3 or not all(re.fullmatch(r"\d{1,5}", part) and int(part) < 65536 for part in parts[1:]):
        return None
    try:
        return BeaconPlan(uuid=str(UUID(parts[0].strip())), major=int(parts[1]), minor=int(parts[2]))
    except ValueError:
        return None


def _read_beacons(top: Table, placed: Placed) -> None:
    """The ``[[beacon]]`` tables: for who keeps the beacons apart from the rooms."""
    for table in top.tables("beacon"):
        whole = [table.require("uuid", str, ""), table.require("major", int, 0), table.require("minor", int, 0)]
        room = table.get("room", int, 0)
        beacon = parse_beacon("/".join(map(str, whole)))
        if beacon is None and {"uuid", "major", "minor"} <= set(table.values):
            table.fault(f"{whole} is no beacon: a UUID, and major and minor from 0 to 65535")
        elif "room" not in table.values:
            table.fault("a beacon without a room")
        elif not placed.has_room(room):
            table.fault(f"a beacon without a room: there is no room {room}", "room")
        elif beacon is not None:
            placed.add_beacon(beacon, room, table.path)
        table.close("a beacon")
