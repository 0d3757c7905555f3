"""Empty topics for each test. Records are deleted where Kafka allows it; ``state`` is deleted and made again."""

import asyncio

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from insula.bus.kafka_client import admin_client, answers, error_of
from insula.bus.kafka_topics import KafkaTopics
from insula.bus.port import Partition
from insula.bus.topics import STATE, TOPICS, partitions_of
from insula.clock import SystemClock
from insula.errors import Unavailable
from tests.services.kafka import Cluster

PATIENCE_S = 30
PASSING = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError._NOENT,
)
PLACES = partitions_of(list(TOPICS))


async def empty_topics(cluster: Cluster) -> None:
    """All topics of Insula, with their settings and no record."""
    admin = admin_client(cluster.config)
    topics = KafkaTopics(admin, SystemClock(), replication=min(3, len(cluster.brokers)))
    async with asyncio.timeout(PATIENCE_S):
        while not await _emptied(admin, topics):
            await asyncio.sleep(0)


async def _emptied(admin: AdminClient, topics: KafkaTopics) -> bool:
    """Brokers go on for some milliseconds as if a deleted topic were there, or as if a new one were not."""
    try:
        await topics.apply()
        low, high = await _offsets(admin, OffsetSpec.earliest()), await _offsets(admin, OffsetSpec.latest())
        used = {place: offset for place, offset in high.items() if low[place] < offset}
        if any(topic == STATE.name for topic, _ in used):
            await answers(admin.delete_topics([STATE.name]))
        await answers(
            admin.delete_records(
                [TopicPartition(*place, offset) for place, offset in used.items() if place[0] != STATE.name]
            )
        )
    except Unavailable:
        return False
    except KafkaException as exception:
        if error_of(exception).code() in PASSING:
            return False
        raise
    return not used


async def _offsets(admin: AdminClient, which: OffsetSpec) -> dict[Partition, int]:
    found = await answers(admin.list_offsets({TopicPartition(*place): which for place in PLACES}))
    return {(place.topic, place.partition): result.offset for place, result in found.items()}
