"""Serves an ASGI application inside our own event loop, and ends with the task that runs it."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The command line owns the signals."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket (port 0: a free one). Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


async def serve(app: Any, sock: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until cancelled; ``ready`` is called once requests are answered."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=1)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name="http server")
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        ready()
        await asyncio.shield(task)
    finally:
        server.should_exit = True
        await asyncio.wait([task], timeout=3)
        sock.close()
