"""Rooms that allow guests: whoever has the room's code may drive it for a while, without an account."""

from typing import Annotated

import msgspec
from litestar import Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from insula.access.attempts import Attempts
from insula.access.presence import (
    VISITS,
    WRONG_CODES,
    PresenceLimits,
    guest_url,
    new_code,
    visits_key,
    wrong_codes_key,
)
from insula.access.rights import Level, Person
from insula.access.secret import digest, new_secret
from insula.api.access import needs
from insula.api.asking import Asked, origin_of, public_url
from insula.api.board import StateBoard
from insula.api.bodies import gives
from insula.api.changing import Changing
from insula.api.errors import Conflict, NotFound, TooMany, Unauthorized
from insula.api.rooms import Rooms
from insula.api.sessions import session_cookie
from insula.store.attempts import count_attempts, find_attempts
from insula.store.audit import Entry, add_entry
from insula.store.guests import (
    CodeRow,
    GuestRow,
    add_guest,
    code_of,
    end_guest,
    guests_of,
    put_code,
    remove_code,
    room_with_code,
    send_away,
)

SVG = "image/svg+xml"


class Coming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: Annotated[str, msgspec.Meta(max_length=200)]


class Allowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    allowed: bool


class Came(msgspec.Struct, frozen=True):
    """``room``: its id; ``ends_at``: ms."""

    name: str
    room: int
    level: Level
    ends_at: int


class Code(msgspec.Struct, frozen=True):
    """``url``: what the room's QR code or tag says; None: the room allows no guests. ``made_at``: ms."""

    allowed: bool = False
    code: str | None = None
    url: str | None = None
    made_at: int | None = None


class Here(msgspec.Struct, frozen=True):
    name: str
    came_at: int
    ends_at: int


class Guests(msgspec.Struct, frozen=True):
    code: Code
    guests: list[Here]


class SentAway(msgspec.Struct, frozen=True):
    sent_away: int


class Visit(msgspec.Struct, frozen=True):
    """``secret``: of the cookie."""

    guest: GuestRow
    secret: str


