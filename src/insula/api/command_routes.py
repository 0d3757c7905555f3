"""Commands over HTTP: asking for one, and what became of it and of those before."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from insula.api.access import may, need, needs, sees_names
from insula.api.asking import Asked
from insula.api.devices import Devices, points_of
from insula.api.driving import Became, Driving, Wish
from insula.api.errors import NotFound, RequestError
from insula.api.latest import Cause, cause_of
from insula.api.pages import Cursor, Limit, Number, cursor_of, place_of
from insula.api.rooms import Rooms
from insula.api.times import From, To, moment
from insula.bus.channel import Channel
from insula.clock import Clock
from insula.messages import CommandClass, CommandResult, DeviceRecord, OriginKind, Outcome
from insula.points import ROLES, role
from insula.store.engine import Store
from insula.store.results import Wanted, list_results

DAY_MS = 86_400_000
State = Literal["open", "done", "refused", "expired", "failed"]
Key = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        description="the same key with the same body within a day is carried out once, and answered alike",
        schema_extra={"maxLength": 200, "examples": ["7b0a6c1e-blinds-down"]},
    ),
]
By = Annotated[str, QueryParameter(description="name of the account, the rule, the switch ...")]


class NewCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one device, or of every device of that kind in a room which has the point."""

    point: Annotated[str, Meta(examples=["position"])]
    value: Annotated[float, Meta(description="in the point's unit and range", examples=[40])]
    device: Annotated[int | None, Meta(description="its id", examples=[7])] = None
    room: Annotated[int | None, Meta(description="its number")] = None
    kind: Annotated[str, Meta(description="with a room: blind, lamp ...", examples=["blind"], max_length=64)] = ""


class CommandShown(msgspec.Struct, frozen=True, kw_only=True):
    """``done``: the field bus took it; that the device has arrived is a later value. ``open``: no answer yet."""

    id: str
    outcome: State
    reason: Annotated[str, Meta(description="why it was not done", examples=["held by anna"])]
    device_id: int
    room: Annotated[int | None, Meta(description="number of the device's room; null: it is gone")]
    point: str
    unit: str
    value: float
    class_: Annotated[CommandClass, Meta(description="what ranks lower gives way")] = msgspec.field(name="class")
    by: Cause
    at: Annotated[int, Meta(description="when it was sent, ms, real time")]
    expires_at: int
    answered_at: int | None
    time: Annotated[int, Meta(description="when it was sent, ms of the building's clock")] | UnsetType = UNSET
    href: str


class Commanded(msgspec.Struct, frozen=True):
    """``outcome``: the worst of all; `open` while one has no answer."""

    outcome: State
    commands: list[CommandShown]


class CommandPage(msgspec.Struct, frozen=True):
    items: list[CommandShown]
    next: Annotated[str | None, Meta(description="`cursor` of the next page; null: this is the last")]


WORST: Sequence[State] = ("open", "failed", "expired", "refused", "done")


