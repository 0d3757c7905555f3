"""The topics on the brokers: made, compared with what they must be, and brought there."""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from insula.bus.kafka_client import Administration, answers, error_of, unavailable
from insula.bus.topics import TOPICS, Topic
from insula.clock import Clock
from insula.errors import InputError

ANSWER_S = 10.0
SEEN_S = 0.05
"""Brokers show what was done a little later: looked for so often (real time)."""


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is on the brokers."""

    partitions: int
    replication: int
    settings: Mapping[str, str]


class KafkaTopics:
    """``replication``: brokers that hold each record; ``retention_h``: hours that records of ``knx``, ``zwave`` and
    ``events`` are kept."""

    def __init__(self, admin: Administration, clock: Clock, *, replication: int = 1, retention_h: float = 72) -> None:
        self._admin = admin
        self._clock = clock
        self._replication = replication
        self._retention_h = retention_h

    async def find(self) -> dict[str, Found]:
        """Those of our topics that are there. Raises Unavailable."""
        try:
            described = {name: topic for name in TOPICS if (topic := await self._describe(name)) is not None}
            settings = await self._settings(described)
        except KafkaException as exception:
            raise unavailable(error_of(exception), self._admin) from exception
        return {name: Found(*described[name], settings[name]) for name in described}

    async def _describe(self, name: str) -> tuple[int, int] | None:
        """Its number of partitions, and in how many copies each is kept; None: there is no such topic."""
        try:
            asked = self._admin.describe_topics(TopicCollection([name]), request_timeout=ANSWER_S)
            topic = (await answers(asked))[name]
        except KafkaException as exception:
            if error_of(exception).code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise
        return len(topic.partitions), min(len(partition.replicas) for partition in topic.partitions)

    async def _settings(self, names: Mapping[str, object]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        found = await answers(self._admin.describe_configs(resources, request_timeout=ANSWER_S))
        return {
            resource.name: {entry.name: str(entry.value) for entry in entries.values()}
            for resource, entries in found.items()
        }

    def wanted(self, topic: Topic) -> Mapping[str, str]:
        return topic.settings(retention_h=self._retention_h, replication=self._replication)

    async def check(self) -> list[str]:
        """What is not as it should be, a line each; empty: nothing."""
        found = await self.find()
        faults = [f"topic {name} is missing" for name in TOPICS if name not in found]
        for name, there in found.items():
            faults += counts(TOPICS[name], there, self._replication)
            faults += differences(name, self.wanted(TOPICS[name]), there)
        return faults

    async def apply(self) -> list[str]:
        """Make what is missing, change what differs; what was done, a line each. Raises InputError for what cannot be
        changed (then nothing was), and Unavailable."""
        found = await self.find()
        if fixed := [fault for name in found for fault in counts(TOPICS[name], found[name], self._replication)]:
            raise InputError("; ".join(fixed))
        try:
            done = await self._make(found) + await self._change(found)
        except KafkaException as exception:
            error = error_of(exception)
            if error.code() == KafkaError.INVALID_REPLICATION_FACTOR:
                raise InputError(f"bus.replication = {self._replication}: {error.str()}") from exception
            raise unavailable(error, self._admin) from exception
        while done and await self.check():
            await self._clock.real_sleep(SEEN_S)
        return done

    async def _make(self, found: Mapping[str, Found]) -> list[str]:
        missing = [topic for topic in TOPICS.values() if topic.name not in found]
        new = [
            NewTopic(topic.name, topic.partitions, self._replication, config=dict(self.wanted(topic)))
            for topic in missing
        ]
        if new:
            await answers(self._admin.create_topics(new, request_timeout=ANSWER_S))
        return [
            f"{topic.name}: made, partitions {topic.partitions}, replication {self._replication}" for topic in missing
        ]

    async def _change(self, found: Mapping[str, Found]) -> list[str]:
        done = []
        for name, there in found.items():
            wanted = self.wanted(TOPICS[name])
            different = {key: value for key, value in wanted.items() if there.settings.get(key) != value}
            entries = [
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in different.items()
            ]
            if entries:
                resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
                await answers(self._admin.incremental_alter_configs([resource], request_timeout=ANSWER_S))
            done += [f"{name}: {key} = {value} (was {there.settings.get(key)})" for key, value in different.items()]
        return done


def counts(topic: Topic, found: Found, replication: int | None = None) -> list[str]:
    """What can never be changed on a topic that holds records. ``replication`` None: any."""
    faults = []
    if found.partitions != topic.partitions:
        faults.append(
            f"topic {topic.name} has {found.partitions} partitions and must have {topic.partitions}: "
            "a changed count would put a room's records on two of them"
        )
    if replication is not None and found.replication != replication:
        faults.append(
            f"topic {topic.name} has replication {found.replication} and bus.replication says {replication}: "
            "Kafka's own kafka-reassign-partitions changes that"
        )
    return faults


def differences(name: str, wanted: Mapping[str, str], found: Found) -> list[str]:
    return [
        f"topic {name} has {key} = {found.settings.get(key)} and must have {value}"
        for key, value in wanted.items()
        if found.settings.get(key) != value
    ]


def faults_at_start(found: Mapping[str, Found]) -> list[str]:
    """What would make a part of Insula go wrong; how long records are kept, and in how many copies, is left aside."""
    return [
        fault
        for name, there in found.items()
        for fault in (*counts(TOPICS[name], there), *differences(name, TOPICS[name].needs(), there))
    ]
