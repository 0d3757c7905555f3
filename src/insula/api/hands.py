"""Hands off over HTTP: which rooms are only observed, and all of them at once."""

from typing import TypedDict

import msgspec
from litestar import get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from insula.api.access import acting, may, need_all, need_everywhere, needs
from insula.api.asking import Asked
from insula.api.audit import Audit
from insula.api.board import StateBoard
from insula.api.errors import NotFound, RequestError
from insula.clock import Clock
from insula.messages import Mode, RoomRecord, Text
from insula.store.engine import Store
from insula.store.hands import Scope, building_mode, read_rooms, set_mode


class NewMode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``observe``: the rules decide and report, nothing is written; ``active``. Of a room or a floor by its number;
    neither: of the building, and so of every room. ``by``: who does this, at the console."""

    mode: Mode
    room: int | None = None
    floor: int | None = None
    by: Text = ""


class RoomMode(TypedDict):
    number: int
    name: str
    floor: int
    mode: Mode


class Modes(TypedDict):
    """``building``: of rooms to come."""

    building: Mode
    rooms: list[RoomMode]


class Changed(TypedDict):
    """``rooms``: how many; ``reached``: controllers and gateways have been told."""

    scope: str
    mode: Mode
    rooms: int
    reached: bool


def hands_routes(board: StateBoard, store: Store, clock: Clock, audit: Audit) -> list[HTTPRouteHandler]:
    @get("/mode", summary="Which rooms are only observed", tags=["control"], opt=needs("rooms"))
    async def modes(request: Asked) -> Modes:
        """Of the rooms that one may see."""
        async with store.read() as connection:
            rooms, mode = await read_rooms(connection), await building_mode(connection)
        return {"building": mode, "rooms": [_shown(room) for room in rooms if may(request, "see", room.room_id)]}

    @put(
        "/mode", summary="Hands off, or on again: the building, a floor or a room", tags=["control"], opt=needs("rooms")
    )
    async def change(request: Asked, data: JSONBody[NewMode]) -> Changed:
        """``reached``: the rooms' new mode is on topic ``state``, where controllers and gateways read it."""
        if data.room is not None and data.floor is not None:
            raise RequestError("a room or a floor, not both")
        scope = Scope(data.room, data.floor)
        await _check(request, scope)
        entry = audit.entry(request, f"mode {data.mode}", str(scope), data.by)
        rooms = await set_mode(store, data.mode, scope, acting(request, data.by), clock.real(), entry)
        if not rooms and scope != Scope():
            raise NotFound(f"there is no {scope}")
        reached = await board.until(lambda: all(_is(board, room) for room in rooms))
        return {"scope": str(scope), "mode": data.mode, "rooms": len(rooms), "reached": reached}

    async def _check(request: Asked, scope: Scope) -> None:
        """Raises NotFound, Forbidden."""
        if scope == Scope():
            return need_everywhere(request, "manage")
        async with store.read() as connection:
            rooms = [room.room_id for room in await read_rooms(connection) if scope.holds(room)]
        if not rooms:
            raise NotFound(f"there is no {scope}")
        return need_all(request, "manage", rooms, f"there is no {scope}")

    return [modes, change]


def _is(board: StateBoard, room: RoomRecord) -> bool:
    told = board.rooms.get(room.room_id)
    return told is not None and told.mode == room.mode


def _shown(room: RoomRecord) -> RoomMode:
    return {"number": room.number, "name": room.name, "floor": room.floor, "mode": room.mode}
