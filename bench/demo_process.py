"""The demo as a process of its own, on free ports and in a folder of its own."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from insula.console import token_for


@dataclass(frozen=True)
class DemoProcess:
    """``started_s``: from its start until ``/health`` answered."""

    http: int
    knx: int
    zwave: int
    control: int
    started_s: float
    process: subprocess.Popen[bytes]

    def get(self, path: str, **query: object) -> dict[str, Any]:
        words = "&".join(f"{key}={value}" for key, value in query.items())
        return self.ask(f"http://127.0.0.1:{self.http}{path}?{words}")

    def control_post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.ask(f"http://127.0.0.1:{self.control}{path}", body)

    def control_get(self, path: str) -> dict[str, Any]:
        return self.ask(f"http://127.0.0.1:{self.control}{path}")

    @staticmethod
    def ask(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"content-type": "application/json", **signed(url)})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else {}


def signed(url: str) -> dict[str, str]:
    """The header by which the demo knows this machine's console."""
    return {"Authorization": f"Bearer {token_for(url)}"}


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[DemoProcess]:
    """Started and answering; ended by its id."""
    http, knx, zwave, control = free_ports(4)
    command = [str(Path(sys.executable).with_name("insula")), "demo", "--data", str(folder)]
    for name, port in {"port": http, "knx-port": knx, "zwave-port": zwave, "control-port": control}.items():
        command += [f"--{name}", str(port)]
    os.environ["INSULA_DATA"] = str(folder)  # where its console's token is
    began = time.monotonic()
    with (folder.parent / "demo.log").open("ab") as log:
        process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{http}/health", process)
        yield DemoProcess(http, knx, zwave, control, time.monotonic() - began, process)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError):
            DemoProcess.ask(url)
            return
        time.sleep(0.02)
    raise RuntimeError(f"the demo did not answer at {url} (exit {process.poll()})")
