"""How far recorder, controller and API are behind at the traffic of 10,000 rooms, each a process of its own.

One broker and SQLite, all on this machine. 14,000 readings a second, as gateways write them (a fifth changed, the rest
re-sends), and 100 commands a second are put straight on the topics. The lag is now less the time of the last record
that a part has dealt with; each second the worst of the three counts. ``python -m bench.lag_10k_rooms SECONDS``.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.machine import percentile
from bench.traffic import plan
from insula.building.rules import load_ruleset
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.kafka import KafkaBus
from insula.clock import SystemClock
from insula.directory.directory import Directory
from insula.store.building import import_plan
from insula.store.engine import Store
from tests.services import kafka
from tests.services.topics import empty_topics

ROOMS = 10_000
DURATION_S = 600
START_S = 120
WARM_UP_S = 30
"""After each part has dealt with a record: what is first heard of a point has all rooms decided for."""
PARTS = ("recorder", "controller", "api")


def measure(duration_s: float = DURATION_S, rooms: int = ROOMS) -> dict[str, float]:
    """Seconds; and what share of a core each part took."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        data = Path(folder) / "data"
        cluster = stack.enter_context(kafka.running(Path(folder) / "kafka"))
        asyncio.run(_furnish(cluster, data, rooms))
        parts = {name: stack.enter_context(_part(name, cluster, data)) for name in PARTS}
        load = stack.enter_context(_load(cluster, data))
        everyone = {**parts, "load": load}
        for one in everyone.values():
            one.spoke.wait(START_S)
        time.sleep(WARM_UP_S)
        begin = time.monotonic()
        time.sleep(duration_s)
        end = time.monotonic()
        said = {name: one.between(begin, end) for name, one in everyone.items()}
    lags = {name: _by_second(said[name]) for name in PARTS}
    worst = _worst(list(lags.values()))
    return {
        "lag_10k_rooms_p99_s": percentile(worst, 0.99),
        "lag_10k_rooms_max_s": max(worst),
        "lag_10k_rooms_p50_s": percentile(worst, 0.5),
        "lag_10k_rooms_readings_s": _rate(said["load"], "sent"),
        **{f"lag_{name}_max_s": max(lag.values()) for name, lag in lags.items()},
        **{f"lag_{name}_cores": _rate(figures, "cpu_s") for name, figures in said.items()},
    }


Said = list[tuple[float, dict[str, float]]]
"""When something was said, and what."""


def _rate(said: Said, name: str) -> float:
    """By how much a figure grows in a second."""
    (first, before), (last, after) = said[0], said[-1]
    return (after[name] - before[name]) / (last - first)


def _by_second(said: Said) -> dict[int, float]:
    """The worst lag of each second, in s."""
    found: dict[int, float] = {}
    for at, figures in said:
        found[int(at)] = max(figures["lag_ms"] / 1000, found.get(int(at), 0.0))
    return found


def _worst(lags: list[dict[int, float]]) -> list[float]:
    """The worst of the parts, each second; a part that says nothing in a second is as far behind as that is long."""
    seconds = range(max(map(min, lags)), min(map(max, lags)) + 1)  # in which all of them were watched
    return [max(part.get(second, 1.0) for part in lags) for second in seconds]


class Part:
    """A process, and what it says each second."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.spoke = threading.Event()
        self._process = process
        self._said: Said = []

    def listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append((time.monotonic(), json.loads(line)))
            self.spoke.set()

    def between(self, begin: float, end: float) -> Said:
        return [one for one in self._said if begin <= one[0] < end]


async def _furnish(cluster: kafka.Cluster, data: Path, rooms: int) -> None:
    """The building in the database and on its topics."""
    await empty_topics(cluster)
    clock, bus, store = SystemClock(), KafkaBus(cluster.config, SystemClock()), Store(_url(data))
    await bus.start()
    await store.start()
    try:
        await import_plan(store, plan(rooms))
        await Directory(Channel(bus, DeviceIndex()), store, clock, rules=load_ruleset).look()
    finally:
        await store.stop()
        await bus.stop()


def _url(data: Path) -> str:
    return f"sqlite:///{data / 'insula.db'}"


@contextmanager
def _part(name: str, cluster: kafka.Cluster, data: Path) -> Iterator[Part]:
    environment = {
        "INSULA_DATA": str(data),
        "INSULA_BUS_KIND": "kafka",
        "INSULA_BUS_SERVERS": cluster.servers,
        "INSULA_API_PORT": "0",
        "INSULA_LOG_LEVEL": "warning",
    }
    with _process(["bench.lag_part", name], {**os.environ, **environment}) as part:
        yield part


@contextmanager
def _load(cluster: kafka.Cluster, data: Path) -> Iterator[Part]:
    with _process(["bench.lag_load", cluster.servers, _url(data)], dict(os.environ)) as load:
        yield load


@contextmanager
def _process(words: list[str], environment: dict[str, str]) -> Iterator[Part]:
    process = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, text=True, env=environment)
    part = Part(process)
    threading.Thread(target=part.listen, daemon=True).start()
    try:
        yield part
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(float(sys.argv[1]) if len(sys.argv) > 1 else DURATION_S), indent=2) + "\n")
