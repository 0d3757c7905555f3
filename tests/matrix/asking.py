"""Asking an application without a network, and with as little between as can be: there are many questions."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from insula.clock import ManualClock

TURN_S = 0.1
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
    scope = _scope("http", path, all_headers, query) | {"method": method}

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = b"\n".join(name + b": " + value for name, value in message["headers"])
        else:
            answer.body += message.get("body", b"")

    await app(scope, receive, send)
    return answer


async def ask_late(clock: ManualClock, *question: Any) -> Answer:
    """Of what may wait for an answer of another part: the clock goes on until it is there."""
    task = asyncio.ensure_future(ask(*question))
    while not (await asyncio.wait({task}, timeout=TURN_S))[0]:
        await clock.advance(1)
    return task.result()


def _scope(type_: str, path: str, headers: Mapping[str, str], query: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "type": type_,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": urlencode(query or {}).encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.7", 50_000),
        "server": ("insula", 80),
    }
