"""What goes on for ever although something that it needs is away for a while."""

from collections.abc import Awaitable, Callable

import structlog

from insula.clock import Clock
from insula.errors import Unavailable

log = structlog.get_logger("insula")

AGAIN_S = 1.0
"""Real time."""


async def keep(name: str, run: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Runs it until it ends; what fails because something is away begins again. All other errors are raised."""
    while True:
        try:
            await run()
        except* Unavailable as away:
            log.error("begins again, as something is away", what=name, why=str(first(away)))
        else:
            return
        await clock.real_sleep(AGAIN_S)


def first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended a TaskGroup."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
