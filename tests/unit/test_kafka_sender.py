"""What becomes of records whose producer has failed for good."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from insula.bus.kafka_client import Link
from insula.bus.kafka_clock import BrokerClock
from insula.bus.kafka_sender import Sender
from insula.bus.port import Outgoing
from insula.clock import ManualClock, settle
from insula.errors import Unavailable

FATAL = KafkaError(KafkaError._FATAL, "out of order", fatal=True)
Told = Callable[[KafkaError | None, Any], None]


class Producer:
    """A client of librdkafka that acknowledges nothing, and refuses all from ``failed`` on; its records are told that
    they failed when it is flushed."""

    def __init__(self) -> None:
        self.failed = False
        self.told: list[Told] = []

    def produce(self, *_record: Any, on_delivery: Told, headers: object) -> None:
        if self.failed:
            raise KafkaException(FATAL)
        self.told.append(on_delivery)

    def poll(self, seconds: float) -> None:
        pass

    def flush(self, seconds: float) -> int:
        while self.told:
            self.told.pop()(FATAL, None)
        return 0


async def test_what_a_failed_producer_still_had_is_told_to_its_publishers(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Producer] = []

    def make(_sender: Sender) -> Producer:
        made.append(Producer())
        return made[-1]

    monkeypatch.setattr(Sender, "_new", make)
    sender = Sender(Link({}), clock, 30, BrokerClock(clock))
    sender.start()
    record = Outgoing("knx", "key", b"{}")
    first = asyncio.create_task(sender.send([record]))
    await settle()
    made[0].failed = True

    with pytest.raises(Unavailable):
        await sender.send([record])
    with pytest.raises(Unavailable):
        async with asyncio.timeout(20):
            await first
    assert len(made) == 2
    await sender.stop()
