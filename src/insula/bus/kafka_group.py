"""A member's share of a group of Kafka: what the consumer's thread hears of becomes a change for the event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field

from confluent_kafka import Consumer, TopicPartition

from insula.bus.port import Assigned, Partition, Positions, Revoked


@dataclass
class Change:
    """Partitions taken, or given up; the thread waits until ``done``: where to begin in those taken."""

    taken: bool
    places: Sequence[Partition]
    done: Future[Positions] = field(default_factory=Future)


class Share:
    """``begin`` and ``end`` start and stop the flow of records; ``changed`` is called, in the event loop, when there is
    something to settle. ``paused``: the member wants no records, and shares change by
    what comes and goes (the cooperative assignor). ``held`` is what the member has now."""

    def __init__(
        self,
        *,
        assigned: Assigned | None,
        revoked: Revoked | None,
        begin: Callable[[Sequence[Partition], Positions | None], Awaitable[Positions]],
        end: Callable[[Sequence[Partition]], None],
        changed: Callable[[], None],
        paused: bool = False,
    ) -> None:
        self.held: set[Partition] = set()
        self.joined = False
        """Whether the group has given it a share once, be it an empty one."""
        self._assigned = assigned
        self._revoked = revoked
        self._begin = begin
        self._end = end
        self._changed = changed
        self._paused = paused
        self._change: Change | None = None
        self._closing = False
        self._loop = asyncio.get_running_loop()

    # --- the event loop

    @property
    def unsettled(self) -> bool:
        return self._change is not None

    async def settle(self) -> None:
        """Tell the member. What fails when partitions are taken stays unsettled, and is tried again."""
        change = self._change
        if change is None:
            return
        if change.taken:
            positions = await self.take(change.places)
        else:
            positions = {}
            try:
                await self._give_up(change.places)
            finally:
                self._answer(change, positions)
        self._answer(change, positions)

    async def take(self, places: Sequence[Partition]) -> Positions:
        """These are the member's now; answers where it begins in them."""
        answer = await self._assigned(places) if self._assigned is not None and places else None
        positions = await self._begin(places, answer)
        self.held.update(places)
        self.joined = True
        return positions

    async def _give_up(self, places: Sequence[Partition]) -> None:
        self.held.difference_update(places)
        self._end(places)
        if self._revoked is not None and places:
            await self._revoked(places)

    def _answer(self, change: Change, positions: Positions) -> None:
        if self._change is change:
            self._change = None
            if not change.done.done():
                change.done.set_result(positions)

    def close(self) -> None:
        """What is not settled yet will not be."""
        self._closing = True
        if self._change is not None:
            self._change.done.cancel()
            self._change = None

    def _add(self, change: Change) -> None:
        if self._closing:
            change.done.cancel()
            return
        self._change = change
        self._changed()

    # --- the consumer's thread

    def on_assign(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        begin = self._settled(Change(True, places_of(partitions)))
        if begin is None:
            return
        shares = [TopicPartition(topic, number, offset) for (topic, number), offset in begin.items()]
        if self._paused:
            consumer.incremental_assign(shares)
            consumer.pause(shares)
        else:
            consumer.assign(shares)

    def on_revoke(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        if not self._closing:
            self._settled(Change(False, places_of(partitions)))

    def _settled(self, change: Change) -> Positions | None:
        """Waits for the event loop; None when the member closes instead."""
        self._loop.call_soon_threadsafe(self._add, change)
        try:
            return change.done.result()
        except CancelledError:
            return None


def places_of(partitions: Sequence[TopicPartition]) -> list[Partition]:
    return sorted((partition.topic, partition.partition) for partition in partitions)
