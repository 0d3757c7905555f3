"""What a part does when something that it needs is away for a while: it begins again, and the process goes on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from insula.api.places import Places
from insula.bus.channel import Channel
from insula.bus.memory import MemoryBus
from insula.clock import ManualClock, settle
from insula.errors import InputError, Unavailable
from insula.keep import AGAIN_S, keep
from insula.store.engine import Store
from tests.unit.devices import index


def failing(*errors: Exception | None) -> tuple[Any, list[int]]:
    """Something that fails so, one time after the other, and how often it was begun."""
    began: list[int] = []
    following: Iterator[Exception | None] = iter(errors)

    async def run() -> None:
        began.append(len(began))
        error = next(following)
        if error is not None:
            raise error

    return run, began


async def test_what_is_away_is_waited_for(clock: ManualClock) -> None:
    run, began = failing(Unavailable("away"), ExceptionGroup("", [Unavailable("away")]), None)
    task = asyncio.create_task(keep("part", run, clock))
    for _ in range(2):
        await settle()
        await clock.advance(AGAIN_S)
    await task

    assert len(began) == 3


async def test_other_errors_end_it(clock: ManualClock) -> None:
    run, began = failing(InputError("wrong"), None)

    with pytest.raises(InputError, match="wrong"):
        await keep("part", run, clock)
    assert len(began) == 1


async def test_an_error_beside_one_of_being_away_ends_it(clock: ManualClock) -> None:
    run, _ = failing(ExceptionGroup("", [Unavailable("away"), InputError("wrong")]))

    with pytest.raises(ExceptionGroup) as raised:
        await keep("part", run, clock)
    assert raised.group_contains(InputError)


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
    task = asyncio.create_task(keep("places", places.run, clock))
    await settle()
    await clock.advance(AGAIN_S)
    await settle()

    assert (store.asked, places.beacons(), task.done()) == (2, [], False)
    task.cancel()
    await asyncio.wait([task])
