"""A client that asks as fast as it is answered, in a process of its own: a request is written to each kept connection
as soon as the answer to the one before is there. Reads its orders as JSON from standard input, and prints what it saw.

``python -m bench.http_load < '{"port", "paths", "token", "connections", "seconds"}'``
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import cycle

import msgspec
import uvloop

from bench.machine import percentile

LENGTH = b"content-length: "


class Orders(msgspec.Struct):
    """``paths``: with their queries, in turn."""

    port: int
    paths: list[str]
    token: str
    connections: int
    seconds: float


class Seen(msgspec.Struct):
    """Latencies in ms."""

    rps: float
    p50_ms: float
    p99_ms: float
    requests: int
    bad: int


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, requests: Sequence[bytes], began: float, ends: float) -> None:
        self.took: list[float] = []
        self.bad = 0
        self.over = asyncio.get_running_loop().create_future()
        self._requests = cycle(requests)
        self._ends = ends
        self._at = began
        self._got = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head = self._got.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._got.find(LENGTH) + len(LENGTH)
        if len(self._got) < head + 4 + int(self._got[at : self._got.index(b"\r", at)]):
            return
        self.took.append(time.perf_counter() - self._at)
        self.bad += not self._got.startswith(b"HTTP/1.1 200")
        self._got = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(exc or ConnectionError("the server closed it"))

    def _next(self) -> None:
        assert self._transport is not None
        self._at = time.perf_counter()
        if self._at < self._ends:
            self._transport.write(next(self._requests))
        elif not self.over.done():
            self.over.set_result(None)
            self._transport.close()


async def _load(orders: Orders) -> Seen:
    loop = asyncio.get_running_loop()
    head = f" HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {orders.token}\r\n\r\n"
    requests = [f"GET {path}{head}".encode() for path in orders.paths]
    began = time.perf_counter()
    made = [
        await loop.create_connection(
            lambda: _Connection(requests, began, began + orders.seconds), "127.0.0.1", orders.port
        )
        for _ in range(orders.connections)
    ]
    await asyncio.gather(*(connection.over for _, connection in made))
    took = [one * 1000 for _, connection in made for one in connection.took]
    elapsed = time.perf_counter() - began
    bad = sum(connection.bad for _, connection in made)
    return Seen(len(took) / elapsed, percentile(took, 0.5), percentile(took, 0.99), len(took), bad)


def load(port: int, paths: list[str], token: str, connections: int, seconds: float) -> Seen:
    """What that process saw. Raises RuntimeError when an answer was not 200."""
    orders = msgspec.json.encode(Orders(port, paths, token, connections, seconds))
    done = subprocess.run([sys.executable, "-m", "bench.http_load"], input=orders, capture_output=True, check=True)
    seen = msgspec.json.decode(done.stdout, type=Seen)
    if seen.bad:
        raise RuntimeError(f"{seen.bad} of {seen.requests} answers of {paths[0]} were not 200")
    return seen


if __name__ == "__main__":
    found = uvloop.run(_load(msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)))
    sys.stdout.write(json.dumps(msgspec.to_builtins(found)))
