"""Serves an ASGI application inside our own event loop, and ends with the task that runs it."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from insula.errors import InputError

WS_LONGEST = 1 << 16
"""Bytes of a message that a WebSocket client may send."""
UNREAD_MS = 30_000
"""A connection whose other side takes nothing for so long is closed by the kernel, with what was kept for it."""
END_S = 1
"""Answers that have begun get so long when the server ends."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The command line owns the signals."""
        yield


def check_port(port: int) -> None:
    """Raises InputError."""
    if not 0 <= port <= 65535:
        raise InputError(f"port must be 0-65535, not {port}")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket (port 0: a free one). Raises OSError, which names both, when the port is taken."""
    check_port(port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
        sock.bind((host, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"{host}:{port}: {error.strerror}") from error
    sock.setblocking(False)
    return sock


async def serve(app: Any, sock: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until cancelled; ``ready`` is called once requests are answered."""
    config = uvicorn.Config(
        _ending(app),
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=END_S,
        ws="websockets-sansio",
        ws_max_size=WS_LONGEST,
        ws_per_message_deflate=False,  # it would be done anew for each client, with 32 kB of memory
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name="http server")
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        ready()
        await asyncio.shield(task)
    finally:
        server.should_exit = True
        await asyncio.wait([task], timeout=END_S + 2)
        sock.close()


def _ending(app: Any) -> Any:
    """The application, whose requests are cut off quietly when the server ends: it says once how many they are."""

    async def ending(scope: Any, receive: Any, send: Any) -> None:
        with suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return ending
