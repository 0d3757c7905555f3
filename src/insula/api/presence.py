"""Where people say that they are, which makes live what they were given *while there*: for a short time, in one room.

It is a claim and no proof (access/presence.py). The answer to a claim that gives nothing is that of one that names no
room, so nobody finds out rooms by it.
"""

import secrets
from typing import Annotated, Any

import msgspec
import structlog
from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.access.presence import NONCE_MS, REFUSED_REPORTS, PresenceLimits, refused_reports_key
from insula.access.rights import Level, RoomPlace
from insula.access.secret import digest
from insula.api.access import needs
from insula.api.asking import Asked, signed_of
from insula.api.audit import entry_of
from insula.api.board import StateBoard
from insula.api.changing import Changing
from insula.api.errors import Conflict, NotFound
from insula.api.places import Places
from insula.bus.channel import Channel
from insula.bus.keys import rights_key
from insula.errors import Unavailable
from insula.store.attempts import count_attempts, find_attempts
from insula.store.audit import add_entry
from insula.store.guests import forget_guests, room_with_code
from insula.store.presence import (
    PresenceRow,
    add_nonce,
    end_presence,
    find_presence,
    forget_presences,
    put_presence,
    use_nonce,
)

FORGET_EVERY_S = 30
"""What is over is deleted at least so often (real time)."""
Number = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Words = Annotated[str, msgspec.Meta(max_length=200)]

log = structlog.get_logger("insula.api")


class Nonce(msgspec.Struct, frozen=True):
    nonce: str
    ends_at: int


class Where(msgspec.Struct, frozen=True):
    """``room``: its id; ``level``: what one may do there; ``ends_at``: ms, None: it stands anyway."""

    room: int | None = None
    room_number: int | None = None
    level: Level | None = None
    ends_at: int | None = None


