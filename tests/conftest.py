"""Fixtures that every test may use."""

from collections.abc import AsyncIterator

import pytest

from insula.clock import ManualClock
from insula.store.engine import Store

pytest_plugins = ["tests.services.mariadb"]


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
