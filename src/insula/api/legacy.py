"""The 16 routes of 2020, for its programs and its phone. All are GET; a beacon names the room."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, Response, Router, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from insula.access.rights import Level
from insula.api.access import ACTS, answers, made_by, may, need, needs
from insula.api.asking import Asked
from insula.api.commands import Commands
from insula.api.driving import Driving
from insula.api.errors import NotFound, RequestError
from insula.api.places import Places
from insula.api.problems import legacy_failure
from insula.api.values import LastValues
from insula.clock import Clock
from insula.messages import Command, CommandResult, DeviceRecord
from insula.points import role
from insula.store.beacons import BeaconRow
from insula.store.engine import Store
from insula.store.log import mean_of_room

MEAN_HOURS = 3
HOUR_MS = 3_600_000
STATUS = {"refused": 409, "failed": 424, "expired": 408}
"""Of a command that was not carried out: Conflict, Failed Dependency, Request Timeout."""

DRIVES = {**ACTS, **answers(202, 404, *STATUS.values())}

Answer = dict[str, Any]
_EXAMPLE = [Example(value="b9407f30-f5f8-466e-aff9-25556b57fe6d")]
Uuid = Annotated[str, QueryParameter(description="proximity UUID of the beacon", examples=_EXAMPLE)]
Major = Annotated[int, QueryParameter(ge=0, le=65535, examples=[Example(value=17644)])]
Minor = Annotated[int, QueryParameter(ge=0, le=65535, examples=[Example(value=12302)])]
_PERCENT = {"type": "number", "minimum": 0, "maximum": 100}
Percentage = Annotated[str, QueryParameter(description="%; blinds: 100 = open", schema_extra=_PERCENT)]
"""Text, because a number with leading zeros is none to the framework; ``_percent`` reads it."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_ONCE = ("uuid", "major", "minor", "percentage")
_NAMED = tuple(name.encode() + b"=" for name in _ONCE)


@dataclass(frozen=True, slots=True)
class LegacyApi:
    """What the routes need; joined in bootstrap."""

    places: Places
    commands: Commands
    driving: Driving
    values: LastValues
    store: Store
    clock: Clock
    open_to_all: bool = False
    """As in 2020, when there were no users."""

    def check(self, request: Asked, level: Level, room: BeaconRow) -> None:
        """Raises Forbidden; NotFound, as for a beacon that is none, for a room one may not see."""
        if self.open_to_all:
            return
        need(request, level, room.room_id, f"no beacon {room.uuid} {room.major}/{room.minor}")


def legacy_router(api: LegacyApi) -> Router:
    """The routes, with failures answered as ``{"success": false, "error": ...}``."""
    handlers = [
        *_driving(api),
        *(_reading(api, route, point, keys) for route, point, keys in READING),
        *(_average(api, route, point) for route, point in AVERAGE),
        *_lists(api),
    ]
    return Router(
        path="/",
        route_handlers=handlers,
        before_request=_refuse_twice,
        exception_handlers={Exception: legacy_failure},
        tags=["2020"],
        opt=needs("nothing" if api.open_to_all else "rooms", 404, guests=True),
    )


async def _refuse_twice(request: Request[Any, Any, Any]) -> None:
    """Which of two values is meant, nobody can tell. The query as it came says quickly that there is one of each."""
    query: bytes = request.scope["query_string"]
    if b"%" not in query and all(query.count(name) < 2 for name in _NAMED):
        return
    for name in _ONCE:
        if len(request.query_params.getall(name, [])) > 1:
            raise RequestError(f"{name}: given twice")


READING = (
    ("read_percentage_blinds", "position", ("percentage", "value")),
    ("sensor_get_temperature", "temperature", ("value",)),
    ("sensor_get_humidity", "humidity", ("value",)),
    ("sensor_get_luminance", "illuminance", ("value",)),
    ("sensor_get_motion", "motion", ("value",)),
    ("dimmer_get_level", "level", ("value",)),
)
AVERAGE = (("avg_temperature", "temperature"), ("avg_humidity", "humidity"), ("avg_luminance", "illuminance"))


# --- driving


def _driving(api: LegacyApi) -> list[HTTPRouteHandler]:
    @get("/open_blinds", summary="Open the room's blinds", opt=DRIVES)
    async def open_blinds(request: Asked, uuid: Uuid, major: Major, minor: Minor) -> Response[Answer]:
        return await _drive(api, request, api.places.room(uuid, major, minor), ("move", "position"), 100)

    @get("/close_blinds", summary="Close the room's blinds", opt=DRIVES)
    async def close_blinds(request: Asked, uuid: Uuid, major: Major, minor: Minor) -> Response[Answer]:
        return await _drive(api, request, api.places.room(uuid, major, minor), ("move", "position"), 0)

    @get("/percentage_blinds", summary="Move the room's blinds", opt=DRIVES)
    async def percentage_blinds(
        request: Asked, uuid: Uuid, major: Major, minor: Minor, percentage: Percentage
    ) -> Response[Answer]:
        return await _drive(api, request, api.places.room(uuid, major, minor), ("position",), _percent(percentage))

    @get("/percentage_radiator", summary="Set the room's radiator valves", opt=DRIVES)
    async def percentage_radiator(
        request: Asked, uuid: Uuid, major: Major, minor: Minor, percentage: Percentage
    ) -> Response[Answer]:
        return await _drive(api, request, api.places.room(uuid, major, minor), ("valve",), _percent(percentage))

    @get("/percentage_dimmers", summary="Set the room's lamps", opt=DRIVES)
    async def percentage_dimmers(
        request: Asked, uuid: Uuid, major: Major, minor: Minor, percentage: Percentage
    ) -> Response[Answer]:
        return await _drive(
            api, request, api.places.room(uuid, major, minor), ("level", "switch"), _percent(percentage)
        )

    return [open_blinds, close_blinds, percentage_blinds, percentage_radiator, percentage_dimmers]


