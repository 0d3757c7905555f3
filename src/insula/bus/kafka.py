"""The bus of a campus: Apache Kafka. One producer a process, one consumer a reader."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from insula.bus.kafka_client import Administration, Link, admin_client, answers, error_of, few_arenas, unavailable
from insula.bus.kafka_clock import BrokerClock
from insula.bus.kafka_offsets import Offsets
from insula.bus.kafka_readers import KafkaMembership, KafkaSubscription
from insula.bus.kafka_sender import Sender
from insula.bus.kafka_tenure import Tenure
from insula.bus.kafka_topics import ANSWER_S, KafkaTopics, faults_at_start
from insula.bus.port import Assigned, Outgoing, Partition, Positions, Revoked, Slow, Start
from insula.bus.topics import TOPICS, partitions_of
from insula.clock import Clock
from insula.errors import InputError, Unavailable

log = structlog.get_logger("insula.kafka")

WAIT_S = 2.0
"""What is not there at the start is looked for again after so long (real time)."""
HEARTBEATS = 12
"""A member of a group says so many times in its session that it lives, and hears as often of a change."""
STALL_S = 60
"""A member that has not dealt with what it was given for so long loses its share."""
STICKY = "cooperative-sticky"
"""Who joins a group without data takes nothing from those that decide, but what evens the shares."""
PATIENT = {"fetch.min.bytes": 65_536, "fetch.wait.max.ms": 100}
"""Who shares the reading with others stores in batches: few large answers of the brokers cost both of them less."""


class KafkaBus:
    """``config``: how librdkafka reaches the brokers (``bootstrap.servers``, security). ``session_timeout_s``: a
    member of a group that died loses its share after so long; brokers refuse less than 6 s unless told otherwise.
    ``give_up_s``: publishing raises Unavailable when no broker has acknowledged for so long."""

    def __init__(
        self, config: Mapping[str, Any], clock: Clock, *, session_timeout_s: float = 6.0, give_up_s: float = 30.0
    ) -> None:
        self.clock = clock
        self.link = Link(config)
        self.cluster_id = ""
        """Known once started: positions mean nothing in another cluster."""
        self.offsets = Offsets(config, clock)
        self._session_ms = round(session_timeout_s * 1000)
        self._broker_clock = BrokerClock(clock)
        self._sender = Sender(self.link, clock, give_up_s, self._broker_clock)
        self._readers: list[KafkaSubscription] = []
        self._memberships: list[KafkaMembership] = []
        self._stopped = True
        self._config = config
        self._admin: Administration

    async def start(self) -> None:
        """Waits, and says so, until the brokers and the topics are there. Raises InputError when a topic is not kept
        as it must be, and for settings that no client can work with."""
        few_arenas()
        self._admin = admin_client(self._config)
        told = set()
        while (missing := await self._missing()) is not None:
            if missing not in told:
                log.warning("waiting for Kafka", servers=self.link.servers, why=missing)
            told.add(missing)
            await self.clock.real_sleep(WAIT_S)
        self._sender.start()
        self._stopped = False
        log.info("Kafka is there", servers=self.link.servers, cluster=self.cluster_id)

    async def _missing(self) -> str | None:
        """What has to be waited for; None: nothing."""
        try:
            cluster = await asyncio.wrap_future(self._admin.describe_cluster(request_timeout=WAIT_S))
            found = await KafkaTopics(self._admin, self.clock).find()
        except KafkaException as exception:
            return f"no broker answers: {self._admin.why(error_of(exception))}"
        except Unavailable as error:
            return str(error)
        if faults := faults_at_start(found):
            raise InputError("; ".join([*faults, "`insula topics apply` changes settings"]))
        self.cluster_id = cluster.cluster_id
        names = [name for name in TOPICS if name not in found]
        return f"no topic {', '.join(names)}: `insula topics apply` makes them" if names else None

    async def stop(self) -> None:
        self._stopped = True
        readers = [reader.close() for reader in self._readers]
        await asyncio.gather(*readers, *(membership.close() for membership in self._memberships))
        await self._sender.stop()

    # --- publishing

    async def publish(self, records: Iterable[Outgoing]) -> None:
        await self._sender.send(records)

    # --- reading

    async def subscribe(
        self,
        topics: Sequence[str],
        *,
        name: str,
        start: Start = "end",
        slow: Slow = "lossless",
        group: str | None = None,
        assigned: Assigned | None = None,
        revoked: Revoked | None = None,
    ) -> KafkaSubscription:
        # librdkafka names all its partitions with each fetch: a consumer a topic hears of a record earlier.
        consumers = [self._consumer(name) for _ in topics] if group is None else [self._consumer(group, PATIENT)]
        reader = KafkaSubscription(self, name, consumers, start, slow, assigned, revoked)
        self._readers.append(reader)
        try:
            if group is None:
                await reader.open_alone(topics)
            else:
                await reader.open(topics)
        except BaseException:
            await reader.close()
            raise
        return reader

    async def join(self, group: str, topic: str, *, assigned: Assigned, revoked: Revoked) -> KafkaMembership:
        tenure = Tenure(self._session_ms / 1000)
        consumer = self._consumer(group, {"partition.assignment.strategy": STICKY, "on_commit": tenure.answered})
        member = KafkaMembership(self, group, consumer, tenure, assigned, revoked)
        self._memberships.append(member)
        try:
            await member.open(topic)
        except BaseException:
            await member.close()
            raise
        return member

    def _consumer(self, group: str, more: Mapping[str, Any] = {}) -> Consumer:
        """Positions are the caller's: none is committed. ``range``: the same numbers of each topic to the same member,
        which the cooperative assignor does not promise."""
        if self._stopped:
            raise Unavailable("the bus has stopped")
        config = self.link.config(
            group_id=f"insula-{group}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy="range",
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // HEARTBEATS,
            max_poll_interval_ms=max(STALL_S * 1000, self._session_ms),
            queued_min_messages=10_000,
            queued_max_messages_kbytes=16_384,
            fetch_queue_backoff_ms=10,
        )
        return Consumer({**config, **more})

    def forget(self, member: KafkaSubscription | KafkaMembership) -> None:
        if isinstance(member, KafkaMembership):
            self._memberships.remove(member)
        else:
            self._readers.remove(member)

    # --- what the brokers know

    async def begin_positions(self, places: Sequence[Partition], start: Start, wishes: Positions) -> Positions:
        """Where a reader begins: as wished, else at ``start``, and in any case inside of what is kept."""
        low, high = await asyncio.gather(self.offsets.first(places), self.offsets.end(places))
        if isinstance(start, Mapping):
            first: Mapping[Partition, int] = {**low, **start}
        else:
            first = low if start == "beginning" else high
        return {place: min(max(wishes.get(place, first[place]), low[place]), high[place]) for place in places}

    async def end_positions(self, topics: Sequence[str]) -> dict[Partition, int]:
        return await self.offsets.end(partitions_of(topics))

    async def delete_before(self, positions: Positions) -> None:
        """Raises Unavailable."""
        before = [TopicPartition(topic, number, offset) for (topic, number), offset in positions.items()]
        try:
            if before:
                await answers(self._admin.delete_records(before, request_timeout=ANSWER_S))
        except KafkaException as exception:
            raise unavailable(error_of(exception), self._admin) from exception

    def handled_at(self) -> Mapping[str, int]:
        """Of each reader, when the last record was produced that it has dealt with (ms, real time; 0: none)."""
        return {reader.name: reader.handled_at for reader in self._readers}

    def slow_readers(self) -> Mapping[str, int]:
        """Readers that take no more from the brokers for now. They hold no one up: the records wait there."""
        return {reader.name: len(reader.inbox) for reader in self._readers if reader.inbox.full}

    def dropped(self) -> int:
        """Always 0: what waits with the brokers takes no memory here."""
        return 0

    def clock_offset_ms(self) -> int:
        return self._broker_clock.offset_ms()
