"""Resident memory of each part as a process of its own, in a building of 1,000 rooms of which every point was heard."""

import asyncio
from contextlib import ExitStack

from bench.campus import Campus, campus

ROOMS = 1000
PARTS = ("directory", "recorder", "history", "knx", "zwave", "controller", "api")
ROUNDS = 3
STEPS = 50
ROUND_S = 5.0
"""As often as gateways send all values again."""


def measure() -> dict[str, float]:
    """MB (2^20 bytes) a part, and of the largest. The gateways have no interface to talk to."""
    return asyncio.run(_measure())


async def _measure() -> dict[str, float]:
    async with campus(ROOMS) as at:
        with ExitStack() as running:
            processes = {part: running.enter_context(at.part(part)) for part in PARTS}
            for _ in range(ROUNDS):
                await _round(at)
            sizes = {f"rss_mb_{part}": process.rss_mb() for part, process in processes.items()}
    return {"rss_mb_max_1000_rooms": max(sizes.values()), **sizes}


async def _round(at: Campus) -> None:
    """Every point, spread over the time in which gateways send them again."""
    step = len(at.devices) // STEPS
    for first in range(0, len(at.devices), step):
        await at.quiet(at.devices[first : first + step])
        await asyncio.sleep(ROUND_S / STEPS)
