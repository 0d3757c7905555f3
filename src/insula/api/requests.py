"""How many requests there were, and how long they took: by route, never by address or person."""

from bisect import bisect_left
from collections import Counter
from time import perf_counter
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""A request that waits for a gateway's answer takes up to 2 s."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NOWHERE = "none"
"""The route of what leads to none."""
Route = tuple[str, str]
"""Method and path, with the names of its parameters."""


class Requests:
    """``answers`` by method, route and status; ``times`` by method and route: how many in each bucket, the last for
    what took longer; ``seconds``: their sum."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str, int]] = Counter()
        self.times: dict[Route, list[int]] = {}
        self.seconds: dict[Route, float] = {}

    def counted(self, app: ASGIApp) -> ASGIApp:
        """The same application."""

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                return await app(scope, receive, send)
            begin, status = perf_counter(), 500

            async def sending(message: Any) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, sending)
            finally:
                self._took(scope, status, perf_counter() - begin)

        return counting

    def _took(self, scope: Scope, status: int, seconds: float) -> None:
        said = str(scope.get("method", ""))
        route = (said if said in METHODS else "other", str(scope.get("path_template", NOWHERE)) or "/")
        self.answers[*route, status] += 1
        buckets = self.times.get(route)
        if buckets is None:
            buckets = self.times[route] = [0] * (len(BOUNDS_S) + 1)
        buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds[route] = self.seconds.get(route, 0.0) + seconds