def _percent(text: str) -> float:
    """Leading zeros are taken, as in 2020."""
    if not _NUMBER.fullmatch(text):
        raise RequestError(f"percentage: {text!r} is not a number")
    value = float(text)
    if not 0 <= value <= 100:
        raise RequestError(f"percentage: {text} is not from 0 to 100")
    return value


async def _drive(
    api: LegacyApi, request: Asked, room: BeaconRow, points: tuple[str, ...], value: float
) -> Response[Answer]:
    """Drive every device of the room that has one of ``points``, by the first of them that it has."""
    api.check(request, "drive", room)
    targets = [
        (device, next(point for point in points if device.point(point)))
        for device in api.places.devices(room)
        if any(device.point(point) for point in points)
    ]
    if not targets:
        raise NotFound(f"room {room.room_number} has nothing with a {points[-1]}")
    origin = made_by(request)
    commands = [
        api.commands.command(device, point, float(value > 0) if point == "switch" else value, origin)
        for device, point in targets
    ]
    said = {"route": request.url.path, "value": value, "room": room.room_number}
    outcomes = await api.driving.act(request, f"room {room.room_number}", commands, **said)
    return _answer(outcomes, [device for device, _ in targets])


def _answer(outcomes: list[CommandResult | Command], devices: list[DeviceRecord]) -> Response[Answer]:
    failed = [
        (device, outcome)
        for device, outcome in zip(devices, outcomes, strict=True)
        if isinstance(outcome, CommandResult) and outcome.outcome != "done"
    ]
    if failed:
        error = "; ".join(f"{_name(device)}: {result.outcome}: {result.reason}" for device, result in failed)
        status = max(STATUS[result.outcome] for _, result in failed)
        return Response({"success": False, "error": error}, status_code=status)
    pending = [outcome.id for outcome in outcomes if isinstance(outcome, Command)]
    if pending:
        return Response({"success": True, "pending": [f"/api/v1/commands/{id}" for id in pending]}, status_code=202)
    return Response({"success": True}, status_code=200)


# --- reading


def _reading(api: LegacyApi, route: str, point: str, keys: tuple[str, ...]) -> HTTPRouteHandler:
    async def read(request: Asked, uuid: Uuid, major: Major, minor: Minor) -> Answer:
        room = api.places.room(uuid, major, minor)
        api.check(request, "see", room)
        value = _value(api, room, point)
        return {"success": True} | dict.fromkeys(keys, value)

    return _handler(route, f"The room's {role(point).name} now", read)


def _value(api: LegacyApi, room: BeaconRow, point: str) -> float:
    """The mean of the fresh values (roles averaged by ``any``: 1 if any is 1). Raises NotFound and says why."""
    devices = api.places.devices_with(room, point)
    if not devices:
        raise NotFound(f"room {room.room_number} has nothing with a {point}")
    value, why = api.values.mean(devices, role(point), api.clock.now())
    if value is None:
        raise NotFound(f"room {room.room_number} has no fresh {point}: {why}")
    return int(value) if role(point).whole else value


def _average(api: LegacyApi, route: str, point: str) -> HTTPRouteHandler:
    async def average(request: Asked, uuid: Uuid, major: Major, minor: Minor) -> Answer:
        room = api.places.room(uuid, major, minor)
        api.check(request, "see", room)
        now = api.clock.now()
        async with api.store.read() as connection:
            mean = await mean_of_room(connection, room.room_id, point, now - MEAN_HOURS * HOUR_MS, now)
        if mean is None:
            raise NotFound(f"room {room.room_number} has no {point} of the last {MEAN_HOURS} hours")
        return {"success": True, route: round(mean, 3)}

    return _handler(route, f"The mean {role(point).name} of the last {MEAN_HOURS} hours, weighted by time", average)


# --- lists


def _lists(api: LegacyApi) -> list[HTTPRouteHandler]:
    @get("/get_beacons", summary="All beacons and their rooms")
    async def get_beacons(request: Asked) -> Answer:
        """Of the rooms that one may see."""
        beacons = [
            {"uuid": row.uuid, "major": row.major, "minor": row.minor, "room_number": row.room_number}
            for row in api.places.beacons()
            if api.open_to_all or may(request, "see", row.room_id)
        ]
        return {"success": True, "beacons": beacons}

    @get("/get_devices", summary="The devices of the room")
    async def get_devices(request: Asked, uuid: Uuid, major: Major, minor: Minor) -> Answer:
        room = api.places.room(uuid, major, minor)
        api.check(request, "see", room)
        devices = api.places.devices(room)
        return {"success": True, "devices": [{"id": d.device_id, "name": _name(d)} for d in devices]}

    return [get_beacons, get_devices]


def _name(device: DeviceRecord) -> str:
    return device.kind if device.type == "knx" else device.name or f"node {device.node_id}"


def _handler(route: str, summary: str, function: Callable[..., Awaitable[Answer]]) -> HTTPRouteHandler:
    function.__name__ = route
    return get(f"/{route}", summary=summary, operation_id=route)(function)
