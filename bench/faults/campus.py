"""The campus: three brokers, MariaDB, the simulated building and every part as its own process."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.demo_process import free_ports
from bench.faults import building
from bench.faults.processes import INSULA, FailingBroker, FailingDatabase, Program, Target
from tests.services import kafka
from tests.services.kafka import Cluster
from tests.services.mariadb import MariaDbServer

SOURCES = Path(__file__).parents[2]
ENVIRONMENT = {"PYTHONPATH": f"{SOURCES / 'src'}:{SOURCES}"}
DURABLE = ("--innodb-flush-log-at-trx-commit=1", "--skip-name-resolve", "--skip-log-bin")
COUNTS = {"directory": 1, "recorder": 2, "history": 1, "controller": 2, "api": 2, "knx": 1, "zwave": 1}

_SETTINGS = """\
data = "{folder}/data-{name}"
instance = "{name}"
legacy_routes = "open"
[api]
port = {port}
[bus]
kind = "kafka"
servers = "{servers}"
replication = 3
[database]
url = "{database}"
"""


@dataclass
class Campus:
    folder: Path
    cluster: Cluster
    server: MariaDbServer
    database: str
    parts: list[Program]
    simulation: Program
    urls: list[str]

    def load(self, module: str, *arguments: str) -> Program:
        """A program of this package, which nothing befalls."""
        return Program(module, module, _module(module, *arguments), self.folder, ENVIRONMENT)

    def targets(self) -> list[Target]:
        """What may fail; the directory and the roll-ups have no hurry, and are left alone."""
        brokers = [FailingBroker(broker) for broker in self.cluster.brokers]
        parts = [part for part in self.parts if part.kind not in ("directory", "history")]
        return [*parts, *brokers, FailingDatabase(self.server)]


@contextmanager
def running(folder: Path, gateways: int) -> Iterator[Campus]:
    """Started; every process is ended by its id at the end, whatever happened."""
    with ExitStack() as stack:
        cluster = stack.enter_context(kafka.running(folder / "kafka", 3))
        server = MariaDbServer(DURABLE)
        stack.callback(server.remove)
        server.install()
        server.start()
        database = server.create_database()
        counts = COUNTS | {"knx": gateways, "zwave": gateways}
        places = _Places(folder, cluster.servers, database)
        simulation = places.prepare()
        stack.callback(simulation.stop)
        simulation.start()
        simulation.wait_for("simulation runs")
        parts = [places.part(kind, number + 1) for kind, count in counts.items() for number in range(count)]
        for part in parts:
            stack.callback(part.stop)
            part.start()
        for part in parts:
            part.wait_for("Insula runs")
        yield Campus(folder, cluster, server, database, parts, simulation, places.urls)


class _Places:
    """Where everything is, and how each part is told so."""

    def __init__(self, folder: Path, servers: str, database: str) -> None:
        self.urls: list[str] = []
        self._folder = folder
        self._servers = servers
        self._database = database

    def prepare(self) -> Program:
        """Topics, tables, building; the simulation, not yet started."""
        knx, zwave = free_ports(2)
        (self._folder / "simulated.toml").write_text(building.simulated(knx, zwave))
        (self._folder / "building.toml").write_text(building.whole(knx, zwave))
        settings = f"--settings={self._settings('setup', 1)}"
        for arguments in (
            ["topics", "apply"],
            ["db", "upgrade"],
            ["building", "import", f"{self._folder}/building.toml"],
        ):
            step = self._program("setup", "setup", [INSULA, *arguments, settings])
            step.start()
            if step.wait():
                raise RuntimeError(f"{arguments} failed:\n{step.said()}")
        telegrams = ["simulated.toml", "telegrams"]
        return self._program(
            "simulation", "simulation", _module("simulation", *(f"{self._folder}/{n}" for n in telegrams))
        )

    def part(self, kind: str, number: int) -> Program:
        name = f"{kind}-{number}"
        (port,) = free_ports(1)
        if kind == "api":
            self.urls.append(f"http://127.0.0.1:{port}")
        return self._program(kind, name, [INSULA, "run", kind, f"--settings={self._settings(name, port)}"])

    def _settings(self, name: str, port: int) -> Path:
        file = self._folder / f"{name}.toml"
        text = _SETTINGS.format(
            folder=self._folder, name=name, port=port, servers=self._servers, database=self._database
        )
        file.write_text(text)
        return file

    def _program(self, kind: str, name: str, command: list[str]) -> Program:
        return Program(kind, name, command, self._folder, ENVIRONMENT)


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"bench.faults.{name}", *arguments]
