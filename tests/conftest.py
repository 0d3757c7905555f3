"""Fixtures that every test may use."""

import pytest

from insula.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
