"""``GET /health``: how each part and gateway is, from what they write to ``state`` every 5 s."""

from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler

from insula.bus.channel import Channel
from insula.clock import Clock
from insula.messages import Health

SILENT_AFTER_MS = 15_000


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

    def report(self) -> dict[str, Any]:
        """``status`` is ``degraded`` when any part is, or is silent for 15 s, or the bus makes publishers wait."""
        parts = {name: self._part(health) for name, health in sorted(self._last.items())}
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
        silent = silent_ms > SILENT_AFTER_MS
        return {
            "status": "degraded" if silent else health.status,
            "why": f"silent for {silent_ms // 1000} s" if silent else health.why,
            "counters": dict(health.counters),
        }


def health_route(board: HealthBoard) -> HTTPRouteHandler:
    @get("/health", summary="How each part and gateway is", tags=["operation"])
    async def health() -> dict[str, Any]:
        return board.report()

    return health
