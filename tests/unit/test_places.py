"""Which room a beacon names, while the database comes and goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from insula.api.places import Places
from insula.bus.channel import Channel
from insula.bus.memory import MemoryBus
from insula.clock import ManualClock, settle
from insula.errors import Unavailable
from insula.retry import AGAIN_S, begin_again
from insula.store.engine import Store
from tests.unit.devices import index


class AwayStore:
    """A database that is away the first time it is asked, and then has no beacon."""

    def __init__(self) -> None:
        self.asked = 0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("database: away")
        yield self

    async def execute(self, _query: object) -> list[Any]:
        return []


async def test_an_api_whose_database_is_away_reads_its_beacons_later(clock: ManualClock) -> None:
    store = AwayStore()
    places = Places(cast(Store, store), Channel(MemoryBus(clock), index()))
    task = asyncio.create_task(begin_again("places", places.run, clock))
    await settle()
    await clock.advance(AGAIN_S)
    await settle()

    assert (store.asked, places.beacons(), task.done()) == (2, [], False)
    task.cancel()
    await asyncio.wait([task])
