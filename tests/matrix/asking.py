"""Asking an application without a network, and with as little between as can be: there are many questions."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from insula.clock import ManualClock

TURN_S = 0.02
"""An answer that takes longer waits for a moment of the manual clock."""


@dataclass
class Answer:
    status: int
    headers: bytes
    body: bytes

    @property
    def said(self) -> str:
        return self.body[:300].decode(errors="replace")


def filled(path: str, values: Mapping[str, Any]) -> str:
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", str(value))
    assert "{" not in path, f"{path}: say in tests/matrix/routes.py what its parameters are"
    return path


async def ask(
    app: Any,
    method: str,
    path: str,
    headers: Mapping[str, str],
    query: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
) -> Answer:
    sent = b"" if body is None else json.dumps(body).encode()
    all_headers = {"host": "insula", "content-type": "application/json", "content-length": str(len(sent)), **headers}
    answer, waiting = Answer(0, b"", b""), [{"type": "http.request", "body": sent, "more_body": False}]
    over = asyncio.Event()
    scope = _scope("http", path, all_headers, query) | {"method": method}

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = b"\n".join(name + b": " + value for name, value in message["headers"])
        else:
            answer.body += message.get("body", b"")
            if not message.get("more_body"):
                over.set()

    await app(scope, receive, send)
    return answer


class Patience:
    """For what may wait for an answer of another part: the clock goes on until it is there, for all who wait."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()

    async def ask(self, *question: Any) -> Answer:
        task = asyncio.ensure_future(ask(*question))
        while not (await asyncio.wait({task}, timeout=TURN_S))[0]:
            async with self._turn:
                if not task.done():
                    await self._clock.advance(1)
        return task.result()


class Line:
    """A WebSocket. ``status``: of the refusal to open it."""

    def __init__(self, app: Any, path: str, headers: Mapping[str, str]) -> None:
        self._app = app
        self._scope = _scope("websocket", path, {"host": "insula", **headers}, None)
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.frames: list[bytes] = []
        self.accepted = False
        self.status = 0

    async def run(self) -> None:
        """Until one of the two sides ends it."""
        self._said.put_nowait({"type": "websocket.connect"})
        await self._app(self._scope, self._said.get, self._send)

    def say(self, frame: bytes) -> None:
        self._said.put_nowait({"type": "websocket.receive", "text": frame.decode(), "bytes": None})

    def hang_up(self) -> None:
        self._said.put_nowait({"type": "websocket.disconnect", "code": 1000})

    def heard(self, frame: bytes) -> None:
        """For who wants to know."""

    async def _send(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "websocket.accept":
                self.accepted = True
            case "websocket.send":
                self.frames.append(message["text"].encode())
                self.heard(self.frames[-1])
            case "websocket.http.response.start":
                self.status = message["status"]


def _scope(type_: str, path: str, headers: Mapping[str, str], query: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "type": type_,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http" if type_ == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": urlencode(query or {}).encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.7", 50_000),
        "server": ("insula", 80),
        **({"subprotocols": [], "extensions": {"websocket.http.response": {}}} if type_ == "websocket" else {}),
    }
