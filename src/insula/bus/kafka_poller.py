"""A consumer of Kafka on a thread of its own."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable
from threading import Thread

import structlog
from confluent_kafka import Consumer, Message, TopicPartition

from insula.bus.kafka_client import Link
from insula.bus.kafka_inbox import Inbox
from insula.bus.port import Partition, Record

log = structlog.get_logger("insula.kafka")

Change = Callable[[Consumer, list[TopicPartition]], None]
"""``Consumer.incremental_assign`` or ``Consumer.incremental_unassign``."""

POLL_S = 0.1
MOST = 2000
"""Records taken from the client at once, at most."""
PAUSE_AFTER_S = 1.0
"""A full inbox holds its thread up for so long; then the consumer is paused and goes on serving its group."""


class Poller:
    """From ``start`` on its thread is the only one that touches the consumer. ``held``: the partitions whose records
    are wanted; those of others are passed over. ``between`` is called on the thread after each poll."""

    def __init__(
        self,
        consumer: Consumer,
        name: str,
        inbox: Inbox,
        held: Collection[Partition],
        link: Link,
        between: Callable[[], None] | None = None,
    ) -> None:
        self._consumer = consumer
        self._name = name
        self._inbox = inbox
        self._held = held
        self._link = link
        self._between = between
        self._changes: deque[tuple[Change, list[TopicPartition]]] = deque()
        self._closing = False
        self._ended: asyncio.Future[None] | None = None

    def start(self) -> None:
        self._ended = asyncio.get_running_loop().create_future()
        Thread(target=self._run, args=[self._ended], name=f"kafka {self._name}", daemon=True).start()

    def tell(self, change: Change, partitions: list[TopicPartition]) -> None:
        """The consumer's partitions are changed on the thread, before the next poll."""
        self._changes.append((change, partitions))

    async def stop(self) -> None:
        """Returns when the thread has ended and the consumer is closed."""
        self._closing = True
        self._inbox.release()
        if self._ended is None:
            await asyncio.to_thread(self._consumer.close)
        else:
            await asyncio.shield(self._ended)

    def _run(self, ended: asyncio.Future[None]) -> None:
        try:
            while not self._closing:
                while self._changes:
                    change, partitions = self._changes.popleft()
                    change(self._consumer, partitions)
                self._poll()
                if self._between is not None:
                    self._between()
        except Exception:
            log.exception("reader failed", reader=self._name)
        finally:
            self._consumer.close()
            ended.get_loop().call_soon_threadsafe(ended.set_result, None)

    def _poll(self) -> None:
        if not self._inbox.wait_for_room(PAUSE_AFTER_S):
            self._pause()
        # consume(N, t) would wait until it has N or t is over: only the first record is waited for.
        first = self._consumer.poll(POLL_S)
        if first is not None:
            self._receive([first, *self._consumer.consume(MOST, 0)])

    def _pause(self) -> None:
        """Poll on without taking records: a member of a group that does not poll is taken for dead."""
        self._consumer.pause(self._consumer.assignment())
        while not self._inbox.wait_for_room(0):
            message = self._consumer.poll(POLL_S)
            if message is not None:
                self._receive([message])
                self._consumer.pause(self._consumer.assignment())
        self._consumer.resume(self._consumer.assignment())

    def _receive(self, messages: Iterable[Message]) -> None:
        records = []
        for message in messages:
            error = message.error()
            if error is not None:
                log.warning("reader", reader=self._name, why=error.str())
            elif (message.topic(), message.partition()) in self._held:
                records.append(record_of(message))
        if records:
            self._link.works()
            self._inbox.put(records)


def record_of(message: Message) -> Record:
    """Keys and headers that are no UTF-8 are read as well as may be: the codec says that it does not know them."""
    headers = message.headers()
    return Record(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        _text(message.key()),
        message.value(),
        {name: _text(value) for name, value in dict(headers).items()} if headers else {},
        message.timestamp()[1],
    )


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
