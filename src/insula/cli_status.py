"""``insula status | alerts``: the building at a glance, over HTTP."""

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from insula.ask import get_json, post_json

URL = "http://127.0.0.1:8080"
SHOWN = 20
"""Lines of a list at a glance; how many more there are is said."""
STYLES = {"info": "", "warning": "yellow", "critical": "bold red"}
WORDS = {
    "gateway_away": "behind a gateway that is away",
    "dead": "dead",
    "silent": "silent",
    "unconfirmed": "never confirmed",
    "low_battery": "battery low",
}

Url = Annotated[str, Parameter(help="where the API answers")]
alerts = App(name="alerts", help="Alerts: list, acknowledge.")


def status(*, url: Url = URL) -> int:
    """Parts, gateways, devices and alerts at a glance. Status 1 when something is degraded or an alert waits for a
    person."""
    health = get_json(url, "/health")
    devices = get_json(url, "/api/v1/devices/health")
    found = get_json(url, "/api/v1/alerts")["alerts"]
    console = Console()
    console.print(_parts(health["parts"]))
    for why in health["why"]:
        console.print(f"[red]{escape(why)}[/]", highlight=False)
    console.print(_gateways(health["parts"]))
    console.print(_devices_line(devices), highlight=False)
    if devices["shown"]:
        console.print(_devices(devices["shown"][:SHOWN]))
        _say_more(console, len(devices["shown"]) - SHOWN)
    console.print(_alerts(found[:SHOWN]) if found else "no open alert")
    _say_more(console, len(found) - SHOWN)
    waiting = any("acknowledged_at" not in alert for alert in found)
    return int(health["status"] != "ok" or waiting)


@alerts.command(name="list")
def list_(
    *, all: Annotated[bool, Parameter(negative="", help="also those that are over")] = False, url: Url = URL
) -> None:
    """The alerts that are open."""
    found = get_json(url, f"/api/v1/alerts?all={str(all).lower()}")["alerts"]
    Console().print(_alerts(found) if found else "no alert" if all else "no open alert")


@alerts.command
def acknowledge(key: str, *, by: str = "", url: Url = URL) -> None:
    """Say that an alert was seen: it stays open until its cause is gone, but waits for nobody."""
    alert = post_json(url, f"/api/v1/alerts/{quote(key, safe='')}/acknowledge", {"by": by})
    Console().print(f"acknowledged: {escape(alert['text'])}", highlight=False)


# --- tables


def _parts(parts: dict[str, Any]) -> Table:
    table = Table("part", "status", "why", title="Parts", title_justify="left")
    for name, part in parts.items():
        if not name.startswith(("gateway/", "standby/")):
            table.add_row(name, _status(part["status"]), escape(part["why"]))
    return table


def _gateways(parts: dict[str, Any]) -> Table:
    names = ("gateway", "status", "driven by", "stands by", "telegrams/s", "of", "waiting", "why")
    table = Table(*names, title="Gateways", title_justify="left")
    for name, part in parts.items():
        if name.startswith("gateway/"):
            counters = part["counters"]
            most = counters.get("bus_limit_per_s", 0)
            load = (f"{counters.get('bus_per_s', 0):.1f}", f"{most:g}") if most else ("", "")
            waiting = f"{counters.get('pending', 0):.0f}"
            standby = ", ".join(f"{escape(other)} {_status(how)}" for other, how in part.get("standby", {}).items())
            drives = (escape(part.get("driven_by", "")), standby)
            row = (name.removeprefix("gateway/"), _status(part["status"]), *drives, *load, waiting, escape(part["why"]))
            table.add_row(*row)
    return table


def _status(status: str) -> str:
    return f"[green]{status}[/]" if status == "ok" else f"[bold red]{status}[/]"


def _devices_line(devices: dict[str, Any]) -> str:
    faults = [f"{count} {WORDS[fault]}" for fault, count in devices["counts"].items() if count]
    return f"{devices['devices']} devices: {', '.join(faults) or 'all well'}"


def _devices(rows: list[dict[str, Any]]) -> Table:
    table = Table("device", "name", "room", "gateway", "last sign of life", "battery", "what", title_justify="left")
    for row in rows:
        battery = "" if row["battery"] is None else f"{row['battery']:.0f} %"
        what = ", ".join(word for fault, word in WORDS.items() if row[fault])
        place = (str(row["device_id"]), escape(row["name"]), str(row["room_number"]), row["gateway_id"])
        table.add_row(*place, _time(row["seen_at"]), battery, what)
    return table


def _alerts(found: list[dict[str, Any]]) -> Table:
    key = Column("key", no_wrap=True)  # to be typed, or copied
    table = Table("since", "severity", "alert", key, "acknowledged", "over", title="Alerts", title_justify="left")
    for alert in found:
        seen = _time(alert.get("acknowledged_at"))
        by = alert["acknowledged_by"]
        severity = alert["severity"]
        style = STYLES[severity]
        said = f"[{style}]{severity}[/]" if style else severity
        table.add_row(
            _time(alert["raised_at"]),
            said,
            escape(alert["text"]),
            alert["key"],
            f"{seen} {escape(by)}".strip(),
            _time(alert.get("cleared_at")),
        )
    return table


def _time(moment: int | None) -> str:
    """Of the building's clock, in this machine's time zone."""
    return "" if not moment else datetime.fromtimestamp(moment / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _say_more(console: Console, more: int) -> None:
    if more > 0:
        console.print(f"... and {more} more")
