"""What befalls the campus: one fault after another, at random, and when each was."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from confluent_kafka import KafkaException, TopicCollection

from bench.faults.campus import Campus
from bench.faults.processes import Program, Target
from insula.bus.kafka_client import admin_client
from insula.bus.topics import TOPICS

HALT_S = 15.0
DOWN_S = (0.5, 4.0)
BETWEEN_S = (1.0, 6.0)
WHOLE_S = 120.0


@dataclass(frozen=True, slots=True)
class Fault:
    """``began``, ``ended``: ms, real time."""

    what: str
    kind: str
    began: int
    ended: int


@dataclass
class Chaos:
    campus: Campus
    chance: random.Random
    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """Of each kind of fault: ``kill recorder``, ``halt broker`` ..."""

    def rounds(self, number: int, tell: Callable[[str], None]) -> None:
        """Every kind of program in turn, in a random order, one of its kind at random."""
        kinds = sorted({target.kind for target in self.campus.targets()})
        order: list[str] = []
        for _ in range(number):
            if not order:
                order = self.chance.sample(kinds, len(kinds))
            kind = order.pop()
            target = self.chance.choice([one for one in self.campus.targets() if one.kind == kind])
            self._wait(self.chance.uniform(*BETWEEN_S))
            halts = self.chance.random() < 0.5
            tell(f"{'halt' if halts else 'kill'} {target.name}")
            self._befall(target, halts)

    def _befall(self, target: Target, halts: bool) -> None:
        if target.kind == "broker":
            self.wait_until_whole()
        began = _now()
        if halts:
            target.halt()
            try:
                self._wait(HALT_S, target)
            finally:  # one that stands still could not be ended
                target.resume()
        else:
            target.kill()
            self._wait(self.chance.uniform(*DOWN_S), target)
            target.start()
        what = f"{'halt' if halts else 'kill'} {target.kind}"
        self.counts[what] += 1
        self.faults.append(Fault(what, target.kind, began, _now()))

    def calm(self, seconds: float) -> None:
        self._wait(seconds)

    def _wait(self, seconds: float, down: Target | None = None) -> None:
        """Parts that end by themselves meanwhile are counted and started again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.1)
            for part in self.campus.parts:
                if part is not down:
                    part.watch()

    def wait_until_whole(self) -> None:
        """Until each partition has its three copies again: a second broker less would stop the writes."""
        admin = admin_client(self.campus.cluster.config)
        end = time.monotonic() + WHOLE_S
        while time.monotonic() < end:
            try:
                asked = admin.describe_topics(TopicCollection(list(TOPICS)), request_timeout=5)
                topics = [future.result() for future in asked.values()]
            except KafkaException:
                continue
            if all(len(place.isr) == len(place.replicas) for topic in topics for place in topic.partitions):
                return
            self._wait(0.5)
        raise RuntimeError("the brokers did not come back")

    def fell(self) -> dict[str, int]:
        """Parts that ended by themselves, and how often."""
        parts: list[Program] = self.campus.parts
        return {part.name: part.fell for part in parts if part.fell}


def _now() -> int:
    return time.time_ns() // 1_000_000
