"""A program that follows the live stream of a real server, and keeps what it is told as the documentation says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from insula.api.app import Api
from insula.clock import ManualClock
from insula.http import listen, serve


@dataclass
class Told:
    """``state`` is what the messages so far make of it."""

    state: dict[str, Any] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)
    seq: int = 0
    kinds: list[str] = field(default_factory=list)

    def take(self, message: dict[str, Any]) -> None:
        kind, seq = message["type"], message["seq"]
        assert seq > self.seq
        if kind == "changes":
            assert message["after"] <= self.seq, "something was left out"
        else:
            assert kind == ("resync" if self.kinds else "snapshot")
            self.state = {}
        self.state |= message["set"]
        for key in message.get("gone", ()):
            self.state.pop(key, None)
        self.results += message["results"]
        self.seq = seq
        self.kinds.append(kind)


@dataclass
class Follower(Told):
    """Over a real WebSocket."""

    socket: ClientConnection = field(kw_only=True)
    clock: ManualClock = field(kw_only=True)

    async def next(self) -> dict[str, Any]:
        """The next message; the clock goes on meanwhile."""
        message: dict[str, Any] = json.loads(await going_on(self.clock, self.socket.recv()))
        self.take(message)
        return message

    async def until(self, key: str, **wanted: object) -> dict[str, Any]:
        """The entry under this key, once it is like that."""
        while not (key in self.state and wanted.items() <= self.state[key].items()):
            await self.next()
        found: dict[str, Any] = self.state[key]
        return found

    async def closed(self) -> tuple[int, str]:
        """The close code and reason, once the server ends it."""
        with suppress(ConnectionClosed):
            while True:
                await self.next()
        return self.socket.close_code or 0, self.socket.close_reason or ""


async def going_on(clock: ManualClock, work: Any) -> Any:
    """The result of something that goes over the network, while the clock goes on."""
    task = asyncio.ensure_future(work)
    async with asyncio.timeout(20):
        while not task.done():
            await clock.advance(0.05)
    return task.result()


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[str]:
    """The address of a real server of this API."""
    sock, ready = listen("127.0.0.1", 0), asyncio.Event()
    task = asyncio.create_task(serve(api.asgi, sock, ready.set))
    await ready.wait()
    try:
        yield f"ws://127.0.0.1:{sock.getsockname()[1]}/api/v1/live"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def following(
    url: str, clock: ManualClock, browser: httpx.AsyncClient | None = None, **headers: str
) -> AsyncIterator[Follower]:
    """``browser``: with its cookie, or its token."""
    cookie = {"Cookie": f"insula_session={browser.cookies['insula_session']}"} if browser is not None else {}
    opening = connect(url, additional_headers={**cookie, **headers}, proxy=None, ping_interval=None)
    socket = await going_on(clock, opening)
    try:
        yield Follower(socket=socket, clock=clock)
    finally:
        await going_on(clock, socket.close())
