"""The clients of the simulated Z-Wave JS server: websockets with a bounded queue each."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress

import structlog
from aiohttp import WSMsgType, web

from insula.simulator.zwave_nodes import Json

log = structlog.get_logger("insula.simulator.zwave")

QUEUE = 20_000
"""Messages that a client may lag behind; a slower one is dropped."""
CLOSE_S = 0.5

Handle = Callable[["Socket", Json], Coroutine[None, None, None]]


class Socket:
    """One client. ``send`` never waits."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.listening = False
        self.schema = 0
        self._request = request
        self._ws = web.WebSocketResponse(timeout=CLOSE_S, max_msg_size=0)
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE)

    def send(self, message: Json) -> None:
        self.send_text(json.dumps(message))

    def send_text(self, text: str | None) -> None:
        """None: say goodbye and close."""
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            log.warning("a client is too slow and is dropped")
            self.abort()

    def abort(self) -> None:
        """As when the server is killed."""
        if (transport := self._request.transport) is not None:
            transport.abort()

    async def serve(self, greeting: Json, handle: Handle) -> web.WebSocketResponse:
        """Until the client is gone. Its commands are handled side by side."""
        await self._ws.prepare(self._request)
        self.send(greeting)
        tasks = {asyncio.create_task(self._write())}
        try:
            async for message in self._ws:
                command = _parse(message.data) if message.type is WSMsgType.TEXT else None
                if command is None:  # without a message id nobody can be answered
                    self.send_text(None)
                    continue
                task = asyncio.create_task(handle(self, command))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            pending = list(tasks)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        return self._ws

    async def _write(self) -> None:
        with suppress(ConnectionError):  # gone meanwhile: reading ends too
            while (text := await self._queue.get()) is not None:
                await self._ws.send_str(text)
            await self._ws.close()


def _parse(text: str) -> Json | None:
    try:
        message = json.loads(text)
    except ValueError:
        return None
    if isinstance(message, dict) and isinstance(message.get("command"), str) and "messageId" in message:
        return message
    return None
