"""1,000 live clients of a building of 200 rooms: 900 people in their room, 100 screens that show all of it.

The server and the clients are processes of their own. A latency is from the moment at which a reading was made to the
one at which a client has it.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from bench.machine import percentile

CLIENTS, SCREENS = 1_000, 100
PROCESSES = 2
MEASURED_S = 20


def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, _process("bench.live.server", folder, CLIENTS, SCREENS) as server:
        started = _line(server)
        tokens = started["tokens"]
        shares = [tokens[number::PROCESSES] for number in range(PROCESSES)]
        loads = [_load(started["port"], (CLIENTS - SCREENS) // PROCESSES, share) for share in shares]
        found = [_line(load) for load in loads]
        cut_ms = _cut_ms(started, loads)
        assert all(load.wait(60) == 0 for load in loads)
    latencies = [one for load in found for one in load["latencies_ms"]]
    return {
        "live_1000_p50_ms": percentile(latencies, 0.5),
        "live_1000_p99_ms": percentile(latencies, 0.99),
        "live_1000_changes_s": len(latencies) / MEASURED_S,
        "live_1000_resyncs": sum(load["resyncs"] for load in found),
        "live_rights_cut_1000_s": cut_ms / 1000,
    }


def _cut_ms(started: dict[str, Any], loads: "Sequence[subprocess.Popen[str]]") -> float:
    """From the moment at which it is asked to take a right of all people away to the one at which the last of them has
    been told what there is to see without it, of 1,000 clients whose rights are all looked up again."""
    url, headers = f"http://127.0.0.1:{started['port']}/api/v1", {"Authorization": f"Bearer {started['console']}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as admin:
        right = {"team": "everyone", "level": "see", "room": started["hall"]}
        given = admin.post("/rights", json=right).raise_for_status().json()
        for load in loads:
            _line(load)
        asked = time.time_ns() // 1_000_000
        admin.delete(f"/rights/{given['id']}").raise_for_status()
    return max(_line(load) for load in loads) - asked


def _line(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def _load(port: int, people: int, tokens: list[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "bench.live.clients", str(port), str(MEASURED_S), str(people)]
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
