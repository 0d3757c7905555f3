"""Whose sessions and tokens are, and what those people may do where: looked up for many with a few queries."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import NamedTuple

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.access.rights import CONSOLE, CONSOLE_ID, Level, Person, Places, Right, guest
from insula.access.secret import TOKEN, digest, new_secret
from insula.api.board import StateBoard
from insula.store.engine import Store
from insula.store.guests import find_guests
from insula.store.permissions import find_persons, room_places
from insula.store.presence import PresenceRow, find_presences
from insula.store.sessions import SEEN_EVERY_MS, find_sessions, find_tokens, sessions_used

KEPT_MS = 60_000
"""Who a secret belongs to is looked up again after so long (real time), or when rights change."""
FOR_EVER = 1 << 62
MOST_AT_ONCE = 400
"""Old versions of SQLite take 999 variables in a query, and some of these queries name each account twice."""


class Proof(NamedTuple):
    """What was shown, a session's cookie or a token: the sum of its secret."""

    digest: str
    token: bool


@dataclass(frozen=True, slots=True)
class Signed:
    """``digest``: of the session's or the token's secret; ``until``: when it is to be looked up again (ms, real time).
    ``levels``: what the person may do in which room, also by being there; ``everywhere``: in every room, those to come
    too. ``told``: how often it had been told of changed rights when it was looked up."""

    person: Person
    digest: str
    token: bool
    until: int
    levels: Mapping[int, Level]
    everywhere: Level | None
    told: int

    @property
    def proof(self) -> Proof:
        return Proof(self.digest, self.token)


class Found(NamedTuple):
    """``there``: where the person is said to be, with whichever session or token."""

    proof: Proof
    person: Person
    until: int
    there: PresenceRow | None = None


Sight = tuple[bool, tuple[Right, ...], Level, frozenset[int] | None, int | None]
"""Of a person what its levels follow from, and the room where it is."""


class Lookup:
    def __init__(self, store: Store, board: StateBoard) -> None:
        self.console = new_secret(TOKEN)
        """For the command line on this machine: known in this process alone."""
        self._store = store
        self._board = board
        self._places: Places | None = None
        self._forgotten = 0

    async def places(self) -> Places:
        """As last read, or as they are now."""
        if self._places is not None:
            return self._places
        forgotten = self._forgotten
        async with self._store.read() as connection:
            places = Places((await room_places(connection)).values())
        if forgotten == self._forgotten:
            self._places = places
        return places

    def forget(self) -> None:
        """The rooms may be others, or elsewhere."""
        self._forgotten += 1
        self._places = None

    async def find(self, proofs: Collection[Proof], now: int) -> dict[Proof, Signed]:
        """Who these are, of those that are somebody; at most ``MOST_AT_ONCE``. People with the same rights have the
        same ``levels``: the object, too."""
        told, found = self._board.tellings, list(self._consoles(proofs))
        sessions = [proof.digest for proof in proofs if not proof.token]
        tokens = [proof.digest for proof in proofs if proof.token]
        async with self._store.read() as connection:
            if sessions:
                by_session, used = await _by_session(connection, sessions, now)
                found += by_session
            if tokens:
                found += await _by_token(connection, tokens, now)
        if sessions and used:
            async with self._store.write() as connection:
                await sessions_used(connection, used, now)
        return _signed(found, await self.places(), told)

    def _consoles(self, proofs: Collection[Proof]) -> Iterator[Found]:
        console = digest(self.console)
        for proof in proofs:
            if proof.token and compare_digest(proof.digest, console):
                yield Found(proof, Person(CONSOLE_ID, CONSOLE, admin=True), FOR_EVER)


async def _by_session(connection: AsyncConnection, digests: Collection[str], now: int) -> tuple[list[Found], list[str]]:
    """And the sessions of which it is to be written down that they were used."""
    sessions = await find_sessions(connection, digests, now)
    accounts = {session.account for session in sessions}
    persons = await find_persons(connection, accounts) if accounts else {}
    there = await find_presences(connection, accounts, now) if accounts else {}
    found = [
        Found(Proof(one.digest, False), person, min(now + KEPT_MS, one.ends_at), there.get(one.account))
        for one in sessions
        if (person := persons.get(one.account)) is not None
    ]
    others = set(digests).difference(session.digest for session in sessions)
    visits = await find_guests(connection, others, now) if others else {}
    for sum_, visit in visits.items():
        found.append(Found(Proof(sum_, False), guest(visit.id, visit.room), min(now + KEPT_MS, visit.ends_at)))
    return found, [one.digest for one in sessions if one.account in persons and now >= one.seen_at + SEEN_EVERY_MS]


async def _by_token(connection: AsyncConnection, digests: Collection[str], now: int) -> list[Found]:
    tokens = await find_tokens(connection, digests, now)
    accounts = {token.account for token in tokens.values()}
    persons = await find_persons(connection, accounts) if accounts else {}
    there = await find_presences(connection, accounts, now) if accounts else {}
    found = []
    for sum_, token in tokens.items():
        if token.account in persons:
            rooms = None if token.rooms is None else frozenset(token.rooms)
            limited = replace(persons[token.account], limit=token.level, rooms=rooms)
            until = min(now + KEPT_MS, token.ends_at or now + KEPT_MS)
            found.append(Found(Proof(sum_, True), limited, until, there.get(token.account)))
    return found


def _signed(found: Collection[Found], places: Places, told: int) -> dict[Proof, Signed]:
    known: dict[Sight, tuple[Mapping[int, Level], Level | None]] = {}
    signed = {}
    for proof, person, until, there in found:
        room = there.room if there is not None and there.session == proof.digest else None
        if there is not None and room is not None:
            until = min(until, there.ends_at)
        sight = person.admin, person.rights, person.limit, person.rooms, room
        if sight not in known:
            known[sight] = person.levels(places, there=room), person.everywhere(places.buildings)
        signed[proof] = Signed(person, *proof, until, *known[sight], told)
    return signed
