"""``insula topics apply | check | asyncapi``: the topics on Apache Kafka, and what is on them."""

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from insula.clock import SystemClock
from insula.errors import InputError
from insula.retry import once_there

if TYPE_CHECKING:
    from insula.bus.kafka_topics import KafkaTopics

topics = App(name="topics", help="The topics on Apache Kafka.")

AS_THEY_MUST_BE = "the topics are as they must be"


@topics.command
def apply(*, settings: Path | None = None) -> None:
    """Make the topics that are missing, and give all their settings. Waits for the brokers."""
    from insula.cli import _run, _say

    there = _topics(settings)

    async def work() -> None:
        for line in await once_there("Kafka", there.apply, SystemClock()):
            _say(line)
        _say(AS_THEY_MUST_BE)

    _run(work())


@topics.command
def check(*, settings: Path | None = None) -> None:
    """What differs from what the topics must be; an error if anything does."""
    from insula.cli import _run, _say

    there = _topics(settings)

    async def work() -> None:
        if faults := await there.check():
            raise InputError("\n".join(faults))
        _say(AS_THEY_MUST_BE)

    _run(work())


@topics.command
def asyncapi() -> None:
    """What is on the topics, as an AsyncAPI document, on standard output."""
    from insula.bus.asyncapi import document
    from insula.cli import _say

    _say(document().rstrip("\n"))


def _topics(file: Path | None) -> "KafkaTopics":
    from insula.bus.kafka_client import admin_client
    from insula.bus.kafka_topics import KafkaTopics
    from insula.cli import _settings

    bus = _settings(file).bus
    if bus.kind != "kafka":
        raise InputError("bus.kind is not kafka: there are no topics to look after")
    return KafkaTopics(
        admin_client(bus.client()), SystemClock(), replication=bus.replication, retention_h=bus.retention_h
    )
