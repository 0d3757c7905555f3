"""``GET /health``: how each part and gateway is, from what they write to ``state`` every 5 s."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NotRequired, TypedDict, cast

from litestar import get
from litestar.handlers import HTTPRouteHandler

from insula.api.access import may, needs
from insula.api.asking import Asked
from insula.bus.channel import Channel
from insula.bus.health import SILENT_MS, STANDBY, standby_name, taken_away
from insula.clock import Clock
from insula.messages import Health

OFFSET_MS = 2_000
"""Ages, expiry and leases go wrong on a host whose clock is off by so much."""


class PartReport(TypedDict):
    """``driven_by``, ``standby``: of a gateway: the process that drives it, and the status of those that stand by."""

    status: Literal["ok", "degraded"]
    why: str
    counters: dict[str, float]
    clock_offset_ms: int
    driven_by: NotRequired[str]
    standby: NotRequired[dict[str, str]]


class BusReport(TypedDict):
    """``slow``: records that a reader is behind who holds publishers up."""

    slow: dict[str, int]
    dropped_resends: int


class Report(TypedDict):
    """All but ``status`` is for who may see everything."""

    status: Literal["ok", "degraded"]
    why: NotRequired[list[str]]
    parts: NotRequired[dict[str, PartReport]]
    bus: NotRequired[BusReport]


class HealthBoard:
    """The last Health of every part and instance."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._last: dict[str, Health] = {}

    async def run(self) -> None:
        reader = await self._channel.read(["state"], name="api health", start="beginning")
        try:
            while True:
                for received in await reader.batch():
                    if isinstance(received.message, Health):
                        self._last[received.record.key.removeprefix("health/")] = received.message
                    elif received.message is None:
                        self._last.pop(received.record.key.removeprefix("health/"), None)
        finally:
            await reader.close()

    def well(self, name: str) -> bool:
        """Whether this part and instance (``gateway/knx``) says that it is; False too for one never heard of."""
        health = self._last.get(name)
        return health is not None and self._part(health)["status"] == "ok"

    def each(self) -> Iterator[tuple[Health, bool]]:
        """What each part and instance told last, and whether it is well; without those that were taken away."""
        last, now = list(self._last.values()), self._clock.real()
        for health in last:
            if not taken_away(health, last, now):
                yield health, self._part(health)["status"] == "ok"

    def report(self) -> dict[str, Any]:
        """``status`` is ``degraded`` when any part is, or is silent for 15 s, or the bus makes publishers wait."""
        last, now = self._last.values(), self._clock.real()
        gone = {name for name, health in self._last.items() if taken_away(health, last, now)}
        parts = {name: self._part(health) for name, health in sorted(self._last.items()) if name not in gone}
        _name_drivers(parts, self._last)
        slow = dict(self._channel.bus.slow_readers())
        bad = [name for name, part in parts.items() if part["status"] != "ok"]
        return {
            "status": "degraded" if bad or slow else "ok",
            "why": [f"{name}: {parts[name]['why']}" for name in bad]
            + [f"bus: {name} is {count} records behind" for name, count in slow.items()],
            "parts": parts,
            "bus": {"slow": slow, "dropped_resends": self._channel.bus.dropped()},
        }

    def _part(self, health: Health) -> dict[str, Any]:
        silent_ms = self._clock.real() - health.at
        offset = health.clock_offset_ms
        why = [f"silent for {silent_ms // 1000} s"] if silent_ms > SILENT_MS else []
        if abs(offset) >= OFFSET_MS:
            side = "ahead of" if offset > 0 else "behind"
            why.append(f"its host's clock is {abs(offset) / 1000:.1f} s {side} the broker's")
        if health.why and not why:
            why.append(health.why)
        return {
            "status": "degraded" if why else health.status,
            "why": "; ".join(why),
            "counters": dict(health.counters),
            "clock_offset_ms": offset,
        }


def _name_drivers(parts: Mapping[str, dict[str, Any]], last: Mapping[str, Health]) -> None:
    """Of each gateway: the process that drives it, and those that stand by, with their status."""
    for name, part in parts.items():
        if last[name].part == "gateway":
            begin = f"{STANDBY}/{standby_name(last[name].instance, '')}"
            others = {other.removeprefix(begin): it["status"] for other, it in parts.items() if other.startswith(begin)}
            part |= {"driven_by": last[name].driven_by, "standby": others}


def health_route(board: HealthBoard) -> HTTPRouteHandler:
    @get("/health", summary="How each part and gateway is", tags=["operation"], opt=needs("nothing"))
    async def health(request: Asked) -> Report:
        """The whole report for who may see everything; for others whether all is well."""
        report = board.report()
        full = request.auth is not None and may(request, "see", None)
        return cast(Report, report if full else {"status": report["status"]})

    return health
