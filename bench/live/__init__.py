"""1,000 live clients of a building of 200 rooms: 900 people in their room, 100 screens that show all of it.

The server and the clients are processes of their own. A latency is from the moment at which a reading was made to the
one at which a client has it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from bench.machine import percentile

CLIENTS, SCREENS = 1_000, 100
PROCESSES = 2
MEASURED_S = 20


def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, _process("bench.live.server", folder, CLIENTS, SCREENS) as server:
        assert server.stdout is not None
        started = json.loads(server.stdout.readline())
        tokens = started["tokens"]
        shares = [tokens[number::PROCESSES] for number in range(PROCESSES)]
        loads = [_load(started["port"], share) for share in shares]
        found = [json.loads(load.communicate()[0]) for load in loads]
        assert all(load.returncode == 0 for load in loads)
    latencies = [one for load in found for one in load["latencies_ms"]]
    return {
        "live_1000_p50_ms": percentile(latencies, 0.5),
        "live_1000_p99_ms": percentile(latencies, 0.99),
        "live_1000_changes_s": len(latencies) / MEASURED_S,
        "live_1000_resyncs": sum(load["resyncs"] for load in found),
    }


def _load(port: int, tokens: list[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "bench.live.clients", str(port), str(MEASURED_S)]
    load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert load.stdin is not None
    load.stdin.write(json.dumps(tokens) + "\n")
    load.stdin.flush()
    return load


@contextmanager
def _process(module: str, *arguments: object) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen([sys.executable, "-m", module, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
