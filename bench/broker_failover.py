"""One of three brokers is killed under steady writes: the longest time until a write is acknowledged.

``python -m bench.broker_failover 10`` kills so many that are the active controller, and so many that are not.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import KafkaException, TopicCollection

from insula.bus.kafka import KafkaBus
from insula.bus.kafka_client import admin_client, answers
from insula.bus.port import Outgoing
from insula.bus.topics import PARTITIONS, TOPICS
from insula.clock import SystemClock
from insula.logs import configure
from insula.settings import LogSettings
from tests.services.kafka import Broker, Cluster, running
from tests.services.topics import empty_topics

WRITES_S = 100
BEFORE_S = 2.0
AFTER_S = 6.0
REST_S = 3.0


class Writes:
    """Steady writes on every partition in turn; each waits for its own acknowledgement."""

    def __init__(self, bus: KafkaBus) -> None:
        self._bus = bus
        self.longest_s = 0.0

    async def go_on(self, seconds: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(round(seconds * WRITES_S)):
                tasks.create_task(self._write(number))
                await asyncio.sleep(1 / WRITES_S)

    async def _write(self, number: int) -> None:
        began = time.perf_counter()
        await self._bus.publish([Outgoing("knx", "failover", b"%d" % number, {}, number % PARTITIONS)])
        self.longest_s = max(self.longest_s, time.perf_counter() - began)


async def one_kill(cluster: Cluster, controller: bool) -> float:
    """Seconds. ``controller``: whether the broker that is killed is the active controller."""
    bus = KafkaBus(cluster.config, SystemClock())
    await bus.start()
    try:
        await Writes(bus).go_on(BEFORE_S)
        leader = await active_controller(cluster)
        broker = next(one for one in cluster.brokers if (one.number == leader) == controller)
        writes = Writes(bus)
        broker.kill()
        await writes.go_on(AFTER_S)
        broker.start()
        await whole(cluster)
    finally:
        await bus.stop()
    return writes.longest_s


async def active_controller(cluster: Cluster) -> int:
    """The number of the broker that leads the quorum, as the one that knows the latest election has written down."""
    while True:
        states = [json.loads(file.read_text()) for broker in cluster.brokers if (file := _state(broker)).exists()]
        latest = max(states, key=lambda state: state["leaderEpoch"])
        if latest["leaderId"] > 0:  # else an election is under way
            return int(latest["leaderId"])
        await asyncio.sleep(0.1)


def _state(broker: Broker) -> Path:
    return broker.folder / "log" / "__cluster_metadata-0" / "quorum-state"


async def whole(cluster: Cluster) -> None:
    """Until every partition has its three copies, and some time more."""
    admin = admin_client(cluster.config)
    while True:
        try:
            topics = await answers(admin.describe_topics(TopicCollection(list(TOPICS)), request_timeout=5))
        except KafkaException:
            continue
        if all(len(place.isr) == len(place.replicas) for topic in topics.values() for place in topic.partitions):
            break
        await asyncio.sleep(0.2)
    await asyncio.sleep(REST_S)


async def kills(number: int, tell: Callable[[str], None] = lambda line: None) -> dict[str, list[float]]:
    """Of each kind so many: the seconds of each."""
    found: dict[str, list[float]] = {"controller": [], "other": []}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), 3) as cluster:
        await empty_topics(cluster)
        for _ in range(number):
            for kind, times in found.items():
                times.append(await one_kill(cluster, kind == "controller"))
                tell(f"{kind}: {times[-1]:.2f} s")
    return found


def measure(number: int = 2) -> dict[str, float]:
    configure(LogSettings(level="error"))
    found = asyncio.run(kills(number))
    return {"broker_failover_s": max(max(times) for times in found.values())}


def main() -> None:
    configure(LogSettings(level="error"))
    for kind, times in asyncio.run(kills(int(sys.argv[1]) if len(sys.argv) > 1 else 10, print)).items():
        print(f"{kind}: {' '.join(f'{seconds:.2f}' for seconds in times)}")


if __name__ == "__main__":
    main()
