"""``insula topics apply | check | asyncapi``: the topics on Apache Kafka, and what is on them."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from cyclopts import App

from insula.errors import InputError, Unavailable

if TYPE_CHECKING:
    from insula.bus.kafka_topics import KafkaTopics

log = structlog.get_logger("insula")
topics = App(name="topics", help="The topics on Apache Kafka.")

WAIT_S = 2.0
AS_THEY_MUST_BE = "the topics are as they must be"


@topics.command
def apply(*, settings: Path | None = None) -> None:
    """Make the topics that are missing, and give all their settings. Waits for the brokers."""
    from insula.cli import _run, _say

    there = _topics(settings)

    async def work() -> None:
        for line in await _applied(there):
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


async def _applied(there: "KafkaTopics") -> list[str]:
    while True:
        try:
            return await there.apply()
        except Unavailable as error:
            log.warning("waiting for Kafka", why=str(error))
            await asyncio.sleep(WAIT_S)


def _topics(file: Path | None) -> "KafkaTopics":
    from insula.bus.kafka_client import admin_client
    from insula.bus.kafka_topics import KafkaTopics
    from insula.cli import _settings
    from insula.clock import SystemClock

    bus = _settings(file).bus
    if bus.kind != "kafka":
        raise InputError("bus.kind is not kafka: there are no topics to look after")
    return KafkaTopics(
        admin_client(bus.client()), SystemClock(), replication=bus.replication, retention_h=bus.retention_h
    )
