"""The topics and how each is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from insula.bus.port import MAX_RECORD, Partition

PARTITIONS = 12
ROLL_MS = 600_000
"""A compacted topic is compacted after so long at most: who reads it from the beginning is soon through."""

BATCH_BYTES = MAX_RECORD + 1024
"""The brokers' limit counts a batch: a record with its framing."""

Cleanup = Literal["delete", "compact", "compact,delete"]


@dataclass(frozen=True, slots=True)
class Topic:
    """``cleanup`` is Kafka's ``cleanup.policy``: ``delete`` keeps records for a time, ``compact`` the last of each key
    for ever, ``compact,delete`` as ``compact``, but records can also be deleted up to a position."""

    name: str
    partitions: int
    cleanup: Cleanup = "delete"
    stamped: bool = False
    """Records carry the time at which the broker appended them: by it, a host finds its own clock wrong."""

    @property
    def compacted(self) -> bool:
        return self.cleanup != "delete"

    def needs(self) -> Mapping[str, str]:
        """Settings of Kafka without which Insula's parts go wrong."""
        needs = {"cleanup.policy": self.cleanup, "max.message.bytes": str(BATCH_BYTES)}
        if self.stamped:
            needs["message.timestamp.type"] = "LogAppendTime"
        return {**needs, "retention.ms": "-1"} if self.compacted else needs

    def settings(self, *, retention_h: float, replication: int) -> Mapping[str, str]:
        """All settings of Kafka that are ours. ``retention_h``: hours that a record is kept where none is compacted."""
        insync = {"min.insync.replicas": str(max(1, replication - 1))}
        if not self.compacted:
            return {**self.needs(), **insync, "retention.ms": str(round(retention_h * 3_600_000))}
        quick = {"segment.ms": str(ROLL_MS), "max.compaction.lag.ms": str(ROLL_MS), "min.cleanable.dirty.ratio": "0.1"}
        return {**self.needs(), **insync, **quick}


KNX = Topic("knx", PARTITIONS)
ZWAVE = Topic("zwave", PARTITIONS)
EVENTS = Topic("events", PARTITIONS)
DB = Topic("db", 1, "compact,delete")
STATE = Topic("state", 1, "compact", stamped=True)

TOPICS: dict[str, Topic] = {topic.name: topic for topic in (KNX, ZWAVE, EVENTS, DB, STATE)}


def partition_of(topic: str, spread: int) -> int:
    """The partition that records with this ``spread`` (a room's id) are put on."""
    return spread % TOPICS[topic].partitions


def partitions_of(topics: Sequence[str]) -> list[Partition]:
    return [(topic, number) for topic in topics for number in range(TOPICS[topic].partitions)]


END_OF_DEVICES = "end_read_db"
"""Key of the record that ends the full list of devices on ``db``."""
