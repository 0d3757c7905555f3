"""What a route needs of who asks. A route that does not say so is refused to everybody.

Rooms that one may not see are answered as if they were not there; what one may see but not do is refused.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal, cast

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from insula.access.rights import CONSOLE, CONSOLE_ID, RANK, Level, Person
from insula.api.asking import SIGN_IN, Asked, admin_of, signed_of
from insula.api.errors import Forbidden, NotFound, RequestError, Unauthorized
from insula.api.problems import refuse_socket
from insula.messages import Origin

Need = Literal["nothing", "sign in", "rooms", "manage everything", "admin"]
"""``nothing``: open to all; ``sign in``: about oneself; ``rooms``: the route itself looks at each room (``need``,
``may``); ``manage everything``: every room, and what is of none; ``admin``: an administrator."""


def needs(need: Need, *statuses: int, guests: bool = False) -> dict[str, Any]:
    """For a route's ``opt``; ``statuses``: as of ``answers``; ``guests``: also for who came with a room's code, in that
    room."""
    return {"needs": need, "guests": guests, **answers(*statuses)}


def answers(*statuses: int) -> dict[str, Any]:
    """For a route's ``opt``: what its answers may have for status beside those of every such route (openapi.py)."""
    return {"statuses": statuses}


ACTS: Mapping[str, Any] = {"acts": True}
"""For the ``opt`` of a GET that does something: no link elsewhere does it with somebody's cookie (asking.py)."""


class Guarding:
    """ASGI, before each route. Litestar's own guards get a copy of the route each, which costs as much as all else
    here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            guard(scope)
        except RequestError as error:
            if scope["type"] != ScopeType.WEBSOCKET:
                raise
            await refuse_socket(scope, send, error)
            return
        await self._app(scope, receive, send)


def guard(scope: Scope) -> None:
    """Raises Unauthorized, Forbidden. (An object of the request is made where it is needed: most need none.)"""
    opt = scope["route_handler"].opt
    match opt.get("needs"):
        case "nothing":
            return
        case "sign in" | "rooms":
            if scope["auth"] is None:
                raise Unauthorized(SIGN_IN)
            if scope["auth"].person.guest and not opt.get("guests"):
                raise Forbidden("not for guests")
        case "manage everything":
            need_everywhere(cast(Asked, ASGIConnection(scope)), "manage")
        case "admin":
            admin_of(cast(Asked, ASGIConnection(scope)))
        case _:
            raise Forbidden("nobody has said who may do this")


def may(request: Asked, level: Level, room_id: int | None) -> bool:
    """Whether this may be done in a room; None (of no room): only by who may do it everywhere."""
    signed = signed_of(request)
    found = signed.everywhere if room_id is None else signed.levels.get(room_id)
    return found is not None and RANK[found] >= RANK[level]


def need(request: Asked, level: Level, room_id: int | None, missing: str) -> None:
    """Raises NotFound (``missing``: what is not there) for a room that one may not see; Forbidden."""
    if not may(request, "see", room_id):
        raise NotFound(missing)
    if not may(request, level, room_id):
        raise Forbidden(f"you may not {level} there")


def need_everywhere(request: Asked, level: Level) -> None:
    """Raises Forbidden."""
    if not may(request, level, None):
        raise Forbidden(f"for who may {level} everything")


def need_all(request: Asked, level: Level, rooms: Collection[int], missing: str) -> None:
    """As ``need``, in each of these rooms."""
    for room_id in rooms:
        need(request, level, room_id, missing)


def acting(request: Asked, by: str = "") -> str:
    """Who does this, for the building's records; ``by``: what somebody at the console says of themselves."""
    person = signed_of(request).person
    return f"{by[:180]} ({CONSOLE})" if person.id == CONSOLE_ID and by else person.name


def made_by(request: Asked, by: str = "") -> Origin:
    """Who does this, for messages; ``by``: as in ``acting``. Where the routes of 2020 are open it may be nobody."""
    if request.user is None:
        return Origin(kind="user")
    if request.user.guest:
        return own(request.user)
    return Origin(kind="user", name=acting(request, by)[:200])


def own(person: Person) -> Origin:
    """That of what the person does. No two people have the same: names of accounts differ, and none is the console's
    (store/accounts.py)."""
    return Origin(kind="guest", name=str(-person.id)) if person.guest else Origin(kind="user", name=person.name)


def sees_names(request: Asked) -> bool:
    """A guest is told nothing of people."""
    return not signed_of(request).person.guest