class Ended(msgspec.Struct, frozen=True):
    """Whether there was something to end."""

    ended: bool


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was found in the room: a beacon, or the room's own code (guests.py). ``nonce``: the last one given to this
    session or token."""

    nonce: Words
    uuid: Words = ""
    major: Number = 0
    minor: Number = 0
    code: Words = ""


class PresenceApi:
    def __init__(
        self, changing: Changing, places: Places, board: StateBoard, channel: Channel, limits: PresenceLimits
    ) -> None:
        self._store, self._people, self._clock = changing.store, changing.people, changing.clock
        self._places = places
        self._board = board
        self._channel = channel
        self._limits = limits

    async def run(self) -> None:
        """Forget who was where, for ever."""
        while True:
            now = self._clock.real()
            try:
                async with self._store.write() as connection:
                    await forget_presences(connection, now)
                    await forget_guests(connection, now)
            except Unavailable as error:
                log.warning("presences that are over are still in the database", why=str(error))
            await self._clock.real_sleep(FORGET_EVERY_S)

    async def nonce(self, request: Asked) -> Nonce:
        secret, ends_at = secrets.token_urlsafe(24), self._clock.real() + NONCE_MS
        async with self._store.write() as connection:
            await add_nonce(connection, signed_of(request).digest, digest(secret), ends_at)
        return Nonce(secret, ends_at)

    async def report(self, request: Asked, report: Report) -> Where:
        """Raises Conflict: the nonce is none; NotFound."""
        session, now = signed_of(request).digest, self._clock.real()
        place = await self._place(report)
        gives = None if place is None else signed_of(request).person.level(place, there=True)
        changed = False
        async with self._store.write(alone=True) as connection:
            is_good = await use_nonce(connection, session, digest(report.nonce), now)
            if not is_good:
                await self._audit(connection, request, "presence refused", {"why": "nonce"})
            elif place is None or gives is None:
                await self._refused(connection, request)
            else:
                changed = await self._move(connection, request, place, now)
        if not is_good:
            raise Conflict("the nonce is used up, too old, or of another session: ask for a new one")
        if place is None or gives is None:
            raise NotFound(_missing(report))
        if changed:
            await self._tell(signed_of(request).person.id)
        return await self.where(request, place)

    async def leave(self, request: Asked) -> Ended:
        """Whoever has left with one session has left with all."""
        account = signed_of(request).person.id
        async with self._store.write(alone=True) as connection:
            ended = await self._end(connection, request)
        if ended:
            await self._tell(account)
        return Ended(ended)

    async def where(self, request: Asked, at: RoomPlace | None = None) -> Where:
        """Where a presence makes something live for this session; ``at``: a room that one may use anyway counts too."""
        signed, places = signed_of(request), await self._people.places()
        async with self._store.read() as connection:
            row = await find_presence(connection, signed.person.id, self._clock.real())
        found = places.get(row.room) if row is not None and row.session == signed.digest else None
        if row is not None and found is not None and signed.person.while_there(found) is not None:
            return self._shown(found.room, signed.person.level(found, there=True), row.ends_at)
        return self._shown(at.room, signed.person.level(at), None) if at is not None else Where()

    def _shown(self, room: int, level: Level | None, ends_at: int | None) -> Where:
        record = self._board.rooms.get(room)
        return Where(room, record.number if record is not None else None, level, ends_at)

    # --- what a report does

    async def _place(self, report: Report) -> RoomPlace | None:
        """The room that was found; None: what was found names none."""
        places = await self._people.places()
        if report.code:
            async with self._store.read() as connection:
                room = await room_with_code(connection, report.code)
            return places.get(room) if room is not None else None
        try:
            return places.get(self._places.room(report.uuid, report.major, report.minor).room_id)
        except NotFound:
            return None

    async def _move(self, connection: AsyncConnection, request: Asked, place: RoomPlace, now: int) -> bool:
        """Whether something has become live, or is no longer. In a room that one may use anyway nothing is kept."""
        signed = signed_of(request)
        before = await find_presence(connection, signed.person.id, now)
        if signed.person.while_there(place) is None:
            return await self._end(connection, request)
        row = PresenceRow(signed.person.id, signed.digest, place.room, now + self._limits.lease_ms)
        await put_presence(connection, row)
        if before is not None and (before.room, before.session) == (row.room, row.session):
            return False
        record = self._board.rooms.get(place.room) if self._limits.audit_rooms else None
        await self._audit(connection, request, "presence", {}, f"room {record.number}" if record is not None else "")
        return True

    async def _end(self, connection: AsyncConnection, request: Asked) -> bool:
        """Whether there was one."""
        ended = await end_presence(connection, signed_of(request).person.id)
        if ended:
            await self._audit(connection, request, "presence ended", {})
        return ended

    async def _refused(self, connection: AsyncConnection, request: Asked) -> None:
        """It names no room, or gives nothing there. A phone on its way makes a few of them: an entry is for many."""
        key = refused_reports_key(signed_of(request).person.id)
        await count_attempts(connection, [key], self._clock.real())
        count = (await find_attempts(connection, [key]))[key].failures
        if count % REFUSED_REPORTS == 0:
            await self._audit(connection, request, "presence refused", {"why": "room", "reports": count})

    async def _audit(
        self, connection: AsyncConnection, request: Asked, action: str, details: dict[str, Any], target: str = ""
    ) -> None:
        await add_entry(connection, entry_of(request, self._clock.real(), action, target, details))

    async def _tell(self, account: int) -> None:
        """Every process looks the person up again: this one now, the others when the bus has told them. Nobody waits
        for a bus that is away: what is kept is looked up again within a minute in any case."""
        self._board.person_changed(account)
        told = self._board.told[account]
        try:
            await self._channel.forget("state", rights_key(account))
        except Unavailable as error:
            log.warning("other processes do not know yet of a presence", why=str(error))
            return
        await self._board.until(lambda: self._board.told[account] > told)


def presence_routes(api: PresenceApi) -> list[HTTPRouteHandler]:
    needed = needs("sign in")

    @post("/presence/nonce", summary="What the next report has to carry", tags=["presence"], opt=needed)
    async def nonce(request: Asked) -> Nonce:
        """Good for one report of this session or token, within a minute; the one before is none any more."""
        return await api.nonce(request)

    @put("/presence", summary="Say in which room one is", tags=["presence"], opt=needs("sign in", 404, 409))
    async def report(request: Asked, data: JSONBody[Report]) -> Where:
        """What one was given *while there* counts from now until ``ends_at``, in that room alone, for this session or
        token alone; another report makes it longer, or moves it. ``ends_at`` is null where one may do the same anyway:
        nothing is kept then."""
        return await api.report(request, data)

    @get("/presence", summary="In which room one is", tags=["presence"], opt=needed)
    async def where(request: Asked) -> Where:
        """As long as it counts; else all is null."""
        return await api.where(request)

    @delete("/presence", summary="Say that one has left", tags=["presence"], opt=needed, status_code=200)
    async def leave(request: Asked) -> Ended:
        return await api.leave(request)

    return [nonce, report, where, leave]


def _missing(report: Report) -> str:
    """As the routes of 2020 say it."""
    return "no such code" if report.code else f"no beacon {report.uuid} {report.major}/{report.minor}"
