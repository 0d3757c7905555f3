"""What brings nodes into Z-Wave networks and out of them, and how it runs beside the requests that ask for it.

Any API process answers for it: what it says, and what it is told, is in the database (store/inclusions.py).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from msgspec.structs import replace

from insula.clock import Clock
from insula.errors import InsulaError, Unavailable
from insula.store.engine import Store
from insula.store.inclusions import OPEN, Inclusion, Status, find_inclusion, keep_inclusion

log = structlog.get_logger("insula.api")

LOOK_S = 0.5
"""How often a running one looks for a PIN, or whether it is to stop (real time)."""
LISTEN_S = 60.0
"""So long the controller waits for a node's button."""
SILENT_MS = 10_000
"""One that has given no sign of life for so long: its process is gone."""
GONE = "the process that did this has ended"


class Member(Protocol):
    @property
    def node_id(self) -> int: ...
    @property
    def label(self) -> str: ...
    @property
    def secure(self) -> bool | None: ...


class Radio(Protocol):
    """``gateways/zwave/inclusion.py``. Both raise Failed and Unavailable, and stop the controller when cancelled."""

    async def include(
        self,
        url: str,
        *,
        on_event: Callable[[str], None],
        timeout: float,
        ask_pin: Callable[[str], Awaitable[str]] | None,
    ) -> Member: ...

    async def exclude(self, url: str, *, on_event: Callable[[str], None], timeout: float) -> Member: ...


def no_radio() -> Radio:
    """Raises Unavailable."""
    raise Unavailable("this process reaches no Z-Wave network")


class _Talk:
    """What the radio says and asks, and what it is answered."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.dsk = ""
        self._pin: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ask(self, dsk: str) -> str:
        self.dsk = dsk
        try:
            return await self._pin
        finally:
            self.dsk = ""

    def answer(self, pin: str) -> None:
        if pin and not self._pin.done():
            self._pin.set_result(pin)


class Inclusions:
    """Those that run in this process."""

    def __init__(self, store: Store, clock: Clock, radio: Callable[[], Radio]) -> None:
        self._store = store
        self._clock = clock
        self._radio = radio
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, it: Inclusion, url: str) -> None:
        task = asyncio.create_task(self._run(it, url), name=f"{it.what} {it.gateway_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, it: Inclusion, url: str) -> None:
        talk = _Talk()
        working = asyncio.create_task(self._work(it, url, talk), name=f"radio {it.gateway_id}")
        try:
            await self._follow(it, talk, working)
            await self._end(it, talk, working)
        except InsulaError as error:
            log.warning("an inclusion was stopped", gateway=it.gateway_id, why=str(error))
        finally:
            working.cancel()
            await asyncio.wait({working})

    async def _follow(self, it: Inclusion, talk: _Talk, working: "asyncio.Task[Member]") -> None:
        """Until it is over, or somebody wishes it to be."""
        while not working.done():
            timer = asyncio.create_task(self._clock.real_sleep(LOOK_S), name="looks again")
            await asyncio.wait({working, timer}, return_when=asyncio.FIRST_COMPLETED)
            timer.cancel()
            if await self._exchange(it, talk):
                working.cancel()
                await asyncio.wait({working})

    async def _work(self, it: Inclusion, url: str, talk: _Talk) -> Member:
        radio = self._radio()
        if it.what == "include":
            return await radio.include(url, on_event=talk.said.append, timeout=LISTEN_S, ask_pin=talk.ask)
        return await radio.exclude(url, on_event=talk.said.append, timeout=LISTEN_S)

    async def _exchange(self, it: Inclusion, talk: _Talk) -> bool:
        """Whether it is to stop."""
        async with self._store.write(alone=True) as connection:
            now = await find_inclusion(connection, it.gateway_id)
            if now is None or now.id != it.id or now.stop:
                return True
            talk.answer(now.pin)
            status: Status = "asks pin" if talk.dsk and not now.pin else "running"
            told = replace(now, status=status, said=tuple(talk.said), dsk=talk.dsk, told_at=self._clock.real())
            await keep_inclusion(connection, told)
        return False

    async def _end(self, it: Inclusion, talk: _Talk, working: "asyncio.Task[Member]") -> None:
        """The PIN is kept no longer."""
        async with self._store.write(alone=True) as connection:
            now = await find_inclusion(connection, it.gateway_id)
            if now is None or now.id != it.id:
                return
            end = replace(now, said=tuple(talk.said), dsk="", pin="", told_at=self._clock.real())
            await keep_inclusion(connection, _ended(end, working))


def _ended(it: Inclusion, working: "asyncio.Task[Member]") -> Inclusion:
    if working.cancelled():
        return replace(it, status="stopped", said=(*it.said, "stopped"))
    error = working.exception()
    if error is None:
        node = working.result()
        return replace(it, status="done", node_id=node.node_id, label=node.label, secure=node.secure)
    if not isinstance(error, InsulaError):
        log.error("an inclusion failed", gateway=it.gateway_id, exc_info=error)
    text = str(error) if isinstance(error, InsulaError) else "an error of ours; it is in the log"
    return replace(it, status="failed", said=(*it.said, text))


def as_seen(it: Inclusion, real: int) -> Inclusion:
    """One whose process has gone has failed. ``real``: now (ms)."""
    if it.status in OPEN and real - it.told_at > SILENT_MS:
        return replace(it, status="failed", said=(*it.said, GONE), dsk="")
    return it
