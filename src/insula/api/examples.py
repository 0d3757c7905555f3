"""Examples of bodies, for the document of the API: by method and path, by media type."""

from collections.abc import Mapping
from typing import Any

from insula.api.bodies import JSON, TOML

RULES = """\
name = "quiet evenings"

[[rule]]
name = "blinds down at night"
target = "blind.position"
value = 0
when = 'local_time >= "22:00"'
"""

BUILDING = """\
[building]
site = "Campus"
name = "Town hall"
time_zone = "Europe/Paris"

[[gateway]]
id = "knx"
type = "knx"
connection = "tcp"
host = "192.0.2.10"

[[floor]]
number = 1
rooms = [
  { number = 12, name = "Office", devices = [{ kind = "blind", bloc = 1 }] },
]
"""


BEACON = "b9407f30-f5f8-466e-aff9-25556b57fe6d"


def _json(body: Any) -> dict[str, Any]:
    return {JSON: body}


BODIES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("post", "/api/v1/session"): _json({"name": "anna", "password": "staple for anna"}),
    ("put", "/api/v1/password"): _json({"old": "staple for anna", "new": "another for anna"}),
    ("post", "/api/v1/tokens"): _json({"name": "script", "level": "see", "rooms": [1], "days": 30}),
    ("put", "/api/v1/presence"): _json({"nonce": "Jk2...", "uuid": BEACON, "major": 17644, "minor": 12302}),
    ("post", "/api/v1/guests"): _json({"code": "2o4..."}),
    ("put", "/api/v1/rooms/{number}/guests"): _json({"allowed": True}),
    ("post", "/api/v1/users"): _json({"name": "anna", "password": "staple for anna"}),
    ("patch", "/api/v1/users/{name}"): _json({"active": False}),
    ("put", "/api/v1/teams/{name}"): _json({"members": ["anna"]}),
    ("post", "/api/v1/rights"): _json({"user": "anna", "level": "drive", "room": 1}),
    ("post", "/api/v1/commands"): _json({"room": 1, "kind": "blind", "point": "position", "value": 40}),
    ("put", "/api/v1/mode"): _json({"mode": "observe", "room": 12}),
    ("post", "/api/v1/alerts/{key}/acknowledge"): _json({"by": "anna"}),
    ("post", "/api/v1/bus/{topic}"): _json({"key": "close_blinds", "value": {"bloc": 1, "floor": 4}}),
    ("post", "/api/v1/zwave/{gateway}/inclusion"): _json({"what": "include"}),
    ("post", "/api/v1/zwave/{gateway}/inclusion/pin"): _json({"pin": "34673"}),
    ("post", "/api/v1/building/changes"): {TOML: BUILDING},
    ("put", "/api/v1/building"): {TOML: BUILDING},
    ("put", "/api/v1/rules"): {TOML: RULES},
    ("put", "/api/v1/rules/shadow"): {TOML: RULES},
}
