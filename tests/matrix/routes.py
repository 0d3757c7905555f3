"""How each route is called, and for whom its answer is. A route that is not here fails the test by its name.

To add one: a line in ``ROUTES``. What it reveals needs no word: no answer may hold a trace of what the asker may not
see (``estate.TRACE``), whatever the route. Of a kind:

``Listed``   answers to all who have signed in; ``shows``: the traces of a room that must be there if it may be seen.
``InRoom``   of one room, or ``OfDevice`` of one device (its functions get the device): who has ``level`` there
             passes, who only sees is refused (403), others are told that it is not there (404).
``Wide``     for who may do that in every room, those to come too; others are refused (403).
``Admins``   for administrators. ``Own``: about oneself: to all who have signed in. ``Open``: to all.
             Who came with a room's code is refused all of these but those with ``guests``.
``Stream``   the live stream: open to all who have signed in; what it tells of is checked by ``tests/matrix/live.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tests.matrix.estate import EstateDevice, EstateRoom
from tests.matrix.people import Level

Thing = TypeVar("Thing", EstateRoom, EstateDevice)
Shows = Callable[[EstateRoom], set[str]]
Said = Mapping[str, Any]


def _nothing(_: object) -> Said:
    return {}


def _none(_: EstateRoom) -> set[str]:
    return set()


@dataclass(frozen=True)
class Listed:
    query: Said = field(default_factory=dict)
    shows: Shows = _none
    guests: bool = False


@dataclass(frozen=True)
class Of(Generic[Thing]):
    """``path``, ``query``, ``body``: of a room or device. ``otherwise``: what the answer to who may is allowed to be
    beside 200 and 202: the rights were asked, and then something else was in the way. ``sends_away``: a room's guests;
    those who may are not asked where some are."""

    level: Level
    path: Callable[[Thing], Said] = _nothing
    query: Callable[[Thing], Said] = _nothing
    body: Callable[[Thing], Said] | None = None
    otherwise: frozenset[int] = frozenset()
    guests: bool = False
    sends_away: bool = False

    @property
    def acts(self) -> bool:
        return self.level != "see"


class InRoom(Of[EstateRoom]):
    pass


class OfDevice(Of[EstateDevice]):
    pass


@dataclass(frozen=True)
class Wide:
    level: Level
    path: Said = field(default_factory=dict)


@dataclass(frozen=True)
class Admins:
    path: Said = field(default_factory=dict)


@dataclass(frozen=True)
class Own:
    """``harmful``: it would end what the test asks with; only those who may not are asked. ``profile``: the answer
    tells in which rooms one would have to be to do more."""

    path: Said = field(default_factory=dict)
    harmful: bool = False
    guests: bool = False
    profile: bool = False


@dataclass(frozen=True)
class Open:
    path: Said = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    pass


Call = Listed | InRoom | OfDevice | Wide | Admins | Own | Open | Stream


def _beacon(room: EstateRoom) -> Said:
    return room.beacon


def _percentage(room: EstateRoom) -> Said:
    return {**room.beacon, "percentage": "40"}


def _room(room: EstateRoom) -> Said:
    return {"number": room.number}


def _device(device: EstateDevice) -> Said:
    return {"device_id": device.id}


def _number(room: EstateRoom) -> set[str]:
    return {str(room.number)}


def _devices(room: EstateRoom) -> set[str]:
    return {str(id_) for id_ in room.devices.values()}


def _radiator(room: EstateRoom) -> set[str]:
    return {str(room.devices["radiator"])}


LEGACY: dict[str, Call] = {
    **{path: InRoom("drive", query=_beacon, guests=True) for path in ("/open_blinds", "/close_blinds")},
    **{
        path: InRoom("drive", query=_percentage, guests=True)
        for path in ("/percentage_blinds", "/percentage_radiator", "/percentage_dimmers")
    },
    **{
        path: InRoom("see", query=_beacon, guests=True)
        for path in (
            "/read_percentage_blinds",
            "/sensor_get_temperature",
            "/sensor_get_humidity",
            "/sensor_get_luminance",
            "/sensor_get_motion",
            "/dimmer_get_level",
            "/avg_temperature",
            "/avg_humidity",
            "/avg_luminance",
            "/get_devices",
        )
    },
    "/get_beacons": Listed(shows=_number, guests=True),
}

_V1: dict[str, Call] = {
    "GET /places": Listed(shows=_number, guests=True),
    "GET /rooms": Listed({"limit": "1000"}, shows=_number, guests=True),
    "GET /rooms/{number}": InRoom("see", path=_room, guests=True),
    "GET /rooms/{number}/values": InRoom("see", path=_room, guests=True),
    "GET /devices": Listed({"limit": "1000"}, shows=_devices, guests=True),
    "GET /devices/{device_id}": OfDevice("see", path=_device, guests=True),
    "GET /devices/{device_id}/values": OfDevice("see", path=_device, guests=True),
    "GET /commands": Listed({"limit": "1000"}),
    "POST /commands": InRoom(
        "drive",
        body=lambda room: {"room": room.number, "kind": "radiator", "point": "valve", "value": 40},
        guests=True,
    ),
    "POST /commands device": OfDevice(
        "drive",
        body=lambda device: {"device": device.id, "point": device.point, "value": 40},
        otherwise=frozenset({400}),
        guests=True,
    ),
    "GET /history/export": OfDevice("see", query=lambda device: {"device": device.id, "point": device.point}),
    "GET /statistics": InRoom("see", query=lambda room: {"room": room.number}),
    "GET /commands/{command_id}": InRoom("see", path=lambda room: {"command_id": command_of(room)}, guests=True),
    "GET /leases": Listed(shows=_radiator),
    "DELETE /leases/{device_id}": OfDevice("drive", path=_device, otherwise=frozenset({404, 503})),
    "GET /mode": Listed(shows=_number),
    "PUT /mode": InRoom("manage", body=lambda room: {"mode": "active", "room": room.number}),
    "GET /why": InRoom("see", query=lambda room: {"room": room.number}),
    "GET /history": OfDevice("see", query=lambda device: {"device": device.id, "point": device.point}),
    "GET /alerts": Listed(shows=_radiator),
    "POST /alerts/{key}/acknowledge": InRoom(
        "manage", path=lambda room: {"key": alert_of(room)}, otherwise=frozenset({503})
    ),
    "GET /devices/health": Listed({"all": "true"}, shows=_devices),
    "POST /session": Open(),
    "GET /session": Own(guests=True, profile=True),
    "DELETE /session": Own(harmful=True, guests=True),
    "GET /sessions": Own(),
    "DELETE /sessions": Own(harmful=True),
    "PUT /password": Own(),
    "GET /tokens": Own(),
    "POST /tokens": Own(),
    "DELETE /tokens/{id}": Own({"id": 1_000_000}),
    "GET /rooms/{number}/guests": InRoom("manage", path=_room),
    "PUT /rooms/{number}/guests": InRoom("manage", path=_room, body=lambda _: {"allowed": True}),
    "GET /rooms/{number}/guests/code.svg": InRoom("manage", path=_room),
    "POST /rooms/{number}/guests/code": InRoom("manage", path=_room, otherwise=frozenset({201}), sends_away=True),
    "DELETE /rooms/{number}/guests": InRoom("manage", path=_room, sends_away=True),
    "POST /guests": Open(),
    "GET /presence": Own(),
    "DELETE /presence": Own(harmful=True),
    "PUT /presence": Own(),
    "POST /presence/nonce": Own(),
    "WS /live": Stream(),
    "GET /openid": Open(),
    "GET /openid/{provider}": Open({"provider": "none"}),
    "GET /openid/{provider}/callback": Open({"provider": "none"}),
    "POST /openid/{provider}/link": Own({"provider": "none"}),
    **dict.fromkeys(
        (
            "GET /zwave/{gateway}/inclusion",
            "POST /zwave/{gateway}/inclusion",
            "POST /zwave/{gateway}/inclusion/pin",
            "DELETE /zwave/{gateway}/inclusion",
        ),
        Wide("manage", {"gateway": "none"}),
    ),
    **dict.fromkeys(("GET /users", "POST /users", "GET /teams", "GET /rights", "POST /rights", "GET /audit"), Admins()),
    **dict.fromkeys(
        ("PATCH /users/{name}", "DELETE /users/{name}", "PUT /teams/{name}", "DELETE /teams/{name}"),
        Admins({"name": "tcanary-none"}),
    ),
    "DELETE /rights/{id}": Admins({"id": 1_000_000}),
    **dict.fromkeys(("GET /bus/{topic}", "POST /bus/{topic}"), Admins({"topic": "nothing"})),
    **dict.fromkeys(("GET /building", "PUT /building", "POST /building/changes"), Wide("manage")),
    **dict.fromkeys(
        ("GET /rules", "PUT /rules", "GET /rules/shadow", "PUT /rules/shadow", "GET /rules/versions"), Wide("manage")
    ),
    "DELETE /rules/shadow": Wide("manage"),
    "GET /rules/versions/{version}": Wide("manage", {"version": "none"}),
    "POST /rules/versions/{version}/restore": Wide("manage", {"version": "none"}),
}


def _at_v1(name: str) -> str:
    method, path = name.split(maxsplit=1)
    return f"{method} /api/v1{path}"


ROUTES: dict[str, Call] = {
    **{f"GET {path}": call for path, call in LEGACY.items()},
    **{_at_v1(name): call for name, call in _V1.items()},
    "GET /health": Open(),
    "GET /metrics": Open(),
    "GET /docs": Open(),
    "GET /docs/problems": Open(),
    "GET /docs/style.css": Open(),
    "GET /schema": Open(),
    "GET /schema/openapi.json": Open(),
    "GET /schema/{path}": Open({"path": "openapi.json"}),
}
"""By method and path, as the application has it; a word after it: another way to call it. ``WS``: a WebSocket."""

LIVE = "/api/v1/live"


def command_of(room: EstateRoom) -> str:
    """A command to its radiator that was given."""
    return f"command-of-{room.number}"


def alert_of(room: EstateRoom) -> str:
    return f"device-{room.devices['radiator']}-battery"
