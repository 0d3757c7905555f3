"""What can fail: each program as a process group of its own, which can be killed, halted and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tests.services.kafka import Broker
from tests.services.mariadb import MariaDbServer

INSULA = str(Path(sys.executable).with_name("insula"))
STOP_S = 15


class Target(Protocol):
    """Something that a fault can befall. ``kind``: those of one kind can stand in for each other."""

    kind: str
    name: str

    def kill(self) -> None: ...

    def start(self) -> None: ...

    def halt(self) -> None: ...

    def resume(self) -> None: ...


class Program:
    """A process and its log ``NAME.log``. ``fell``: how often it ended by itself, which none of them may."""

    def __init__(
        self, kind: str, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.kind = kind
        self.name = name
        self.log = folder / f"{name}.log"
        self.fell = 0
        self._command = command
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )

    def ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def watch(self) -> None:
        """One that ended by itself is counted and started again."""
        if self.ended():
            self.fell += 1
            self.start()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self.wait()

    def halt(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def ask_to_end(self) -> None:
        self.resume()
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """In an orderly way, or at once after 15 s."""
        if self._process is None:
            return
        self.ask_to_end()
        try:
            self.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait(self, seconds: float | None = None) -> int:
        assert self._process is not None
        return self._process.wait(seconds)

    def wait_for(self, words: str, seconds: float = 60) -> None:
        """Until it has said so. Raises RuntimeError."""
        end = time.monotonic() + seconds
        while words not in self.said():
            if self.ended() or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not say {words!r}:\n{self.said()[-2000:]}")
            time.sleep(0.1)

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


class FailingBroker:
    kind = "broker"

    def __init__(self, broker: Broker) -> None:
        self.name = f"broker-{broker.number}"
        self._broker = broker

    def kill(self) -> None:
        self._broker.kill()

    def start(self) -> None:
        self._broker.start()

    def halt(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._broker.process is not None and self._broker.process.poll() is None:
            self._broker.process.send_signal(number)


class FailingDatabase:
    kind = "mariadb"
    name = "mariadb"

    def __init__(self, server: MariaDbServer) -> None:
        self._server = server

    def kill(self) -> None:
        self._server.kill()

    def start(self) -> None:
        self._server.start()

    def halt(self) -> None:
        self._server.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._server.signal(signal.SIGCONT)
