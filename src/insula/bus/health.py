"""How a part tells the others how it is: key ``health/<part>/<instance>`` on topic ``state``."""

from collections.abc import Awaitable, Callable

import msgspec
import structlog

from insula.bus.channel import Channel
from insula.clock import Clock
from insula.errors import Unavailable
from insula.messages import Health

log = structlog.get_logger("insula.health")

EVERY_S = 5.0


async def tell_health(channel: Channel, clock: Clock, health: Callable[[], Awaitable[Health]]) -> None:
    """Every 5 s (real time), for ever. While the bus is away nothing is told: silence says it too."""
    while True:
        try:
            now = await health()
            await channel.send(msgspec.structs.replace(now, clock_offset_ms=channel.bus.clock_offset_ms()))
        except Unavailable as error:
            log.debug("not told", why=str(error))
        await clock.real_sleep(EVERY_S)
