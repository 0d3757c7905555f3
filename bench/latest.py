"""The latest value by the route of 2020 with a token, and the mean of three hours, with many rows in the database.

The client is a process of its own, and so is each server. What is compared is measured in turns, and the middle one of
five is taken: the machine's mood is the same for both.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.http_load import Seen, load

FEW, MANY = 10_000, 10_000_000
TURNS = 5
TURN_S = 3.0
CONNECTIONS = 16


@dataclass(frozen=True)
class Server:
    port: int
    token: str
    beacons: list[str]

    def latest(self, connections: int, beacons: list[str]) -> Seen:
        paths = [f"/sensor_get_temperature?{beacon}" for beacon in beacons]
        return load(self.port, paths, self.token, connections, TURN_S)

    def average(self) -> Seen:
        return load(self.port, [f"/avg_temperature?{beacon}" for beacon in self.beacons], self.token, 1, TURN_S)


def measure() -> dict[str, float]:
    with ExitStack() as stack:
        few, many, bare = (stack.enter_context(_server(str(rows))) for rows in (FEW, MANY, "bare"))
        beacons = few.beacons
        loaded = [(few.latest(CONNECTIONS, beacons), bare.latest(CONNECTIONS, beacons)) for _ in range(TURNS)]
        alone = [(many.latest(1, beacons), few.latest(1, beacons)) for _ in range(TURNS)]
        averages = [many.average() for _ in range(TURNS)]
    return {
        "latest_rps_16": statistics.median(ours.rps for ours, _ in loaded),
        "latest_vs_bare_route": statistics.median(ours.rps / bares.rps for ours, bares in loaded),
        "latest_p99_ms": statistics.median(ours.p99_ms for ours, _ in loaded),
        "latest_10M_vs_10k": statistics.median(large.p50_ms / small.p50_ms for large, small in alone),
        "avg_10M_p50_ms": statistics.median(seen.p50_ms for seen in averages),
        "avg_10M_p99_ms": statistics.median(seen.p99_ms for seen in averages),
    }


@contextmanager
def _server(rows: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as log:
        command = [sys.executable, "-m", "bench.latest_server", folder, rows]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield Server(**_said(process))
        finally:
            process.terminate()
            process.wait()


def _said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Its only line of JSON; its log's lines come before."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith('{"port"'):
            found: dict[str, Any] = json.loads(line)
            return found
    raise RuntimeError("the server did not start")
