"""The building's own settings, and its gateways, from the building file."""

from datetime import date
from pathlib import Path
from typing import overload
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from insula.building.file_table import Table, hint
from insula.building.model import BuildingPlan, GatewayPlan
from insula.building.place import has_holidays
from insula.building.rules import is_file, load_ruleset
from insula.errors import InputError
from insula.messages import BuildingSettings, GatewayOption, Mode, Protocol, RuleSet

GATEWAY_OPTIONS: dict[str, dict[str, type]] = {
    "knx": {
        "connection": str,
        "host": str,
        "port": int,
        "local_ip": str,
        "multicast": str,
        "telegrams_per_s": float,
        "burst": int,
    },
    "zwave": {"url": str},
}
CONNECTIONS = ("tcp", "udp", "routing")


def read_building(table: Table) -> tuple[str, BuildingSettings]:
    """The site's name, and the settings that every part gets."""
    site = table.get("site", str, "site")
    settings = BuildingSettings(
        name=table.get("name", str, "building"),
        time_zone=_time_zone(table),
        latitude=_degrees(table, "latitude", 90),
        longitude=_degrees(table, "longitude", 180),
        rules=table.get("rules", str, "default"),
        hand_hold_s=read_minutes(table, "hand_hold_min", 60.0) * 60,
        empty_hold_s=read_minutes(table, "empty_hold_min", 15.0) * 60,
        country=table.get("country", str, ""),
        subdivision=table.get("subdivision", str, ""),
        vacation_from=_day(table, "vacation_from"),
        vacation_to=_day(table, "vacation_to"),
    )
    for key, value in (("site", site), ("name", settings.name)):
        if not value:
            table.fault(f"{key} must not be empty", key)
    _check_days(table, settings)
    table.close("[building]")
    return site, settings


def read_mode(table: Table) -> Mode | None:
    """The mode of a building, a floor or a room; None: it says nothing of that."""
    match table.get("mode", str, ""):
        case "observe":
            return "observe"
        case "active":
            return "active"
    if isinstance(table.values.get("mode"), str):
        table.fault(f"mode {table.values['mode']!r} is neither observe nor active", "mode")
    return None


def read_tags(table: Table) -> tuple[str, ...]:
    """Words that scopes of rules name (``tag:office``), each once."""
    tags = table.raw("tags")
    if tags is None:
        return ()
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag.strip() == tag != "" for tag in tags):
        table.fault('tags must be a list of words, such as ["office", "south"]', "tags")
        return ()
    return tuple(dict.fromkeys(tags))


@overload
def read_minutes(table: Table, key: str, default: float) -> float: ...
@overload
def read_minutes(table: Table, key: str, default: None = None) -> float | None: ...
def read_minutes(table: Table, key: str, default: float | None = None) -> float | None:
    """A duration from 0 on, in minutes."""
    if key not in table.values:
        return default
    minutes = table.get(key, float, default or 0.0)
    if not 0 <= minutes < float("inf"):
        table.fault(f"{key} must not be negative", key)
    return minutes


def _day(table: Table, key: str) -> str:
    """A date, as TOML has them or as text; empty if there is none."""
    day = table.raw(key)
    if day is None:
        return ""
    try:
        return (day if type(day) is date else date.fromisoformat(day)).isoformat()
    except (TypeError, ValueError):
        table.fault(f"{key} must be a date, such as 2026-12-24, not {day!r}", key)
        return ""


def _check_days(table: Table, settings: BuildingSettings) -> None:
    first, last = settings.vacation_from, settings.vacation_to
    if last and not first:
        table.fault("vacation_to without vacation_from", "vacation_to")
    elif last and last < first:
        table.fault("vacation_to is before vacation_from", "vacation_to")
    if settings.country and not has_holidays(settings.country, settings.subdivision):
        key = "subdivision" if has_holidays(settings.country) else "country"
        table.fault(f"no holidays are known of {key} {table.values.get(key)!r} (ISO 3166, such as CH and VD)", key)
    elif settings.subdivision and not settings.country:
        table.fault("subdivision without country", "subdivision")


