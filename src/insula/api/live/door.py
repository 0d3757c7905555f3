"""``/api/v1/live``: who comes in, what a client says, and how a connection ends (docs/how-to/live.md)."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import structlog
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketRouteHandler

from insula.access.rights import Person
from insula.api.access import needs
from insula.api.asking import Asked, origin_of, signed_of
from insula.api.errors import RequestError, TooMany
from insula.api.live.client import Client
from insula.api.live.frames import narrow_of, read_narrow
from insula.api.live.stream import Stream
from insula.api.people import Signed
from insula.api.problems import refuse_socket

log = structlog.get_logger("insula.api")

Socket = WebSocket[Person | None, Signed | None, Any]
GOING, NOT_TEXT, NOT_VALID, FAILED = 1001, 1003, 1007, 1011
"""Close codes (RFC 6455, 7.4.1)."""
REASON = 120
"""Bytes of a reason that a close frame has room for."""
CLOSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Streams that may be open in one process."""

    per_person: int = 20
    per_address: int = 500

    def check(self, signed: Signed, address: str, there: Collection[Client]) -> None:
        """Raises TooMany."""
        if sum(one.signed.person.id == signed.person.id for one in there) >= self.per_person:
            raise TooMany("you have too many live streams open")
        if sum(one.address == address for one in there) >= self.per_address:
            raise TooMany("too many live streams are open from your address")


def live_route(stream: Stream, limits: Limits) -> WebsocketRouteHandler:
    @websocket("/live", opt=needs("rooms", guests=True))
    async def live(socket: Socket) -> None:
        try:
            client = _admitted(socket, stream, limits)
        except RequestError as error:
            await refuse_socket(socket.scope, socket.send, error)
            return
        stream.join(client)
        try:
            await socket.accept()
            await _serve(socket, client, stream)
        finally:
            stream.leave(client)

    return live


def _admitted(socket: Socket, stream: Stream, limits: Limits) -> Client:
    """Raises RequestError, TooMany."""
    request, query = cast(Asked, socket), socket.query_params
    signed, address = signed_of(request), origin_of(request).address
    limits.check(signed, address, stream.clients)
    return Client(signed, address, narrow_of(query.get("rooms"), query.get("buildings")))


async def _serve(socket: Socket, client: Client, stream: Stream) -> None:
    """Until one of the two sides ends it."""
    reads = asyncio.create_task(_read(socket, client, stream), name="live reads")
    writes = asyncio.create_task(_write(socket, client, stream), name="live writes")
    for task in (reads, writes):
        task.add_done_callback(partial(_over, client))
    try:
        code, reason = await client.ended
    finally:
        reads.cancel()
        writes.cancel()
        await asyncio.gather(reads, writes, return_exceptions=True)
    with suppress(WebSocketDisconnect, OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await socket.close(code, reason.encode()[:REASON].decode(errors="ignore"))


def _over(client: Client, task: asyncio.Task[None]) -> None:
    """One of the two ways has come to its end."""
    if task.cancelled():
        return
    if (error := task.exception()) is None:
        client.end(GOING, "")
    else:
        log.error("live stream failed", exc_info=error)
        client.end(FAILED, "an error of ours; it is in the log")


async def _write(socket: Socket, client: Client, stream: Stream) -> None:
    with suppress(WebSocketDisconnect, OSError):
        while True:
            await socket.send({"type": "websocket.send", "text": await client.message(), "bytes": None})
            stream.sent(client)


async def _read(socket: Socket, client: Client, stream: Stream) -> None:
    while True:
        message = await socket.receive()
        if message["type"] != "websocket.receive":
            return
        text = message.get("text")
        if not isinstance(text, str):
            client.end(NOT_TEXT, "text is expected")
            return
        try:
            client.narrow = read_narrow(text)
        except RequestError as error:
            client.end(NOT_VALID, str(error))
            return
        stream.narrowed(client)
