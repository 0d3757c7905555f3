"""Whether the rights of each client are still as they were: looked up again when they change, and now and then."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from random import Random
from typing import Protocol

from insula.api.live.client import Client
from insula.api.signed import MOST_AT_ONCE, Proof, Signed
from insula.clock import Clock

AGAIN_MS = (20_000, 50_000)
"""Between two look-ups of a client when nobody says that rights have changed; drawn, so that not all come at once."""


class Knowing(Protocol):
    """Who knows whose a session or a token is (api/people.py)."""

    @property
    def version(self) -> tuple[int, int]: ...

    async def again(self, many: Collection[Signed]) -> Mapping[Proof, Signed]: ...

    def holds(self, signed: Signed) -> bool: ...


class Certainty:
    """A client that is in doubt is told nothing. ``known`` is called with what was found; None: signed out."""

    def __init__(self, people: Knowing, clock: Clock, known: Callable[[Client, Signed | None], None]) -> None:
        self._people = people
        self._clock = clock
        self._known = known
        self._version = people.version
        self._waiting: dict[Client, None] = {}
        self._asked = asyncio.Event()
        self._random = Random()

    def changed(self) -> bool:
        """Whether rights, or the places where they count, are other than when last asked."""
        before, self._version = self._version, self._people.version
        return before != self._version

    def doubt(self, clients: Iterable[Client]) -> None:
        for client in clients:
            client.sure = False
            self._ask(client)

    def look(self, clients: Iterable[Client]) -> None:
        """Some may be due; a session or a token that has come to its end is in doubt."""
        now = self._clock.real()
        for client in clients:
            if client.look_at <= now:
                client.sure = client.sure and client.signed.until > now
                self._ask(client)

    def _ask(self, client: Client) -> None:
        self._waiting[client] = None
        self._asked.set()

    def forget(self, client: Client) -> None:
        self._waiting.pop(client, None)

    async def run(self) -> None:
        """Raises Unavailable; whose turn it was is looked up when this runs again."""
        while True:
            self._asked.clear()
            while self._waiting:
                await self._check(list(islice(self._waiting, MOST_AT_ONCE)))
            await self._asked.wait()

    async def _check(self, clients: Collection[Client]) -> None:
        version, now = self._people.version, self._clock.real()
        found = await self._people.again([client.signed for client in clients])
        if version != self._people.version:
            return
        for client in clients:
            signed = found.get(client.signed.proof)
            if client in self._waiting and (signed is None or self._people.holds(signed)):
                del self._waiting[client]
                self._settle(client, signed, now)

    def _settle(self, client: Client, signed: Signed | None, now: int) -> None:
        if signed is not None:
            client.signed, client.sure = signed, True
            client.look_at = min(signed.until, now + self._random.randint(*AGAIN_MS))
        self._known(client, signed)
