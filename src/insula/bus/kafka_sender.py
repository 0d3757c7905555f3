"""From here to Kafka: records are published, and their publisher told when the brokers have them."""

import asyncio
from collections.abc import Iterable
from threading import Thread

import structlog
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer

from insula.bus.kafka_client import Link, error_of, unavailable
from insula.bus.kafka_clock import BrokerClock
from insula.bus.port import MAX_RECORD, Outgoing, size_of
from insula.bus.topics import BATCH_BYTES, partition_of
from insula.clock import Clock
from insula.errors import RecordTooLarge, Unavailable

log = structlog.get_logger("insula.kafka")

POLL_S = 0.1
FULL_S = 0.005
"""When the client's queue is full, publishing waits so long before it tries again (real time)."""
AT_ONCE = 500
"""After so many records of one call others in the event loop have a turn."""
LAST_WORDS_S = 2.0
"""At the end, so long is waited for what the brokers have not yet acknowledged."""


class Delivery:
    """One call of publish. Called, in the producer's thread, for each of its records."""

    def __init__(self, records: int, link: Link, clock: Clock, broker_clock: BrokerClock) -> None:
        self._left = records
        self._error: KafkaError | None = None
        self._link = link
        self._sent = clock.real()
        self._broker_clock = broker_clock
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[KafkaError | None] = self._loop.create_future()

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self._left -= 1
        self._error = self._error or error
        if self._left == 0:
            if self._error is None:
                self._link.works()
                kind, stamped = message.timestamp()
                if kind == TIMESTAMP_LOG_APPEND_TIME:
                    self._broker_clock.heard(self._sent, stamped)
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(self._error)


class Sender:
    """An idempotent producer and the thread that hears of its deliveries.

    ``give_up_s``: a record that is not acknowledged after so long has finally failed.
    """

    def __init__(self, link: Link, clock: Clock, give_up_s: float, broker_clock: BrokerClock) -> None:
        self._link = link
        self._clock = clock
        self._give_up_s = give_up_s
        self._broker_clock = broker_clock
        self._stopped = True
        self._producer: Producer
        self._thread: Thread

    def start(self) -> None:
        self._producer = self._new()
        self._stopped = False
        self._thread = Thread(target=self._run, name="kafka sender", daemon=True)
        self._thread.start()

    def _new(self) -> Producer:
        config = self._link.config(
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            message_timeout_ms=round(self._give_up_s * 1000),
            request_timeout_ms=5000,
            queue_buffering_max_kbytes=65_536,
            message_max_bytes=BATCH_BYTES,
        )
        return Producer(config)

    def _run(self) -> None:
        while not self._stopped:
            self._producer.poll(POLL_S)

    async def send(self, records: Iterable[Outgoing]) -> None:
        """Returns when the brokers have them all. Raises Unavailable; RecordTooLarge before any is sent."""
        outgoing = list(records)
        for record in outgoing:
            if (size := size_of(record)) > MAX_RECORD:
                raise RecordTooLarge(f"a record of {size} bytes; {MAX_RECORD} is the most")
        if self._stopped:
            raise Unavailable("the bus has stopped")
        if not outgoing:
            return
        delivery = Delivery(len(outgoing), self._link, self._clock, self._broker_clock)
        for number, record in enumerate(outgoing, 1):
            await self._put(record, delivery)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        error = await delivery.done
        if error is not None:
            raise Unavailable("the bus has stopped") if self._stopped else unavailable(error)

    async def _put(self, record: Outgoing, delivery: Delivery) -> None:
        while True:
            try:
                self._produce(record, delivery)
            except BufferError:
                await self._clock.real_sleep(FULL_S)
            except KafkaException as exception:
                self._renew(error_of(exception))
                raise unavailable(error_of(exception)) from exception
            else:
                return

    def _produce(self, record: Outgoing, delivery: Delivery) -> None:
        if self._stopped:
            raise Unavailable("the bus has stopped")
        self._producer.produce(
            record.topic,
            record.value,
            record.key.encode(),
            -1 if record.spread is None else partition_of(record.topic, record.spread),
            on_delivery=delivery,
            headers=list(record.headers.items()),
        )

    def _renew(self, error: KafkaError) -> None:
        """A producer whose order can no longer be promised is of no more use: take another."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            log.error("the producer failed; taking a new one", why=error.str())
            failed, self._producer = self._producer, self._new()
            # Whoever waits for what it still had is told by its own callbacks alone.
            Thread(target=_end, args=[failed], name="kafka failed sender", daemon=True).start()

    async def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._thread.join()
        _end(self._producer)


def _end(producer: Producer) -> None:
    if producer.flush(LAST_WORDS_S):
        producer.purge()
        producer.flush(LAST_WORDS_S)
