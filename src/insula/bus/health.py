"""How a part tells the others how it is: key ``health/<part>/<instance>`` on topic ``state``."""

from collections.abc import Awaitable, Callable, Iterable

import msgspec
import structlog

from insula.bus.channel import Channel
from insula.clock import Clock
from insula.errors import Unavailable
from insula.messages import Health

log = structlog.get_logger("insula.health")

EVERY_S = 5.0
SILENT_MS = 15_000
"""Who has told nothing for so long (real time) is away, or hangs."""
GONE_MS = 600_000
"""Who has been silent for so long, while another does the same work, was taken away."""


STANDBY = "standby"
"""The part of who could drive a gateway, and does not; its instance is ``<gateway>@<process>``."""


def standby_name(gateway_id: str, process: str) -> str:
    return f"{gateway_id}@{process}"


def taken_away(health: Health, others: Iterable[Health], real: int) -> bool:
    """Whether nobody waits for it any more. ``others``: the last of every process; a gateway is the only one of its
    name. ``real``: now (ms)."""
    if health.part == STANDBY:
        drivers = [other for other in others if other.part == "gateway" and real - other.at <= SILENT_MS]
        drives = any(standby_name(other.instance, other.driven_by) == health.instance for other in drivers)
        return drives or (bool(drivers) and real - health.at > GONE_MS)
    if health.part == "gateway" or real - health.at <= GONE_MS:
        return False
    return any(other.part == health.part and real - other.at <= SILENT_MS for other in others)


async def tell_health(channel: Channel, clock: Clock, health: Callable[[], Awaitable[Health]]) -> None:
    """Every 5 s (real time), for ever. While the bus is away nothing is told: silence says it too."""
    while True:
        try:
            now = await health()
            await channel.send(msgspec.structs.replace(now, clock_offset_ms=channel.bus.clock_offset_ms()))
        except Unavailable as error:
            log.debug("not told", why=str(error))
        await clock.real_sleep(EVERY_S)
