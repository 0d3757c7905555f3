"""From whom a request is: by the cookie of a session, or an API token."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from msgspec.structs import replace

from insula.access.attempts import refused_until
from insula.access.passwords import hashed, is_outdated, is_right
from insula.access.rights import CONSOLE_ID, Level, Person, RoomPlace, guest
from insula.access.secret import TOKEN, digest, new_secret
from insula.api.board import StateBoard
from insula.api.errors import TooMany, Unauthorized
from insula.clock import Clock
from insula.store.accounts import AccountRow, change_account, find_account
from insula.store.attempts import add_failure, forget_failures, is_known, know, read_attempts
from insula.store.audit import Entry, add_entry
from insula.store.engine import Store
from insula.store.guests import find_guest
from insula.store.permissions import find_person, room_places
from insula.store.presence import PresenceRow, find_presence
from insula.store.sessions import SEEN_EVERY_MS, add_session, find_session, find_token, session_used

KEPT_MS = 60_000
"""Who a secret belongs to is looked up again after so long (real time), or when rights change."""
FOR_EVER = 1 << 62
MOST_KEPT = 10_000
AT_ONCE = 2
"""Passwords that are checked at the same time: each takes 19 MiB."""


@dataclass(frozen=True, slots=True)
class Signed:
    """``digest``: of the session's or the token's secret; ``until``: when it is to be looked up again (ms).
    ``levels``: what the person may do in which room, also by being there; ``everywhere``: in every room, those to come
    too. ``told``: how often it had been told of changed rights when it was looked up."""

    person: Person
    digest: str
    token: bool
    until: int
    levels: Mapping[int, Level]
    everywhere: Level | None
    told: int


@dataclass(frozen=True, slots=True)
class From:
    """Where a request came from: its address, and what program says that it is."""

    address: str
    agent: str = ""


class People:
    """Kept in memory, and dropped when the version of the rights on topic ``state`` changes."""

    def __init__(self, store: Store, board: StateBoard, clock: Clock) -> None:
        self._store = store
        self._board = board
        self._clock = clock
        self.console = new_secret(TOKEN)
        """For the command line on this machine: known in this process alone."""
        self._version = (-1, -1)
        self._kept: dict[str, Signed] = {}
        self._places: dict[int, RoomPlace] | None = None
        self._hashing = asyncio.Semaphore(AT_ONCE)

    # --- who it is

    async def by_session(self, secret: str) -> Signed | None:
        return await self._find(digest(secret), self._session)

    async def by_token(self, secret: str) -> Signed | None:
        return await self._find(digest(secret), self._token) if secret.startswith(TOKEN) else None

    async def again(self, signed: Signed) -> Signed | None:
        """Who that is now, looked up anew; None: the session or the token is over, or the account closed."""
        self._drop_outdated()
        self._kept.pop(signed.digest, None)
        return await self._find(signed.digest, self._token if signed.token else self._session)

    @property
    def version(self) -> tuple[int, int]:
        """Another one when rights, or the places where they count, have changed."""
        return self._board.rights, self._board.places

    async def places(self) -> dict[int, RoomPlace]:
        """Where each room is, by its id."""
        self._drop_outdated()
        if self._places is None:
            async with self._store.read() as connection:
                self._places = await room_places(connection)
        return self._places

    def forget(self) -> None:
        """Something was changed here: what is kept is to be looked up again."""
        self._kept.clear()
        self._places = None

    def _drop_outdated(self) -> None:
        if self.version != self._version:
            self._version = self.version
            self.forget()

    async def _find(self, sum_: str, look_up: Callable[[str, int], Awaitable[Signed | None]]) -> Signed | None:
        self._drop_outdated()
        now = self._clock.real()
        kept = self._kept.get(sum_)
        if kept is None or not self._is_good(kept, now):
            version = self._version
            kept = await look_up(sum_, now)
            if kept is not None and version == self._version and self._is_good(kept, now):
                self._keep(kept)
        return kept

    def holds(self, signed: Signed) -> bool:
        """Whether this is still so: what goes on for long (a stream) asks before it sends, and looks up again."""
        self._drop_outdated()
        return self._kept.get(signed.digest) is signed and self._is_good(signed, self._clock.real())

    def _is_good(self, signed: Signed, now: int) -> bool:
        return now < signed.until and self._board.told.get(signed.person.id, 0) <= signed.told

    def _keep(self, signed: Signed) -> None:
        self._kept.pop(signed.digest, None)
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[signed.digest] = signed

    async def _session(self, sum_: str, now: int) -> Signed | None:
        told = self._board.tellings
        async with self._store.read() as connection:
            session = await find_session(connection, sum_, now)
            person = None if session is None else await find_person(connection, session.account)
            there = None if session is None else await find_presence(connection, session.account, now)
            visit = await find_guest(connection, sum_, now) if session is None else None
        if visit is not None:
            until = min(now + KEPT_MS, visit.ends_at)
            return await self._signed(guest(visit.id, visit.room), sum_, False, until, told)
        if session is None or person is None:
            return None
        if now >= session.seen_at + SEEN_EVERY_MS:
            async with self._store.write() as connection:
                await session_used(connection, sum_, now)
        return await self._signed(person, sum_, False, min(now + KEPT_MS, session.ends_at), told, there)

    async def _signed(
        self, person: Person, sum_: str, token: bool, until: int, told: int, there: PresenceRow | None = None
    ) -> Signed:
        """``there``: where the person is said to be, with whichever session or token."""
        places = (await self.places()).values()
        room = there.room if there is not None and there.session == sum_ else None
        if there is not None and room is not None:
            until = min(until, there.ends_at)
        found = {place.room: person.level(place, there=place.room == room) for place in places}
        levels = {room: level for room, level in found.items() if level is not None}
        everywhere = person.everywhere({(place.building, place.site) for place in places})
        return Signed(person, sum_, token, until, levels, everywhere, told)

    async def _token(self, sum_: str, now: int) -> Signed | None:
        told = self._board.tellings
        if compare_digest(sum_, digest(self.console)):
            return await self._signed(Person(CONSOLE_ID, "console", admin=True), sum_, True, FOR_EVER, told)
        async with self._store.read() as connection:
            token = await find_token(connection, sum_, now)
            person = None if token is None else await find_person(connection, token.account)
            there = None if token is None else await find_presence(connection, token.account, now)
        if token is None or person is None:
            return None
        rooms = None if token.rooms is None else frozenset(token.rooms)
        limited = replace(person, limit=token.level, rooms=rooms)
        until = min(now + KEPT_MS, token.ends_at or now + KEPT_MS)
        return await self._signed(limited, sum_, True, until, told, there)

    # --- signing in

    async def sign_in(self, name: str, password: str, origin: From) -> str:
        """The secret of a new session. Raises Unauthorized, the same for a wrong name and a wrong password; TooMany."""
        now = self._clock.real()
        account = await self._allowed(name, origin.address, now)
        kept = account.password if account is not None and account.active else None
        if not await self.is_right(password, kept) or account is None:
            await self.refused(name, name, origin)
            raise Unauthorized("the name or the password is not right")
        if kept is not None and is_outdated(kept):
            await self._hash_again(account, password)
        return await self.begin(account, origin)

    async def begin(self, account: AccountRow, origin: From, by: str = "") -> str:
        """A new session of who has proved who it is: its secret. ``by``: the OpenID provider that says so."""
        now, secret = self._clock.real(), new_secret()
        async with self._store.write(alone=True) as connection:
            await forget_failures(connection, account.name, origin.address)
            await know(connection, account.id, origin.address, now)
            await add_session(connection, digest(secret), account.id, now, origin.address, origin.agent)
            entry = Entry(at=now, account=account.id, name=account.name, address=origin.address, action="sign in")
            await add_entry(connection, replace(entry, details={"by": by} if by else {}))
        return secret

    async def is_right(self, password: str, kept: str | None) -> bool:
        """Takes its time, in a thread."""
        async with self._hashing:
            return await asyncio.to_thread(is_right, password, kept)

    async def hashed(self, password: str) -> str:
        """Raises InputError: too short or too long."""
        async with self._hashing:
            return await asyncio.to_thread(hashed, password)

    async def _allowed(self, name: str, address: str, now: int) -> AccountRow | None:
        """The account of that name. Raises TooMany."""
        async with self._store.read() as connection:
            account = await find_account(connection, name)
            known = account is not None and await is_known(connection, account.id, address, now)
        await self.check_attempts(name, address, now, known=known)
        return account

    async def check_attempts(self, what: str, address: str, now: int, *, known: bool = False) -> None:
        """``what``: a name, or another thing that is tried. Raises TooMany."""
        async with self._store.read() as connection:
            attempts = await read_attempts(connection, what, address)
        until = refused_until(attempts, what, address, now, known=known)
        if until:
            raise TooMany("too many attempts", {"retry_after_s": -(-(until - now) // 1000)})

    async def refused(self, what: str, name: str, origin: From, details: Mapping[str, Any] | None = None) -> None:
        """Counted as an attempt at ``what``, and in the audit."""
        now = self._clock.real()
        async with self._store.write(alone=True) as connection:
            await add_failure(connection, what, origin.address, now)
            entry = Entry(at=now, name=name, address=origin.address, action="sign in refused", details=details or {})
            await add_entry(connection, entry)

    async def _hash_again(self, account: AccountRow, password: str) -> None:
        new = await self.hashed(password)
        async with self._store.write() as connection:
            await change_account(connection, account.id, password=new)
