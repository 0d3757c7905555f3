"""``insula lease | hands-off | hands-on | why``: who holds what, and why something moved; over HTTP."""

import getpass
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from cyclopts import App, Parameter

from insula.ask import ask, get_json, put_json
from insula.cli import _say
from insula.errors import InputError

URL = "http://127.0.0.1:8080"
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
Url = Annotated[str, Parameter(help="where the API answers")]
Room = Annotated[int | None, Parameter(help="a room's number")]
Floor = Annotated[int | None, Parameter(help="a floor's number")]
lease = App(name="lease", help="Who holds which device: list, end.")


def me() -> str:
    """Who does this, for the building's records."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


@lease.command(name="list")
def lease_list(*, url: Url = URL) -> None:
    """All that is held, by whom and until when."""
    found = get_json(url, "/api/v1/leases")
    for held in found["leases"]:
        _say(_held(held, found["now"]))
    if not found["leases"]:
        _say("nobody holds anything")


@lease.command(name="end")
def lease_end(device_id: int, *, url: Url = URL) -> None:
    """Let go of a device: from now on the rules decide again."""
    found = ask(url, f"/api/v1/leases/{device_id}?{urlencode({'by': me()})}", "DELETE")
    _say(f"ended: device {found['ended']['device_id']}, held by {_who(found['ended'])}")


def hands_off(*, room: Room = None, floor: Floor = None, url: Url = URL) -> None:
    """Nothing that a rule wishes is written any more: in the building, on a floor, or in a room. People still can."""
    _mode("observe", room, floor, url)


def hands_on(*, room: Room = None, floor: Floor = None, url: Url = URL) -> None:
    """The rules drive again: in the building, on a floor, or in a room."""
    _mode("active", room, floor, url)


def why(
    of: Literal["room", "device"],
    number: int,
    *,
    since: Annotated[str, Parameter(help="so long ago (90m, 2h, 3d), or a time (ISO 8601)")] = "24h",
    limit: int = 50,
    url: Url = URL,
) -> None:
    """Why something moved in a room, or a device did: who, by which rule, what it saw, what became of it."""
    query = {of: number, "from": _begin(since, url), "limit": limit}
    found = get_json(url, f"/api/v1/why?{urlencode(query)}")
    for entry in found["entries"]:
        _say(entry["text"])
    if not found["entries"]:
        _say(f"nothing was asked of {of} {number} in that time")


def _mode(mode: str, room: int | None, floor: int | None, url: str) -> None:
    body = {"mode": mode, "room": room, "floor": floor, "by": me()}
    found = put_json(url, "/api/v1/mode", body)
    way = "" if found["reached"] else "; stored, but not heard of on the bus yet"
    _say(f"{found['scope']}: {found['rooms']} rooms, hands {'off' if mode == 'observe' else 'on'}{way}")


def _begin(since: str, url: str) -> str:
    """The building's clock may run fast: what is some time ago, its API knows."""
    ago = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", since)
    if ago is None:
        try:
            return datetime.fromisoformat(since).astimezone(UTC).isoformat()
        except ValueError:
            raise InputError(f"--since {since}: neither 90m, 2h, 3d nor a time such as 2026-03-11T14:00") from None
    now = int(get_json(url, "/api/v1/leases")["now"])
    return str(max(0, now - round(float(ago[1]) * UNITS_S[ago[2]] * 1000)))


def _held(held: dict[str, Any], now: int) -> str:
    minutes = max(0, held["until"] - now) / 60_000
    place = f"{held['name']} in room {held['room_number']}" if "name" in held else "no device of the building"
    return f"{held['device_id']}: {place}, held by {_who(held)} ({held['reason']}) for {minutes:.0f} min more"


def _who(held: dict[str, Any]) -> str:
    owner = held["owner"]
    return f"{owner.get('kind', 'unknown')} {owner.get('name', '')}".rstrip()
