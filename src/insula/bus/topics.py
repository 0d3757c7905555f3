"""The topics and how each is kept."""

from dataclasses import dataclass

PARTITIONS = 12


@dataclass(frozen=True, slots=True)
class Topic:
    """``compacted``: the last record of each key is kept for ever; else records are kept for a time."""

    name: str
    partitions: int
    compacted: bool = False


KNX = Topic("knx", PARTITIONS)
ZWAVE = Topic("zwave", PARTITIONS)
EVENTS = Topic("events", PARTITIONS)
DB = Topic("db", 1, compacted=True)
STATE = Topic("state", 1, compacted=True)

TOPICS: dict[str, Topic] = {topic.name: topic for topic in (KNX, ZWAVE, EVENTS, DB, STATE)}


def partition_of(topic: str, spread: int) -> int:
    """The partition that records with this ``spread`` (a room's id) are put on."""
    return spread % TOPICS[topic].partitions


END_OF_DEVICES = "end_read_db"
"""Key of the record that ends the full list of devices on ``db``."""
