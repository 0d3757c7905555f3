"""What a part needs may go away at any moment and come back: then the part begins again."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from insula.clock import Clock
from insula.errors import Unavailable, first_of

log = structlog.get_logger("insula")

AGAIN_S = 1.0
"""So long after (real time)."""
T = TypeVar("T")


async def begin_again(name: str, run: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run it until it ends by itself; each time that it raises Unavailable, anew."""
    while True:
        try:
            await run()
            return
        except* Unavailable as gone:
            log.warning("begins again", part=name, why=str(first_of(gone)))
        await clock.real_sleep(AGAIN_S)


async def once_there(what: str, ask: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """The answer, as soon as ``what`` gives one; says what it waits for, and when that changes."""
    told = ""
    while True:
        try:
            return await ask()
        except Unavailable as error:
            if str(error) != told:
                log.warning(f"waiting for {what}", why=str(error))
            told = str(error)
        await clock.real_sleep(AGAIN_S)
