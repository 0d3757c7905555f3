"""The two kinds of members that the Kafka bus has: readers, and shares of a group without data."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from insula.bus.backlog import Latest, Lossless
from insula.bus.kafka_group import Share
from insula.bus.kafka_inbox import Inbox
from insula.bus.kafka_poller import Change, Poller
from insula.bus.kafka_tenure import Tenure
from insula.bus.port import Assigned, Partition, Positions, Record, Revoked, Slow, Start
from insula.bus.topics import partitions_of
from insula.errors import Unavailable

if TYPE_CHECKING:
    from insula.bus.kafka import KafkaBus

log = structlog.get_logger("insula.bus")


FULL: dict[Slow, int] = {"lossless": 10_000, "latest": 100_000}
"""Records that wait to be taken; then the reader takes no more from the brokers, where they wait as well."""
RETRY_S = 1.0
"""After a callback of a membership has failed, it is tried again (real time)."""


class KafkaSubscription:
    """A reader of Kafka (port.Subscription)."""

    def __init__(
        self,
        bus: "KafkaBus",
        name: str,
        consumers: Sequence[Consumer],
        start: Start,
        slow: Slow,
        assigned: Assigned | None,
        revoked: Revoked | None,
    ) -> None:
        self.name = name
        self.handled_at = 0
        """When the last record was produced that the reader has dealt with (ms, real time; 0: none): on a topic that
        never rests, now less this is how far the reader is behind."""
        self._given_at = 0
        self.inbox = Inbox(Latest() if slow == "latest" else Lossless(), FULL[slow])
        self._bus = bus
        self._consumers = consumers
        self._start = start
        self._positions: dict[Partition, int] = {}
        self._closed = False
        self._by_topic: dict[str, Poller] = {}
        self._share = Share(
            assigned=assigned, revoked=revoked, begin=self._begin, end=self._end, changed=self.inbox.wake
        )
        self._pollers = [Poller(consumer, name, self.inbox, self._share.held, bus.link) for consumer in consumers]

    async def open(self, topics: Sequence[str]) -> None:
        """As a member of the group of its only consumer."""
        (consumer,), (poller,) = self._consumers, self._pollers
        consumer.subscribe(list(topics), on_assign=self._share.on_assign, on_revoke=self._share.on_revoke)
        poller.start()
        while not self._share.joined:
            self._check_open()
            await self.inbox.wait()
            await self._share.settle()

    async def open_alone(self, topics: Sequence[str]) -> None:
        """In no group; a topic's partitions with a consumer of its own."""
        self._by_topic = dict(zip(topics, self._pollers, strict=True))
        if self._start != "nowhere":
            places = partitions_of(topics)
            self._tell(places, Consumer.incremental_assign, await self._share.take(places))
        for poller in self._pollers:
            poller.start()

    async def follow(self, partitions: Sequence[Partition], since: int) -> Positions:
        partitions = [place for place in partitions if place not in self._share.held]
        begin = await self._bus.offsets.since(partitions, since)
        end = await self._bus.offsets.end(partitions)
        self._positions.update(begin)
        self._share.held.update(partitions)
        self._tell(partitions, Consumer.incremental_assign, begin)
        return end

    async def leave(self, partitions: Sequence[Partition]) -> None:
        partitions = [place for place in partitions if place in self._share.held]
        self._share.held.difference_update(partitions)
        self._tell(partitions, Consumer.incremental_unassign, {})
        self._end(partitions)

    def _tell(self, places: Sequence[Partition], what: Change, offsets: Positions) -> None:
        for topic, poller in self._by_topic.items():
            some = [TopicPartition(*place, offsets.get(place, OFFSET_END)) for place in places if place[0] == topic]
            if some:
                poller.tell(what, some)

    async def batch(self, limit: int = 1000) -> Sequence[Record]:
        self.handled_at = self._given_at
        while True:
            self._check_open()
            if self._share.unsettled:
                await self._share.settle()
            elif records := self.inbox.take(limit):
                for record in records:
                    self._positions[record.topic, record.partition] = record.offset + 1
                self._given_at = records[-1].at
                return records
            else:
                await self.inbox.wait()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"reader {self.name} is closed")

    def positions(self) -> Positions:
        return dict(self._positions)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._bus.forget(self)
            self._share.close()
            await asyncio.gather(*(poller.stop() for poller in self._pollers))

    # --- what the share calls

    async def _begin(self, places: Sequence[Partition], answer: Positions | None) -> Positions:
        begin = await self._bus.begin_positions(places, self._start, answer or {})
        self._positions.update(begin)
        return begin

    def _end(self, places: Sequence[Partition]) -> None:
        self.inbox.discard(frozenset(places))
        for place in places:
            self._positions.pop(place, None)


class KafkaMembership:
    """A share of a group without data (port.Membership): a task of its own tells the member of changes."""

    def __init__(
        self,
        bus: "KafkaBus",
        name: str,
        consumer: Consumer,
        tenure: Tenure,
        assigned: Assigned,
        revoked: Revoked,
    ) -> None:
        self._bus = bus
        self._consumer = consumer
        self._tenure = tenure
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._share = Share(
            assigned=assigned,
            revoked=revoked,
            begin=_nowhere,
            end=lambda places: None,
            changed=self._changed.set,
            paused=True,
        )
        self._poller = Poller(consumer, name, Inbox(Lossless(), 1), (), bus.link, self._stay)

    def certain(self) -> bool:
        return self._tenure.certain()

    def _stay(self) -> None:
        """In the consumer's thread, between two polls: no share is given or taken meanwhile."""
        held = self._consumer.assignment()
        if held:
            self._tenure.ask(self._consumer, (held[0].topic, held[0].partition))
        else:
            self._tenure.end()

    async def open(self, topic: str) -> None:
        self._consumer.subscribe([topic], on_assign=self._share.on_assign, on_revoke=self._share.on_revoke)
        self._poller.start()
        while not self._share.joined:
            await self._changed.wait()
            self._changed.clear()
            if self._closed:
                raise Unavailable("the bus has stopped")
            await self._share.settle()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._share.settle()
            except Exception:
                log.exception("a group member's callback failed")
                await self._bus.clock.real_sleep(RETRY_S)
                self._changed.set()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._changed.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._bus.forget(self)
        self._share.close()
        await self._poller.stop()


async def _nowhere(places: Sequence[Partition], answer: Positions | None) -> Positions:
    """Where who reads nothing begins."""
    return dict.fromkeys(places, OFFSET_END)
