"""What every client of Kafka here shares: how it connects, where it logs, and how its errors become ours."""

import asyncio
import ctypes
import logging
import re
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from insula.errors import InputError, Unavailable

K = TypeVar("K")
V = TypeVar("V")

log = structlog.get_logger("insula.kafka")

LIBRARY_LOG = logging.getLogger("insula.kafka")
"""librdkafka's own words: it says each refused connection of each client, which ``Link`` says once for all of them."""

COMMON: Mapping[str, Any] = {
    "client.id": "insula",
    "reconnect.backoff.ms": 50,
    "retry.backoff.ms": 50,
    "retry.backoff.max.ms": 200,  # librdkafka's second would be added to the time until a partition has a new leader
    "reconnect.backoff.max.ms": 1000,  # librdkafka's 10 s would be added to each outage
    "socket.timeout.ms": 6000,  # a broker that stands still is left after so long
    "socket.keepalive.enable": True,
}
AWAY = (
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError._RESOLVE,
)
NO_ANSWER = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT)


class Link:
    """Whether the brokers answer: says so once when they stop, and once when they are back. Called by any thread."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._away: set[str] = set()

    def config(self, **more: Any) -> dict[str, Any]:
        """The settings of a client; names with ``_`` for ``.``."""
        named = {name.replace("_", "."): value for name, value in more.items()}
        return {**COMMON, **self._config, **named, "logger": LIBRARY_LOG, "error_cb": self.failed}

    @property
    def servers(self) -> str:
        return str(self._config["bootstrap.servers"])

    def failed(self, error: KafkaError) -> None:
        if error.code() in AWAY and error.name() not in self._away:
            self._away.add(error.name())
            log.warning("Kafka does not answer; trying on", servers=self.servers, why=reason(error))

    def works(self) -> None:
        if self._away:
            self._away.clear()
            log.info("Kafka answers again", servers=self.servers)


class Administration(AdminClient):
    """For asking and telling brokers. Remembers what a server last said against it: an answer that does not come is
    told as a timeout, be it because of a wrong password."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._refused = ""
        own: dict[str, Any] = {"logger": LIBRARY_LOG, "error_cb": self._failed}
        super().__init__({**COMMON, **config, **own})

    def _failed(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # it follows each of the others, and says less
            self._refused = reason(error)

    def why(self, error: KafkaError) -> str:
        self.poll(0)
        return self._refused or error.name() if error.code() in NO_ANSWER else reason(error)


_TIMES = re.compile(r" \(after \d+ms in state [^)]*\)$")


def reason(error: KafkaError) -> str:
    """What librdkafka says, with the server, and without what differs each time."""
    return f"{_TIMES.sub('', error.str())} ({error.name()})"


M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""mallopt(3)"""
LARGE = 4 << 20


def few_arenas() -> None:
    """Each client has several threads, and glibc gives threads arenas of their own, which hardly shrink again: with two
    for all of them a part of a campus is 10 to 25 MB smaller. What is large (bytes; a password's 19 MiB) goes back to
    the system at once. For other C libraries nothing is done."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 2)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)


_admins: dict[frozenset[tuple[str, Any]], Administration] = {}


def admin_client(config: Mapping[str, Any]) -> Administration:
    """One of each ``config``, kept for the life of the process: librdkafka aborts it when a client is released by the
    client's own thread, which is where a garbage collection may happen to run. Raises InputError for settings that
    librdkafka refuses."""
    key = frozenset(config.items())
    if key not in _admins:
        try:
            _admins[key] = Administration(config)
        except KafkaException as exception:
            raise InputError(f"bus: {error_of(exception).str()}") from exception
    return _admins[key]


def unavailable(error: KafkaError | None, admin: Administration | None = None) -> Unavailable:
    if error is None:
        return Unavailable("Kafka: no answer")
    return Unavailable(f"Kafka: {admin.why(error) if admin is not None else error.str()}")


def error_of(exception: KafkaException) -> KafkaError:
    error: KafkaError = exception.args[0]
    return error


async def answers(asked: Mapping[K, "Future[V]"]) -> dict[K, V]:
    """What the brokers answered, an item each. Raises KafkaException."""
    return {item: await asyncio.wrap_future(future) for item, future in asked.items()}