def _time_zone(table: Table) -> str:
    name = table.get("time_zone", str, "UTC")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        table.fault(f"unknown time zone {name!r} (such as Europe/Paris)", "time_zone")
    return name


def _degrees(table: Table, key: str, limit: float) -> float:
    value = table.get(key, float, 0.0)
    if not -limit <= value <= limit:
        table.fault(f"{key} must be between -{limit:g} and {limit:g} degrees", key)
    return value


def read_rules(table: Table, name: str, folder: Path | None, known: BuildingPlan | None) -> RuleSet | None:
    """The rules of a file; None for a set that comes with Insula. If the file is not there, or without a folder, those
    of the building as it is now, when it got them from a file of that name: an export can be imported without it."""
    there = folder is not None and (folder / name).exists()
    if known is not None and known.rules and known.settings.rules == name and not there:
        return known.rules
    if folder is None and is_file(name):
        table.fault("rules: a file of rules is not read from here; bring the rules by themselves", "rules")
        return None
    try:
        ruleset = load_ruleset(name, folder or Path())
    except InputError as error:
        table.fault(f"rules: {error}", "rules")
        return None
    return ruleset if is_file(name) else None


def read_gateways(tables: list[Table]) -> dict[str, GatewayPlan]:
    """By id. The only gateway of a protocol is its default one, unless it says that it is not."""
    gateways: dict[str, GatewayPlan] = {}
    types = [table.values.get("type") for table in tables]
    for table in tables:
        gateway = _gateway(table, alone=types.count(table.values.get("type")) == 1)
        if gateway is None:
            continue
        if gateway.id in gateways:
            table.fault(f"gateway {gateway.id!r} twice", "id")
        gateways[gateway.id] = gateway
    _check_defaults(tables, gateways)
    return gateways


def _gateway(table: Table, *, alone: bool) -> GatewayPlan | None:
    gateway_id = table.require("id", str, "")
    kind = table.require("type", str, "")
    default = table.get("default", bool, alone)
    if kind not in GATEWAY_OPTIONS:
        if kind:
            table.fault(f"unknown gateway type {kind!r}: knx or zwave", "type")
        return None
    protocol: Protocol = "knx" if kind == "knx" else "zwave"
    options = _options(table, protocol)
    table.close(f"a {kind} gateway")
    return GatewayPlan(id=gateway_id, type=protocol, default=default, options=options) if gateway_id else None


def _options(table: Table, protocol: Protocol) -> dict[str, GatewayOption]:
    options: dict[str, GatewayOption] = {
        key: table.get(key, wanted, wanted()) for key, wanted in GATEWAY_OPTIONS[protocol].items()
    }
    given = {key: value for key, value in options.items() if key in table.values}
    if protocol == "zwave":
        _check_url(table)
        return given
    connection = given.setdefault("connection", "tcp")
    if connection not in CONNECTIONS:
        text = f"unknown connection {connection!r}: {', '.join(CONNECTIONS)}{hint(str(connection), CONNECTIONS)}"
        table.fault(text, "connection")
    if connection != "routing":
        table.require("host", str, "")
    if not 0 <= table.get("port", int, 0) <= 65535:
        table.fault("port must be 0-65535", "port")
    return given


def _check_url(table: Table) -> None:
    url = table.require("url", str, "")
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        table.fault(f"url: {error}", "url")


def _check_defaults(tables: list[Table], gateways: dict[str, GatewayPlan]) -> None:
    for protocol in GATEWAY_OPTIONS:
        places = [table for table in tables if table.values.get("type") == protocol]
        defaults = [gateway for gateway in gateways.values() if gateway.type == protocol and gateway.default]
        read = [gateway for gateway in gateways.values() if gateway.type == protocol]
        if read and not defaults:
            places[0].fault(f"no default gateway of type {protocol}: give one of them default = true")
        if len(defaults) > 1:
            names = ", ".join(gateway.id for gateway in defaults)
            places[-1].fault(f"more than one default gateway of type {protocol}: {names}")
