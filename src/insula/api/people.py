"""From whom a request is: by the cookie of a session, or an API token."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from insula.access.attempts import refused_until
from insula.access.passwords import hashed, is_outdated, is_right
from insula.access.rights import RoomPlace
from insula.access.secret import TOKEN, digest, new_secret
from insula.api.board import StateBoard
from insula.api.errors import TooMany, Unauthorized
from insula.api.signed import Lookup, Proof, Signed
from insula.clock import Clock
from insula.store.accounts import AccountRow, change_account, find_account
from insula.store.attempts import add_failure, forget_failures, is_known, know, read_attempts
from insula.store.audit import Entry, add_entry
from insula.store.engine import Store
from insula.store.sessions import add_session

MOST_KEPT = 10_000
AT_ONCE = 2
"""Passwords that are checked at the same time: each takes 19 MiB."""


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
        self._lookup = Lookup(store, board)
        self._version = (-1, -1)
        self._kept: dict[Proof, Signed] = {}
        self._hashing = asyncio.Semaphore(AT_ONCE)

    # --- who it is

    async def by_session(self, secret: str) -> Signed | None:
        return await self._find(Proof(digest(secret), token=False))

    async def by_token(self, secret: str) -> Signed | None:
        return await self._find(Proof(digest(secret), token=True)) if secret.startswith(TOKEN) else None

    async def again(self, many: Collection[Signed]) -> dict[Proof, Signed]:
        """Who they are now, looked up anew; without those whose session or token is over, or whose account is closed.
        At most ``MOST_AT_ONCE`` (api/signed.py)."""
        self._drop_outdated()
        proofs = {signed.proof for signed in many}
        for proof in proofs:
            self._kept.pop(proof, None)
        return await self._look_up(proofs)

    @property
    def console(self) -> str:
        """The token for the command line on this machine."""
        return self._lookup.console

    @property
    def version(self) -> tuple[int, int]:
        """Another one when rights, or the places where they count, have changed."""
        return self._board.rights, self._board.places

    async def places(self) -> Mapping[int, RoomPlace]:
        """Where each room is, by its id."""
        self._drop_outdated()
        return (await self._lookup.places()).rooms

    def forget(self) -> None:
        """Something was changed here: what is kept is to be looked up again."""
        self._kept.clear()
        self._lookup.forget()

    def _drop_outdated(self) -> None:
        if self.version != self._version:
            self._version = self.version
            self.forget()

    async def _find(self, proof: Proof) -> Signed | None:
        self._drop_outdated()
        kept = self._kept.get(proof)
        if kept is None or not self._is_good(kept, self._clock.real()):
            kept = (await self._look_up([proof])).get(proof)
        return kept

    async def _look_up(self, proofs: Collection[Proof]) -> dict[Proof, Signed]:
        version, now = self._version, self._clock.real()
        found = await self._lookup.find(proofs, now)
        for signed in found.values():
            if version == self._version and self._is_good(signed, now):
                self._keep(signed)
        return found

    def holds(self, signed: Signed) -> bool:
        """Whether this is still so: what goes on for long (a stream) asks before it sends, and looks up again."""
        self._drop_outdated()
        return self._kept.get(signed.proof) is signed and self._is_good(signed, self._clock.real())

    def _is_good(self, signed: Signed, now: int) -> bool:
        return now < signed.until and self._board.told.get(signed.person.id, 0) <= signed.told

    def _keep(self, signed: Signed) -> None:
        self._kept.pop(signed.proof, None)
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[signed.proof] = signed

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
