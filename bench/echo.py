"""The bare process that the controller is compared with: what it reads from one topic it produces to another.

``python -m bench.echo SERVERS FROM TO PARTITIONS``
"""

import sys

from confluent_kafka import Consumer, Message, Producer, TopicPartition


def batch(consumer: Consumer) -> list[Message]:
    """What is there, waiting only for the first: ``consume(N, t)`` alone would wait for N or for t."""
    first = consumer.poll(1)
    return [m for m in ([first] if first is not None else []) + consumer.consume(500, 0) if m.error() is None]


def consumer(servers: str, topics: list[str], partitions: int, offset: int) -> Consumer:
    config = {"bootstrap.servers": servers, "log_level": 0, "group.id": topics[0], "enable.auto.commit": False}
    made = Consumer(config)
    made.assign([TopicPartition(topic, number, offset) for topic in topics for number in range(partitions)])
    return made


def producer(servers: str) -> Producer:
    config = {"bootstrap.servers": servers, "log_level": 0, "acks": "all", "enable.idempotence": True, "linger.ms": 0}
    return Producer(config)


def echo(servers: str, source: str, target: str, partitions: int) -> None:
    out, into = producer(servers), consumer(servers, [source], partitions, 0)
    while True:
        for message in batch(into):
            out.produce(target, value=message.value(), partition=message.partition() or 0)
        out.poll(0)


if __name__ == "__main__":
    _, servers, source, target, partitions = sys.argv
    echo(servers, source, target, int(partitions))
