"""200 who ask, 500 devices, every route: nobody sees what they may not, and nobody is refused what they may."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.matrix.matrix import Matrix, matrix, routes_of
from tests.matrix.routes import ROUTES, InRoom


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Matrix]:
    async with matrix(tmp_path) as it:
        yield it


async def test_nobody_sees_or_does_more_than_they_may_nor_less(it: Matrix) -> None:
    """Each asks for every route of no room, and of rooms for one of each level that they have; all of it, for every
    device, is in `make chaos`."""
    found = routes_of(it.home.api.app)
    assert found - set(ROUTES) == set(), "say in tests/matrix/routes.py how these are called"
    assert set(ROUTES) - found == set(), "these are no more"
    assert len(it.askers) == 200
    assert len(it.home.channel.devices) == 500
    chance = random.Random(1)
    for one in it.askers:
        await it.whole(one)
        for room in it.sample(one, chance):
            await it.in_room(one, room)
    assert it.faults == []
    relations = {"closed", "nothing", "see", "drive", "manage"}
    missing = {(name, how) for name, call in ROUTES.items() if isinstance(call, InRoom) for how in relations}
    assert missing - set(it.asked) == set()
