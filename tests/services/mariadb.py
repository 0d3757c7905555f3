"""A real MariaDB (Debian's mariadb-server) for the tests that ask for it."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

QUICK = ("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--skip-name-resolve", "--skip-log-bin")
"""What it keeps need not outlive the machine."""


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"


class MariaDbServer:
    """One server on 127.0.0.1. Its data outlive ``stop`` and ``kill``, until ``remove``."""

    def __init__(self, options: Sequence[str] = QUICK) -> None:
        self._options = options
        self.folder = Path(tempfile.mkdtemp(prefix="insula-", dir="/tmp"))  # a socket's path may have 107 characters
        self.socket = self.folder / "s"
        self.port = _free_port()
        self._process: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None
        self._numbers = count(1)

    def install(self) -> None:
        options = [f"--datadir={self.folder / 'data'}", "--auth-root-authentication-method=normal", "--skip-test-db"]
        self._run("mariadb-install-db", *_user(), *options)

    def start(self) -> None:
        """Returns when it answers."""
        places = [f"--datadir={self.folder / 'data'}", f"--socket={self.socket}", f"--port={self.port}"]
        options = [*_user(), *places, f"--pid-file={self.folder / 'pid'}", "--bind-address=127.0.0.1", *self._options]
        command = [shutil.which("mariadbd", path=_path()) or "mariadbd", "--no-defaults", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if "ready for connections" in line:
                self._listener = threading.Thread(target=self._process.stderr.read, daemon=True)
                self._listener.start()
                return
        raise RuntimeError("mariadbd ended:\n" + "".join(said))

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._reap()

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def signal(self, number: int) -> None:
        """SIGSTOP halts it, SIGCONT lets it go on."""
        if self._process is not None:
            self._process.send_signal(number)

    def _reap(self) -> None:
        assert self._process is not None
        self._process.wait(30)
        if self._listener is not None:
            self._listener.join()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def create_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return f"mysql+asyncmy://root@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str, database: str = "") -> list[list[str]]:
        """What another client does, and its rows as texts."""
        output = self._run("mariadb", f"--socket={self.socket}", "--user=root", "-N", "-B", "-e", statement, database)
        return [line.split("\t") for line in output.splitlines()]

    def _run(self, program: str, *options: str) -> str:
        command = [program, "--no-defaults", *filter(None, options)]
        environment = {**os.environ, "PATH": _path()}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout


def _user() -> list[str]:
    return ["--user=root"] if os.getuid() == 0 else []


def _free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def running() -> Iterator[MariaDbServer]:
    server = MariaDbServer()
    try:
        server.install()
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDbServer]:
    """The session's server: a new database for each test."""
    yield from running()


@pytest.fixture
def mariadb_alone() -> Iterator[MariaDbServer]:
    """A server of the test's own, to be stopped and killed."""
    yield from running()


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database, of each kind in turn; the tables are not yet made."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'insula.db'}"
    server: MariaDbServer = request.getfixturevalue("mariadb")
    return server.create_database()
