"""Where the records of a partition begin and end, as the brokers say."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from insula.bus.kafka_client import COMMON, LIBRARY_LOG, error_of, unavailable
from insula.bus.port import Partition
from insula.clock import Clock

EARLIEST, LATEST = -2, -1
"""In place of a moment, in Kafka's request ListOffsets."""
ANSWER_S = 2.0
TRIES = 50
RETRY_S = 0.1
"""While a partition changes its leader, its offsets are asked for again so many times, so often (real time)."""

_askers: dict[frozenset[tuple[str, Any]], Consumer] = {}


def asker(config: Mapping[str, Any]) -> Consumer:
    """A consumer that reads nothing, one of each ``config``, kept for the life of the process: who asks may still wait
    for an answer when the bus stops. librdkafka's client for administration asks too, but aborts the process when a
    broker is lost in the midst of it."""
    key = frozenset(config.items())
    if key not in _askers:
        own = {"group.id": "insula-offsets", "enable.auto.commit": False, "logger": LIBRARY_LOG}
        _askers[key] = Consumer({**COMMON, **config, **own})
    return _askers[key]


class Offsets:
    def __init__(self, config: Mapping[str, Any], clock: Clock) -> None:
        self._config = config
        self._clock = clock

    async def first(self, places: Sequence[Partition]) -> dict[Partition, int]:
        """Of the first records that are kept. Raises Unavailable, as those below."""
        return await self._ask(places, EARLIEST)

    async def end(self, places: Sequence[Partition]) -> dict[Partition, int]:
        """After the last records."""
        return await self._ask(places, LATEST)

    async def since(self, places: Sequence[Partition], moment: int) -> dict[Partition, int]:
        """Of the first records that were produced at ``moment`` (ms, real time) or later; where there is none, after
        the last."""
        found, end = await self._ask(places, moment), await self.end(places)
        return {place: offset if offset >= 0 else end[place] for place, offset in found.items()}

    async def _ask(self, places: Sequence[Partition], what: int) -> dict[Partition, int]:
        consumer = asker(self._config)
        wanted = [TopicPartition(topic, number, what) for topic, number in places]
        refused: KafkaError | None = None
        for _ in range(TRIES if wanted else 0):
            found, refused = await asyncio.to_thread(_answer, consumer, wanted)
            if refused is None:
                return {(place.topic, place.partition): place.offset for place in found}
            await self._clock.real_sleep(RETRY_S)
        if wanted:
            raise unavailable(refused)
        return {}


def _answer(consumer: Consumer, wanted: list[TopicPartition]) -> tuple[list[TopicPartition], KafkaError | None]:
    """In a thread: it waits for the brokers. The client keeps to what it knows of a partition's leader, even while
    brokers answer that it is outdated: it is told to look for leaders anew."""
    try:
        found = consumer.offsets_for_times(wanted, timeout=ANSWER_S)
        refused = next((place.error for place in found if place.error is not None), None)
    except KafkaException as exception:
        found, refused = [], error_of(exception)
    if refused is not None:
        with suppress(KafkaException):
            consumer.list_topics(timeout=ANSWER_S)
    return found, refused
