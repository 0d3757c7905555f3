"""Fixtures of the contract suites: each is given every implementation of its port in turn."""

from collections.abc import AsyncIterator

import pytest

from insula.bus.port import Bus
from tests.contracts.buses import BUSES


@pytest.fixture(params=BUSES)
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    """A started bus whose topics are empty."""
    async with BUSES[request.param]() as bus:
        yield bus
