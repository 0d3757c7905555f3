"""The implementations of the bus that the contract suite runs over, and readers of its tests.

A bus joins by one line in ``BUSES``: an async context manager that gives a started bus whose topics are empty; what it
needs of the session (a broker) it takes from the fixture request.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from insula.bus.kafka import KafkaBus
from insula.bus.memory import MemoryBus
from insula.bus.port import Bus, Outgoing, Partition, Positions, Record, Subscription, reached
from insula.clock import SystemClock
from tests.services.kafka import Cluster
from tests.services.topics import empty_topics

PATIENCE_S = 30


@asynccontextmanager
async def memory(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    bus = MemoryBus(SystemClock())
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


@asynccontextmanager
async def kafka(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    cluster: Cluster = request.getfixturevalue("kafka")
    await empty_topics(cluster)
    bus = KafkaBus(cluster.config, SystemClock())
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


BUSES: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Bus]]] = {
    "memory": memory,
    "kafka": kafka,
}


def reading(room: int, number: int, *, topic: str = "knx", point: str | None = None) -> Outgoing:
    """A record of this room; its value is the number."""
    return Outgoing(topic, "read_point", str(number).encode(), {"point": point} if point else {}, spread=room)


def values(records: Iterable[Record]) -> list[int]:
    return [int(record.value or b"") for record in records]


async def take(subscription: Subscription, number: int, limit: int = 1000) -> list[Record]:
    """So many records, and no more than come with them."""
    records: list[Record] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(records) < number:
            records += await subscription.batch(min(limit, number - len(records)))
    return records


async def take_all(bus: Bus, subscription: Subscription, topics: Sequence[str]) -> list[Record]:
    """What is there now."""
    return await take_until(subscription, await bus.end_positions(topics))


async def take_until(subscription: Subscription, end: Positions) -> list[Record]:
    """Until the reader's positions are these."""
    records: list[Record] = []
    async with asyncio.timeout(PATIENCE_S):
        while not reached(subscription.positions(), end):
            records += await subscription.batch()
    return records


async def published(bus: Bus, outgoing: Outgoing) -> Record:
    """As the bus keeps it."""
    reader = await bus.subscribe([outgoing.topic], name="published")
    await bus.publish([outgoing])
    (record,) = await take(reader, 1)
    await reader.close()
    return record


class Progress:
    """Something that tests can wait for."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def made(self) -> None:
        self._changed.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not reached():
                self._changed.clear()
                await self._changed.wait()


@dataclass
class Shares:
    """Who holds which partitions of a group; two at once is a fault."""

    progress: Progress = field(default_factory=Progress)
    owners: dict[Partition, str] = field(default_factory=dict)
    stored: dict[Partition, int] = field(default_factory=dict)
    """Where each partition is to go on: what a recorder keeps in its database."""

    def member(self, name: str) -> "Member":
        return Member(name, self)

    def of(self, name: str) -> set[Partition]:
        return {place for place, owner in self.owners.items() if owner == name}


@dataclass
class Member:
    """One member of a group, reading in a task of its own."""

    name: str
    shares: Shares
    records: list[Record] = field(default_factory=list)
    subscription: Subscription | None = None
    task: asyncio.Task[None] | None = None

    async def assigned(self, partitions: Sequence[Partition]) -> Positions | None:
        for place in partitions:
            assert place not in self.shares.owners, f"{place} of {self.shares.owners[place]} given to {self.name}"
            self.shares.owners[place] = self.name
        self.shares.progress.made()
        return {place: self.shares.stored[place] for place in partitions if place in self.shares.stored}

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        for place in partitions:
            assert self.shares.owners.pop(place) == self.name
        self.shares.progress.made()

    async def read(self, bus: Bus, topics: Sequence[str], group: str) -> None:
        self.subscription = await bus.subscribe(
            topics,
            name=self.name,
            start="beginning",
            group=group,
            assigned=self.assigned,
            revoked=self.revoked,
        )
        self.task = asyncio.create_task(self._run(self.subscription))

    async def _run(self, subscription: Subscription) -> None:
        while True:
            records = await subscription.batch()
            for record in records:
                place = (record.topic, record.partition)
                assert self.shares.owners.get(place) == self.name, f"{record.place} came to {self.name}"
                self.shares.stored[place] = record.offset + 1
            self.records += records
            self.shares.progress.made()

    async def close(self) -> None:
        assert self.task is not None
        assert self.subscription is not None
        self.task.cancel()
        ended = await asyncio.gather(self.task, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError), ended
        for place in self.shares.of(self.name):
            del self.shares.owners[place]
        await self.subscription.close()
