"""Fixtures that every test may use, and which tests are left out where a server that they need cannot be had."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from hypothesis import settings

from insula.clock import ManualClock
from insula.store.engine import Store
from tests.services import left_out
from tests.services.kafka import Cluster, running

pytest_plugins = ["tests.services.mariadb"]
settings.register_profile("no time is asserted", deadline=None)
settings.load_profile("no time is asserted")
SERVICES = ("kafka", "mariadb", "prometheus")
"""Each is a marker of the tests that need it."""


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command that ran in this process has set up logging onto its own standard error."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """An empty database with its tables, on each kind in turn."""
    store = Store(database_url)
    await store.upgrade()
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker of Apache Kafka."""
    with running(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for service in SERVICES:
        why = left_out(service)
        gone = [item for item in items if why and item.get_closest_marker(service)]
        if gone:
            items[:] = [item for item in items if item not in gone]
            config.hook.pytest_deselected(items=gone)
            config.stash.setdefault(LEFT_OUT, []).append(f"left out: {len(gone)} tests over {service} ({why})")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(LEFT_OUT, []):
        terminalreporter.write_line(line)


LEFT_OUT = pytest.StashKey[list[str]]()
