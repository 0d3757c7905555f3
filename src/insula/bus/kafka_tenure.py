"""For how long a member of a group of Kafka is sure of its share.

A process that stood still (SIGSTOP, a virtual machine that was moved) wakes up in the belief that it is still a
member. So a member commits offsets that mean nothing: brokers take a commit from members of the group's present
generation alone, and whom they took one from stays a member for a session's length. When it was sent is known here.
"""

import time
from collections.abc import Sequence
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from insula.bus.kafka_client import error_of
from insula.bus.port import Partition

log = structlog.get_logger("insula.kafka")

MARGIN: Final = 1 / 6
"""Of the session: what may pass between looking at the time and what is then done."""
ASKS: Final = 12
"""In a session."""


def monotonic_s() -> float:
    """Goes on while the process, and where the system can tell, the machine stands still."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Tenure:
    """``ask`` and ``answered`` are the consumer's thread's, ``certain`` anybody's."""

    def __init__(self, session_s: float) -> None:
        self._session_s = session_s
        self._until = 0.0
        self._count = 0
        self._asked: dict[int, float] = {}
        """When each commit that is not answered was asked for, by its offset."""
        self._next = 0.0

    def certain(self) -> bool:
        return monotonic_s() < self._until

    def ask(self, consumer: Consumer, place: Partition) -> None:
        """Commit, when it is time to. The offset tells one commit from the next, so that a late answer is known."""
        now = monotonic_s()
        if now < self._next:
            return
        self._next = now + self._session_s / ASKS
        self._asked = {count: at for count, at in self._asked.items() if now - at < self._session_s}
        self._count += 1
        self._asked[self._count] = now
        try:
            consumer.commit(offsets=[TopicPartition(*place, self._count)], asynchronous=True)
        except KafkaException as exception:
            log.debug("not asked", why=error_of(exception).str())

    def answered(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        for partition in partitions:
            asked = self._asked.pop(partition.offset, None)
            if error is None and partition.error is None and asked is not None:
                self._until = max(self._until, asked + self._session_s * (1 - MARGIN))

    def end(self) -> None:
        """The share is lost: what is still to be answered says nothing of the next one."""
        self._asked.clear()
        self._until = self._next = 0.0
