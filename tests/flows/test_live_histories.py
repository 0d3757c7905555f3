"""Whatever happens in the building, and however slowly a client reads: what it was told makes what there is to see."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from insula.access.rights import Level, Person, guest
from insula.api.board import StateBoard
from insula.api.commands import Commands
from insula.api.health import HealthBoard
from insula.api.live import client as live_client
from insula.api.live.client import Client
from insula.api.live.frames import Narrow
from insula.api.live.picture import Picture, Sight
from insula.api.live.stream import GATHER_S, Stream
from insula.api.signed import Proof, Signed
from insula.api.values import LastValues
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import ManualClock, settle
from insula.messages import (
    Alert,
    BusMessage,
    Command,
    CommandResult,
    DeviceRecord,
    Lease,
    Origin,
    Point,
    Reading,
    RightsVersion,
    RoomRecord,
)
from tests.flows.live_client import Told

ROOMS = (1, 2, 3)
ANNA = Person(1, "anna")
ROLES = ("temperature", "motion", "valve")


def device(room: int, room_now: int | None = None) -> DeviceRecord:
    """Each room has one, with its own number."""
    return DeviceRecord(
        device_id=room,
        room_id=room_now or room,
        room_number=room_now or room,
        type="knx",
        gateway_id="knx",
        kind="sensor",
        points=tuple(Point(role=role) for role in ROLES),
    )


@dataclass
class Somebody:
    """Knows what they may see: all the same."""

    may: frozenset[int]
    board: StateBoard

    @property
    def version(self) -> tuple[int, int]:
        return self.board.rights, self.board.places

    async def again(self, many: Collection[Signed]) -> dict[Proof, Signed]:
        await asyncio.sleep(0)
        return {one.proof: self.signed(one.person) for one in many}

    def holds(self, signed: Signed) -> bool:
        return set(signed.levels) == self.may

    def signed(self, person: Person = ANNA) -> Signed:
        everywhere: Level | None = "see" if self.may == frozenset(ROOMS) else None
        return Signed(person, str(person.id), True, 1 << 62, dict.fromkeys(self.may, "see"), everywhere, 0)


@dataclass
class Watched:
    """A client that reads when it is told to, and no sooner."""

    client: Client
    stream: Stream
    told: Told = field(default_factory=Told)
    heard: list[str] = field(default_factory=list)

    async def read(self) -> bool:
        """One message, if there is one on its way."""
        if self.client.idle:
            return False
        self.heard.append(await self.client.message())
        self.told.take(json.loads(self.heard[-1]))
        self.stream.sent(self.client)
        return True


@dataclass
class Building:
    clock: ManualClock
    channel: Channel
    board: StateBoard
    picture: Picture
    people: Somebody
    stream: Stream
    watched: list[Watched] = field(default_factory=list)
    version: int = 0

    async def say(self, *messages: BusMessage) -> None:
        await self.channel.send(*messages)
        await settle(8)

    def comes(self, narrow: Narrow, person: Person = ANNA) -> Watched:
        client = Client(self.people.signed(person), "", narrow)
        self.stream.join(client)
        self.watched.append(Watched(client, self.stream))
        return self.watched[-1]

    async def quiet(self) -> None:
        """All is told, and read."""
        for _ in range(4):
            await self.clock.advance(GATHER_S)
            for one in self.watched:
                await one.read()
            await settle(8)
        await self.clock.advance(GATHER_S)

    async def agree(self) -> None:
        await self.quiet()
        for one in self.watched:
            assert one.told.state == self.to_see(one.client)

    def to_see(self, client: Client) -> dict[str, Any]:
        rooms = self.people.may
        if client.narrow.rooms is not None:
            rooms &= client.narrow.rooms
        whole = self.people.may == frozenset(ROOMS)
        found = self.picture.entries(Sight(rooms, whole))
        return {"/".join(str(part) for part in key if part != ""): json.loads(data) for key, data in found}


@asynccontextmanager
async def building() -> AsyncIterator[Building]:
    clock = ManualClock()
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    board, commands, health = StateBoard(channel, clock), Commands(channel, clock), HealthBoard(channel, clock)
    values = LastValues(channel, clock, commands.saw)
    picture, people = Picture(channel.devices, values, board, health), Somebody(frozenset(ROOMS), board)
    stream = Stream(picture, people, commands, clock)
    stream.listen(values, board, channel.devices)
    for room in ROOMS:
        channel.devices.put(device(room))
    channel.devices.completed()
    tasks = [asyncio.create_task(part.run()) for part in (board, commands, health, values, stream)]
    await settle()
    it = Building(clock, channel, board, picture, people, stream)
    await it.say(*(RoomRecord(room_id=room, number=room, building="B") for room in ROOMS), RightsVersion(version=0))
    try:
        yield it
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.stop()


# --- what may happen

room = st.sampled_from(ROOMS)
some_rooms = st.frozensets(room)
steps = st.one_of(
    st.tuples(st.just("reading"), room, st.sampled_from(ROLES), st.integers(0, 1)),
    st.tuples(st.just("lease"), room, st.booleans()),
    st.tuples(st.just("mode"), room, st.sampled_from(["observe", "active"])),
    st.tuples(st.just("alert"), st.sampled_from([None, *ROOMS]), st.booleans()),
    st.tuples(st.just("result"), room, st.sampled_from(["anna", "ben"]), st.sampled_from(["user", "guest"])),
    st.tuples(st.just("move"), room, room),
    st.tuples(st.just("may"), some_rooms),
    st.tuples(st.just("narrow"), st.integers(0, 2), st.none() | some_rooms),
    st.tuples(st.just("comes"), st.none() | some_rooms),
    st.tuples(st.just("goes"), st.integers(0, 2)),
    st.tuples(st.just("reads"), st.integers(0, 2)),
    st.tuples(st.just("all read")),
    st.tuples(st.just("time"), st.sampled_from([0.05, 0.1, 1.0, 11.0])),
)


async def happen(it: Building, step: tuple[Any, ...]) -> None:
    now = it.clock.now()
    match step:
        case ("reading", room, role, value):
            times = {"at": now, "measured_at": now, "changed_at": now}
            await it.say(Reading(device_id=room, gateway_id="knx", point=role, value=value, **times))
        case ("lease", room, True):
            await it.say(Lease(device_id=room, owner=Origin(kind="user"), since=now, until=now + 1000))
        case ("lease", room, False):
            await it.channel.forget("state", f"lease/{room}")
        case ("mode", room, mode):
            await it.say(RoomRecord(room_id=room, number=room, building="B", mode=mode))
        case ("alert", room, True):
            fields = {"key": f"a{room}", "kind": "away", "severity": "info", "text": "t", "raised_at": now}
            await it.say(msgspec.convert({**fields, "room_id": room}, Alert))
        case ("alert", room, False):
            await it.channel.forget("state", f"alert/a{room}")
        case ("result", room, name, kind):
            origin = Origin(kind=kind, name=name)
            times = {"at": now, "expires_at": now + 30_000}
            command = Command(device_id=room, gateway_id="knx", point="valve", value=1, origin=origin, **times)
            await it.say(CommandResult(at=now, command=command, outcome="done"))
        case ("move", room, room_now):
            it.channel.devices.put(device(room, room_now))
            it.channel.devices.completed()
        case ("may", rooms):
            it.people.may = rooms
            it.version += 1
            await it.say(RightsVersion(version=it.version))
        case ("all read",):
            await it.agree()
        case ("time", seconds):
            await it.clock.advance(seconds)
        case ("comes", rooms):
            it.comes(Narrow(rooms))
        case (what, number, *more) if number < len(it.watched):
            await by_client(it, it.watched[number], what, *more)
    await settle(8)


async def by_client(it: Building, watched: Watched, what: str, rooms: frozenset[int] | None = None) -> None:
    match what:
        case "reads":
            await watched.read()
        case "narrow":
            watched.client.narrow = Narrow(rooms)
            it.stream.narrowed(watched.client)
        case "goes":
            it.stream.leave(watched.client)
            it.watched.remove(watched)


@settings(max_examples=80, deadline=None)
@given(history=st.lists(steps, min_size=12, max_size=60), most=st.sampled_from([1, 3, 2_000]))
def test_what_was_told_makes_what_there_is(history: list[tuple[Any, ...]], most: int) -> None:
    asyncio.run(lived(history, most))


async def lived(history: list[tuple[Any, ...]], most: int) -> None:
    live_client.MOST_OWED, kept = most, live_client.MOST_OWED
    try:
        async with building() as it:
            it.comes(Narrow())
            it.comes(Narrow(frozenset({1})))
            for step in history:
                await happen(it, step)
                for one in it.watched:
                    assert len(one.client.owed) <= most
            await it.agree()
    finally:
        live_client.MOST_OWED = kept


async def test_a_slow_client_is_told_the_newest_once_and_others_at_once() -> None:
    async with building() as it:
        it.comes(Narrow())
        it.comes(Narrow())
        slow, quick = it.watched
        await it.quiet()
        before, heard = len(slow.told.kinds), []
        for value in range(20, 25):
            await happen(it, ("reading", 1, "temperature", value))
            await it.clock.advance(GATHER_S)
            assert await quick.read()
            heard.append(quick.told.state["value/1/temperature"]["value"])
        assert heard == [20, 21, 22, 23, 24]
        assert await slow.read()
        assert slow.told.state["value/1/temperature"]["value"] == 20
        await it.clock.advance(GATHER_S)
        assert await slow.read()
        assert slow.told.state == quick.told.state
        assert slow.told.kinds[before:] == ["changes", "changes"]


async def test_who_falls_too_far_behind_gets_a_fresh_picture() -> None:
    async with building() as it:
        it.comes(Narrow())
        (slow,) = it.watched
        await it.clock.advance(GATHER_S)
        await it.quiet()
        slow.client.owe([("value", number, "temperature") for number in range(live_client.MOST_OWED + 1)])
        assert slow.client.owed == {}
        await happen(it, ("reading", 1, "temperature", 25))
        await it.quiet()
        assert slow.told.kinds[-1] == "resync"
        assert slow.told.state == it.to_see(slow.client)


async def test_who_was_busy_while_nothing_was_told_has_missed_nothing() -> None:
    async with building() as it:
        it.comes(Narrow())
        await it.quiet()
        (slow,) = it.watched
        await happen(it, ("reading", 1, "temperature", 20))
        await it.clock.advance(11.0)
        assert await slow.read()
        await happen(it, ("reading", 1, "temperature", 21))
        await it.agree()


async def test_equal_sights_share_one_message() -> None:
    async with building() as it:
        for _ in range(3):
            it.comes(Narrow())
        await it.quiet()
        await happen(it, ("reading", 2, "valve", 1))
        await it.clock.advance(GATHER_S)
        await all_the_same(it)
        it.people.may = frozenset({1, 2})
        it.version += 1
        await it.say(RightsVersion(version=it.version))
        await it.clock.advance(GATHER_S)
        assert '"why":"rights"' in await all_the_same(it)
        await happen(it, ("reading", 2, "valve", 0))
        it.version += 1
        await it.say(RightsVersion(version=it.version))
        await it.clock.advance(GATHER_S)
        assert "value/2/valve" in await all_the_same(it)


async def all_the_same(it: Building) -> str:
    """The next message of all: one, put together once."""
    messages = [await one.client.message() for one in it.watched]
    for one in it.watched:
        it.stream.sent(one.client)
    assert len({id(message) for message in messages}) == 1
    return messages[0]


async def test_a_guest_is_told_nothing_of_people() -> None:
    """Nor when something is of theirs: an alert that comes and goes is not even gone."""
    async with building() as it:
        it.people.may = frozenset({1})
        visitor, anna = it.comes(Narrow(), guest(1, 1)), it.comes(Narrow())
        await it.quiet()
        now, by = it.clock.now(), Origin(kind="user", name="anna")
        lease = Lease(device_id=1, owner=by, reason="anna wants it", since=now, until=now + 1000)
        seen = Alert(key="a1", kind="away", severity="info", text="t", raised_at=now, room_id=1, acknowledged_by="anna")
        await it.say(lease, seen)
        await happen(it, ("result", 1, "anna", "user"))
        await it.quiet()
        late = it.comes(Narrow(), guest(2, 1))
        await it.quiet()
        await happen(it, ("alert", 1, False))
        await it.quiet()
        for one in (visitor, late):
            held = one.told.state["lease/1"]
            assert (held["owner"]["kind"], held["class"], held["until"]) == ("user", "occupant", now + 1000)
            assert "anna" not in "".join(one.heard)
            assert "alert" not in "".join(one.heard)
            assert one.told.results == []
        assert anna.told.state["lease/1"]["owner"]["name"] == "anna"
        assert "alert/a1" in "".join(anna.heard)
        assert len(anna.told.results) == 1


async def test_results_go_to_who_gave_the_command_whatever_others_are_called() -> None:
    async with building() as it:
        visitor = it.comes(Narrow(), guest(1, 1))
        namesakes = [it.comes(Narrow(), Person(number, name)) for number, name in ((2, "guest 1"), (3, "1"))]
        await it.quiet()
        await happen(it, ("result", 1, "1", "guest"))
        await it.quiet()
        late = [it.comes(Narrow(), one.client.signed.person) for one in (visitor, *namesakes)]
        await it.quiet()
        assert [len(one.told.results) for one in (visitor, *namesakes)] == [1, 0, 0]
        assert [len(one.told.results) for one in late] == [1, 0, 0]
        await happen(it, ("result", 1, "guest 1", "user"))
        await it.quiet()
        assert [len(one.told.results) for one in (visitor, *namesakes)] == [1, 1, 0]