class GuestDoor:
    def __init__(self, changing: Changing, board: StateBoard, limits: PresenceLimits) -> None:
        self._store, self._clock = changing.store, changing.clock
        self._board = board
        self._limits = limits

    async def come(self, request: Asked, code: str) -> Visit:
        """Raises TooMany, Unauthorized. Only who has tried too often waits: a right code from elsewhere is taken."""
        now, address = self._clock.real(), origin_of(request).address
        room = await self._room(code, address, now)
        if room is None:
            await self._wrong(address, now)
            raise Unauthorized("this code opens nothing")
        visit = Visit(GuestRow(0, room, address, now, now + self._limits.guest_ms), new_secret())
        return await self._let_in(visit, code, request.user)

    async def _room(self, code: str, address: str, now: int) -> int | None:
        """Which room it opens. Raises TooMany."""
        wrong = wrong_codes_key(address)
        async with self._store.read() as connection:
            room = await room_with_code(connection, code)
            visits = visits_key(room or 0, address)
            found = await find_attempts(connection, [wrong, visits])
        self._check(found, {wrong: WRONG_CODES, visits: VISITS}, now)
        return room

    async def _let_in(self, visit: Visit, code: str, before: Person | None) -> Visit:
        """``before``: who the browser was. Raises Unauthorized: the code was renewed at this moment."""
        guest = visit.guest
        async with self._store.write(alone=True) as connection:
            if await room_with_code(connection, code) != guest.room:
                raise Unauthorized("this code opens nothing")
            await count_attempts(connection, [visits_key(guest.room, guest.address)], guest.came_at)
            if before is not None and before.guest:
                await end_guest(connection, -before.id)
            id_ = await add_guest(connection, digest(visit.secret), guest)
            came = Entry(
                at=guest.came_at,
                name=f"guest {id_}",
                address=guest.address,
                action="guest came",
                target=self._name(guest.room),
            )
            await add_entry(connection, came)
        if before is not None:
            self._board.person_changed(before.id)
        return Visit(msgspec.structs.replace(guest, id=id_), visit.secret)

    def _check(self, found: dict[str, Attempts], limits: dict[str, int], now: int) -> None:
        until = max((found[key].refused_until(limit, now) for key, limit in limits.items() if key in found), default=0)
        if until:
            raise TooMany("too many attempts", {"retry_after_s": -(-(until - now) // 1000)})

    async def _wrong(self, address: str, now: int) -> None:
        async with self._store.write(alone=True) as connection:
            await count_attempts(connection, [wrong_codes_key(address)], now)
            await add_entry(connection, Entry(at=now, address=address, action="guest refused"))

    def _name(self, room: int) -> str:
        record = self._board.rooms.get(room)
        return f"room {record.number}" if record is not None else ""


def guest_routes(door: GuestDoor, rooms: Rooms, changing: Changing) -> list[HTTPRouteHandler]:
    return [_coming(door), *_managing(rooms, changing)]


def _coming(door: GuestDoor) -> HTTPRouteHandler:
    @post(
        "/guests",
        summary="Come with a room's code",
        tags=["guests"],
        status_code=200,
        opt=needs("nothing", 401, 409, 429),
    )
    async def come(request: Asked, data: JSONBody[Coming]) -> Response[Came]:
        """Without an account. Answers with a cookie as signing in does; it drives that room until ``ends_at``."""
        if request.user is not None and not request.user.guest:
            raise Conflict(f"you are signed in as {request.user.name}: sign out to come as a guest")
        visit = await door.come(request, data.code)
        guest = visit.guest
        seconds = (guest.ends_at - guest.came_at) // 1000
        body = Came(f"guest {guest.id}", guest.room, "drive", guest.ends_at)
        return Response(body, cookies=[session_cookie(request, visit.secret, seconds)])

    return come


def _managing(rooms: Rooms, changing: Changing) -> list[HTTPRouteHandler]:
    store, clock, needed = changing.store, changing.clock, needs("rooms")

    def managed(request: Asked, number: int) -> int:
        """Its id. Raises NotFound, Forbidden."""
        return rooms.find(request, number, "manage").room_id

    @get("/rooms/{number:int}/guests", summary="A room's guests, and its code", tags=["guests"], opt=needed)
    async def shown(request: Asked, number: FromPath[int]) -> Guests:
        room_id = managed(request, number)
        async with store.read() as connection:
            code = await code_of(connection, room_id)
            guests = await guests_of(connection, room_id, clock.real())
        return Guests(_code(request, code), [Here(f"guest {one.id}", one.came_at, one.ends_at) for one in guests])

    @put("/rooms/{number:int}/guests", summary="Allow guests in a room, or none", tags=["guests"], opt=needed)
    async def allow(request: Asked, number: FromPath[int], data: JSONBody[Allowed]) -> Code:
        """None: those that are there are sent away, and the code opens nothing any more."""
        room_id = managed(request, number)
        async with changing.of(request, "guests", f"room {number}", allowed=data.allowed) as connection:
            if not data.allowed:
                await remove_code(connection, room_id)
            elif await code_of(connection, room_id) is None:
                await put_code(connection, CodeRow(room_id, new_code(), clock.real()))
            return _code(request, await code_of(connection, room_id))

    @post("/rooms/{number:int}/guests/code", summary="A new code for a room", tags=["guests"], opt=needed)
    async def renew(request: Asked, number: FromPath[int]) -> Code:
        """The old one opens nothing any more, and who came with it is sent away. Raises NotFound: no guests there."""
        room_id = managed(request, number)
        async with changing.of(request, "guests' code renewed", f"room {number}") as connection:
            if await code_of(connection, room_id) is None:
                raise NotFound("no guests are allowed there")
            await put_code(connection, CodeRow(room_id, new_code(), clock.real()))
            return _code(request, await code_of(connection, room_id))

    @get(
        "/rooms/{number:int}/guests/code.svg",
        summary="A room's code to print",
        tags=["guests"],
        opt={**needed, **gives(SVG)},
    )
    async def svg(request: Asked, number: FromPath[int]) -> Response[str]:
        """A QR code (ISO/IEC 18004) of the ``url``."""
        room_id = managed(request, number)
        async with store.read() as connection:
            code = await code_of(connection, room_id)
        if code is None:
            raise NotFound("no guests are allowed there")
        from insula.qr import qr_code  # seldom needed: a process without it is smaller

        drawn = qr_code(guest_url(public_url(request), code.code))
        return Response(drawn, media_type=SVG, headers={"Cache-Control": "no-store"})

    @delete(
        "/rooms/{number:int}/guests", summary="Send a room's guests away", tags=["guests"], status_code=200, opt=needed
    )
    async def away(request: Asked, number: FromPath[int]) -> SentAway:
        """The code stays: who has it may come again."""
        room_id = managed(request, number)
        async with changing.of(request, "guests sent away", f"room {number}") as connection:
            return SentAway(await send_away(connection, room_id))

    return [shown, allow, renew, svg, away]


def _code(request: Asked, row: CodeRow | None) -> Code:
    return Code() if row is None else Code(True, row.code, guest_url(public_url(request), row.code), row.made_at)
