"""200 who ask, 500 devices, every route: nobody sees what they may not, and nobody is refused what they may."""

import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.matrix.estate import PER_ROOM
from tests.matrix.live import follow
from tests.matrix.matrix import Matrix, matrix, routes_of
from tests.matrix.people import Asker
from tests.matrix.routes import LIVE, ROUTES, Of


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Matrix]:
    async with matrix(tmp_path) as it:
        yield it


async def test_nobody_sees_or_does_more_than_they_may_nor_less(it: Matrix) -> None:
    """Each asks for half of the routes of no room, and for those of a room in one of some rooms.
    `python -m bench.matrix` leaves nothing out."""
    found = routes_of(it.home.api.app)
    known = {" ".join(name.split()[:2]) for name in ROUTES}
    assert found - known == set(), "say in tests/matrix/routes.py how these are called"
    assert known - found == set(), "these are no more"
    assert len(it.askers) == 200
    assert len(it.home.channel.devices) == 500
    _all_sorts(it.askers)
    chance = random.Random(1)
    for one in it.askers:
        rooms, names = it.sample(one, chance), chance.sample(list(ROUTES), len(ROUTES))
        await it.whole(one, names[::2])
        for index, room in enumerate(rooms):
            await it.in_room(one, room, names[index :: len(rooms)], [chance.choice(PER_ROOM)])
    await follow(it, LIVE, it.askers)
    assert it.faults == []
    relations = {"closed", "nothing", "see", "drive", "manage"}
    missing = {(name, how) for name, call in ROUTES.items() if isinstance(call, Of) for how in relations}
    assert missing - set(it.asked) == set()
    await _a_wrong_oracle_is_found_out(it)


def _all_sorts(askers: Sequence[Asker]) -> None:
    """Chance has left out nobody."""
    there = [one for one in askers if one.said is not None]
    assert len([one for one in there if one.here and one.said in one.levels]) > 5, "are in a room"
    assert len([one for one in there if not one.here and one.said in one.could]) > 5, "have another session that is"
    assert len([one for one in there if one.said not in one.levels]) > 5, "are where it gives them nothing"
    assert len([one for one in askers if one.guest is not None and one.active]) > 5


async def _a_wrong_oracle_is_found_out(it: Matrix) -> None:
    """One who may see a room, and should not: the test would tell."""
    one = next(one for one in it.askers if one.levels and not one.admin)
    room = next(room for room in it.rooms if room.id in one.levels)
    del one.levels[room.id]
    it.forget(one)
    await it.whole(one)
    await it.in_room(one, room)
    await follow(it, LIVE, [one])
    assert {fault.split()[0] for fault in it.faults} >= {"leak:", "GET", "WS"}
