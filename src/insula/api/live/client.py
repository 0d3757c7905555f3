"""One client of the stream: what it may see, and what it has yet to be told. Bounded, however slow it reads."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from insula.api.access import own
from insula.api.live.frames import Narrow, Why
from insula.api.live.picture import Key, Sight
from insula.api.signed import Signed
from insula.messages import Origin

MOST_OWED = 2_000
"""Changes that a slow client is behind, each point counted once; beyond that it gets a fresh picture."""
MOST_RESULTS = 100


@dataclass(eq=False)
class Audience:
    """The clients that see the same: each message is put together once for all of them."""

    sight: Sight
    clients: set["Client"] = field(default_factory=set)
    told: int = 0
    """The number of its last message that said something."""
    told_at: int = 0
    """When its last message was (ms, real time)."""


class Client:
    """At most one message is on its way to it; meanwhile it is remembered what has changed, not how."""

    def __init__(self, signed: Signed, address: str, narrow: Narrow) -> None:
        self.signed = signed
        self.address = address
        self.narrow = narrow
        self.sure = False
        """Its rights are as last looked up. Until they are, it is told nothing."""
        self.look_at = 0
        """They are looked up again at that moment (ms, real time)."""
        self.audience: Audience | None = None
        self.owed: dict[Key, None] = {}
        self.results: deque[bytes] = deque(maxlen=MOST_RESULTS)
        self.picture = True
        """It is owed a whole picture: its first, or for the reason ``why``."""
        self.why: Why | None = None
        self.told = 0
        self.ended: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self._message: str | None = None
        self._given = asyncio.Event()

    @property
    def origin(self) -> Origin:
        """Of its own commands."""
        return own(self.signed.person)

    @property
    def ready(self) -> bool:
        """The next message may come: the last one is out, and what it may see is known."""
        return self.sure and self._message is None

    @property
    def in_step(self) -> bool:
        """It gets what all others get."""
        return self.sure and self._message is None and not (self.picture or self.owed or self.results)

    def owe(self, keys: Iterable[Key]) -> None:
        """These have changed, and it could not be told at once."""
        if self.picture:
            return
        self.owed.update(dict.fromkeys(keys))
        if len(self.owed) > MOST_OWED:
            self.owe_picture("overflow")

    def owe_picture(self, why: Why) -> None:
        if not self.picture:
            self.picture, self.why = True, why
        self.owed.clear()

    def give(self, message: str, seq: int) -> None:
        self._message, self.told = message, seq
        self._given.set()

    def settled(self) -> None:
        """The message that is now given holds all that was owed."""
        self.owed.clear()
        self.results.clear()
        self.picture, self.why = False, None

    @property
    def idle(self) -> bool:
        """Nothing is on its way."""
        return self._message is None

    async def message(self) -> str:
        """The next one; ``sent`` is to be called when it is out."""
        await self._given.wait()
        self._given.clear()
        assert self._message is not None
        return self._message

    def sent(self) -> None:
        self._message = None

    def end(self, code: int, reason: str) -> None:
        """The connection is to be closed, with this code of RFC 6455."""
        if not self.ended.done():
            self.ended.set_result((code, reason))
