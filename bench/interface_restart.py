"""The simulated interfaces, a program of their own, are killed and started again under a running Insula: how long until
both gateways are back, counted from when the interfaces answer again."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.demo_process import DemoProcess, free_ports
from insula.building.demo import demo_building

AWAY_S = 3.0
ROUNDS = 3


def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        return _measure(Path(folder))


def _measure(folder: Path) -> dict[str, float]:
    http, knx, zwave, control = free_ports(4)
    file = folder / "house.toml"
    file.write_text(demo_building(4, knx, zwave))
    os.environ["INSULA_DATA"] = str(folder / "data")  # where the console's token is
    _insula("building", "import", str(file), "--data", str(folder / "data")).wait()
    simulate = ("simulate", "--building", str(file), "--control-port", str(control))
    with _program("run", "--data", str(folder / "data"), "--port", str(http)):
        backs = []
        for _ in range(ROUNDS):
            with _program(*simulate):
                _answers(zwave)
                began = time.monotonic()
                _until(http, "ok")
                backs.append(time.monotonic() - began)
            _until(http, "degraded")
            time.sleep(AWAY_S)
    return {"interfaces_back_max_s": max(backs)}


def _insula(*words: str) -> "subprocess.Popen[bytes]":
    command = [str(Path(sys.executable).with_name("insula")), *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def _program(*words: str) -> Iterator[None]:
    """Killed at the end, as a power cut would."""
    process = _insula(*words)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> None:
    """Z-Wave is served after KNX: both are there."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.005)
    raise RuntimeError(f"nothing answers on port {port}")


def _until(http: int, status: str) -> None:
    """Until both gateways say so, or one of them says that it is degraded."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(OSError, json.JSONDecodeError):
            parts: dict[str, Any] = DemoProcess.ask(f"http://127.0.0.1:{http}/health").get("parts", {})
            states = [parts[name]["status"] for name in ("gateway/knx", "gateway/zwave") if name in parts]
            if len(states) == 2 and (set(states) == {"ok"}) == (status == "ok"):
                return
        time.sleep(0.005)
    raise RuntimeError(f"the gateways are not {status}")
