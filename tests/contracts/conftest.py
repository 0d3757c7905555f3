"""Fixtures of the contract suites: each is given every implementation of its port in turn."""

from collections.abc import AsyncIterator

import pytest

from insula.bus.port import Bus
from tests.contracts.buses import BUSES


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    """A started bus whose topics are empty."""
    async with BUSES[request.param](request) as bus:
        yield bus