def command_routes(
    driving: Driving, rooms: Rooms, devices: Devices, channel: Channel, store: Store, clock: Clock
) -> list[HTTPRouteHandler]:
    show, needed = partial(shown, channel), needs("rooms", guests=True)

    @post(
        "/commands",
        summary="Drive a device, or a room's devices of a kind",
        tags=["commands"],
        opt=needs("rooms", 202, guests=True),
        status_code=200,
    )
    async def command(request: Asked, data: JSONBody[NewCommand], key: Key = "") -> Response[Commanded]:
        """Waits up to 2 s for the answers of gateways: 200, whatever they are; `outcome` and `reason` say what
        became of it. 202: one has no answer yet, and `href` (and Location) is where to ask later."""
        wish = _wish(request, data, rooms, devices)
        found = [show(one, request=request) for one in await driving.carry_out(request, wish, key)]
        worst = next(outcome for outcome in WORST if outcome in {one.outcome for one in found})
        waiting = [one.href for one in found if one.outcome == "open"]
        headers = {"Location": waiting[0]} if waiting else {}
        return Response(Commanded(worst, found), status_code=202 if waiting else 200, headers=headers)

    @get("/commands/{command_id:str}", summary="What became of a command", tags=["commands"], opt=needed)
    async def one(request: Asked, command_id: FromPath[str]) -> CommandShown:
        found, missing = await driving.find(command_id), f"no command {command_id}"
        if found is None:
            raise NotFound(missing)
        asked = found.command if isinstance(found, CommandResult) else found
        need(request, "see", channel.devices.room_of(asked.device_id), missing)
        return show(found, request=request)

    @get("/commands", summary="What became of commands, the newest first", tags=["commands"], opt=needs("rooms"))
    async def listed(
        request: Asked,
        room: FromQuery[int | None] = None,
        device: FromQuery[int | None] = None,
        outcome: FromQuery[Outcome | None] = None,
        origin: FromQuery[OriginKind | None] = None,
        by: By = "",
        begin: From = "",
        end: To = "",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> CommandPage:
        """By people, rules and others, in the rooms that one may see; by default of the last 24 hours. An answer is
        here about a second after it was given."""
        until = moment(end, clock.now() + 1)
        start = moment(begin, until - DAY_MS)
        of = _rooms_of(request, rooms, room)
        wanted = Wanted(start=start, end=until, rooms=of, device=device, outcome=outcome, origin=origin, by=by)
        after = place_of(cursor, tuple[Number, str])
        async with store.read() as connection:
            found = await list_results(connection, wanted, limit + 1, after)
        page = found[:limit]
        following = cursor_of(page[-1][0], page[-1][1].id) if len(found) > limit else None
        return CommandPage([show(result, at, request=request) for at, result in page], following)

    return [command, one, listed]


def _rooms_of(request: Asked, rooms: Rooms, number: int | None) -> frozenset[int] | None:
    """Ids of the rooms to look at; None: all that ever were."""
    if number is None and may(request, "see", None):
        return None
    seen = rooms.seen(request)
    return frozenset(room.room_id for room in seen if number in (None, room.number))


# --- what is asked


def _wish(request: Asked, data: NewCommand, rooms: Rooms, devices: Devices) -> Wish:
    """Raises NotFound, Forbidden, RequestError."""
    if (data.device is None) == (data.room is None):
        raise RequestError("give a device or a room")
    if (data.room is None) == bool(data.kind):
        raise RequestError("give a kind with a room, and only then")
    found, name = _targets(request, data, rooms, devices)
    having = [device for device in found if device.point(data.point) is not None]
    if not having:
        raise NotFound(f"{name} has no point {data.point}")
    able = [device for device in having if any(one.writable for one in points_of(device) if one.point == data.point)]
    if not able:
        raise RequestError(f"{data.point} cannot be written there")
    meaning = role(data.point)
    if not meaning.in_range(data.value):
        raise RequestError(
            f"value: {data.value:g} is not from {meaning.low:g} to {meaning.high:g} {meaning.unit}".rstrip()
        )
    return Wish(f"{name}, {data.point}", able, data.point, data.value, msgspec.json.encode(data))


def _targets(request: Asked, data: NewCommand, rooms: Rooms, devices: Devices) -> tuple[list[DeviceRecord], str]:
    """The devices that are meant, and how they are called."""
    if data.device is not None:
        return [devices.find(request, data.device, "drive")], f"device {data.device}"
    room = rooms.find(request, data.room or 0, "drive")
    found = [device for device in rooms.devices(room) if device.kind == data.kind]
    if not found:
        raise NotFound(f"room {room.number} has no {data.kind}")
    return found, f"each {data.kind} of room {room.number}"


# --- what became of it


def shown(channel: Channel, became: Became, time: int | UnsetType = UNSET, *, request: Asked) -> CommandShown:
    result = became if isinstance(became, CommandResult) else None
    command = became.command if isinstance(became, CommandResult) else became
    known = channel.devices.room_of(command.device_id) is not None
    return CommandShown(
        id=command.id,
        outcome=result.outcome if result is not None else "open",
        reason=result.reason if result is not None else "",
        device_id=command.device_id,
        room=channel.devices.get(command.device_id).room_number if known else None,
        point=command.point,
        unit=ROLES[command.point].unit if command.point in ROLES else "",
        value=command.value,
        class_=command.class_,
        by=cause_of(command.origin, names=sees_names(request)),
        at=command.at,
        expires_at=command.expires_at,
        answered_at=result.at if result is not None else None,
        time=time,
        href=f"/api/v1/commands/{quote(command.id, safe='')}",
    )
