"""The live stream in the matrix: all follow it at once, and what each was told is held against the oracle."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from insula.clock import ManualClock
from insula.messages import Lease, Origin
from tests.flows.house import House
from tests.matrix.asking import Line
from tests.matrix.estate import PER_ROOM, EstateRoom
from tests.matrix.matrix import FOR_EVER_MS, Matrix
from tests.matrix.people import Asker
from tests.matrix.routes import alert_of

IN_TIME_S = 30
"""Of the machine's time: who was not told by then is told nothing more."""


class Follower(Line):
    """``told``: of which rooms, devices and alerts, by which sorts of messages (``kinds``)."""

    def __init__(self, one: Asker, app: Any, path: str) -> None:
        super().__init__(app, path, one.headers)
        self.one = one
        self.kinds: set[str] = set()
        self.told: set[str] = set()

    def heard(self, frame: bytes) -> None:
        message = msgspec.json.decode(frame)
        self.kinds.add(message["type"])
        self.told |= {"/".join(key.split("/")[:2]) for key in message["set"]}
        self.told |= {f"gone {key}" for key in message.get("gone", ())}

    def again(self) -> None:
        self.kinds, self.told = set(), set()


async def follow(it: Matrix, path: str, askers: Sequence[Asker]) -> None:
    """By all of them: a snapshot, then what changes in every room, and the answer to a wish for other rooms."""
    async with _following(it, path, askers) as followers:
        it.faults += [f"WS {path} lets {one.one.name} in" for one in followers if one.accepted and not one.one.active]
        inside = [one for one in followers if one.one.active]
        await _hears(it, inside, "snapshot", _all_of)
        await _all_changes(it)
        await _hears(it, inside, "changes", _changed)
        for one in inside:
            one.say(msgspec.json.encode({"rooms": [room.id for room in it.rooms if room.id not in one.one.levels]}))
        await _hears(it, inside, "resync", lambda rooms: set())
        for one in inside:
            it.leaks(one.one, f"WS {path}", one.frames)


async def _hears(
    it: Matrix, followers: Sequence[Follower], kind: str, wanted: Callable[[Collection[EstateRoom]], set[str]]
) -> None:
    """Each of all that it may see, and of nothing else; what was told is forgotten then."""
    missing = {one: wanted(it.seen(one.one)) - _hidden(it, one.one) for one in followers}
    await _in_time(it.home.clock, lambda: all(kind in one.kinds and missing[one] <= one.told for one in followers))
    for one in followers:
        it.asked[f"WS {kind}", "see" if one.one.levels else "nothing"] += 1
        lacking = missing[one] - one.told if kind in one.kinds else {kind}
        too_much = (
            one.told
            - (_all_of(it.seen(one.one)) - _hidden(it, one.one))
            - ({"health"} if one.one.everywhere else set())
        )
        if lacking or too_much:
            it.faults.append(f"WS {kind} for {one.one.name}: lacks {sorted(lacking)[:5]}, has {sorted(too_much)[:5]}")
        one.again()


def _all_of(rooms: Collection[EstateRoom]) -> set[str]:
    devices = {f"value/{room.devices[kind]}" for room in rooms for kind in PER_ROOM if kind != "radiator"}
    return devices | {
        key
        for room in rooms
        for key in (f"room/{room.id}", f"lease/{room.devices['radiator']}", f"alert/{alert_of(room)}")
    }


def _hidden(it: Matrix, one: Asker) -> set[str]:
    """Alerts are nothing for guests."""
    return set() if one.guest is None else {f"alert/{alert_of(room)}" for room in it.seen(one)}


def _changed(rooms: Collection[EstateRoom]) -> set[str]:
    return {key for room in rooms for key in (f"value/{room.devices['sensor']}", f"lease/{room.devices['radiator']}")}


async def _all_changes(it: Matrix) -> None:
    """A new value and another end of a lease in every room."""
    home: House = it.home
    for index, room in enumerate(it.rooms):
        home.zwave.press(room.devices["sensor"], "temperature", 25 + index / 50)
        device, now = room.devices["radiator"], home.clock.now()
        owner = Origin(kind="user", name=min(it.drivers[room.id]))
        await home.channel.send(Lease(device_id=device, owner=owner, since=now, until=now + FOR_EVER_MS + 1))


@asynccontextmanager
async def _following(it: Matrix, path: str, askers: Sequence[Asker]) -> AsyncIterator[list[Follower]]:
    followers = [Follower(one, it.app(one), path) for one in askers]
    async with asyncio.TaskGroup() as tasks:
        for one in followers:
            tasks.create_task(one.run(), name=f"follows {one.one.name}")
        yield followers
        for one in followers:
            one.hang_up()


async def _in_time(clock: ManualClock, true: Callable[[], bool]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(IN_TIME_S):
            while not true():
                await clock.advance(0.1)
