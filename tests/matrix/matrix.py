"""The product of askers, rooms and routes: what was answered, against what the issue says. No leak, no refusal."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from litestar.routes import HTTPRoute, WebSocketRoute

from insula.api.app import Api, create_api
from insula.clock import ManualClock, settle
from insula.messages import Alert, Command, Lease, Origin
from tests.flows.house import House, house
from tests.matrix.asking import Answer, Patience, ask, filled
from tests.matrix.estate import PER_ROOM, EstateRoom, lay, rooms_of, traces_in
from tests.matrix.moving_in import move_in
from tests.matrix.people import Asker, askers
from tests.matrix.routes import (
    ROUTES,
    Admins,
    InRoom,
    Listed,
    Of,
    OfDevice,
    Open,
    Own,
    Thing,
    Wide,
    alert_of,
    command_of,
)

REFUSED = frozenset({401, 403})
ENOUGH = 10
"""So many ask for what is open to all."""
FOR_EVER_MS = 1 << 40


@dataclass
class Matrix:
    """``apis``: the processes that are asked, on one database and one bus. ``faults``: leaks and refusals, in words.
    ``asked``: how often, by what the asker is to the room."""

    home: House
    apis: list[Api]
    rooms: list[EstateRoom]
    askers: list[Asker]
    drivers: dict[int, set[str]]
    faults: list[str] = field(default_factory=list)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    _visible: dict[str, set[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._patience = Patience(self.home.clock)

    # --- what is asked

    async def whole(self, one: Asker, names: Iterable[str] = ROUTES) -> None:
        """Those of these routes that are of no room."""
        for name in names:
            method, path, *_ = name.split()
            match ROUTES[name]:
                case Listed(query=query, shows=shows, guests=guests):
                    answer = await self._ask(one, method, path, query=query)
                    self._passes(one, name, answer, may=(may := one.comes(guests=guests)))
                    wanted = {word for room in self.seen(one) for word in shows(room)}
                    self._shows(one, name, answer, wanted if may else set())
                case Wide(level=level, path=values):
                    answer = await self._ask(one, method, filled(path, values))
                    self._passes(one, name, answer, may=one.may_everywhere(level))
                case Admins(path=values):
                    answer = await self._ask(one, method, filled(path, values))
                    self._passes(one, name, answer, may=one.administers)
                case Own(path=values, harmful=harmful, guests=guests, profile=profile):
                    may = one.comes(guests=guests)
                    if not (harmful and may):
                        known = one.profile if profile else set()
                        answer = await self._ask(one, method, filled(path, values), known=known)
                        self._passes(one, name, answer, may=may, sure=method == "GET" or not one.token)
                case Open(path=values) if self.asked[name, "may"] < ENOUGH:
                    self._passes(one, name, await self._ask(one, method, filled(path, values)), sure=False)

    async def in_room(
        self, one: Asker, room: EstateRoom, names: Iterable[str] = ROUTES, kinds: Sequence[str] = PER_ROOM
    ) -> None:
        """Those of these routes that are of a room; those of a device for its devices of these kinds."""
        for name in names:
            match ROUTES[name]:
                case InRoom() as call:
                    await self._of(one, room, name, call, room)
                case OfDevice() as call:
                    for kind in kinds:
                        await self._of(one, room, name, call, room.device(kind))

    async def _of(self, one: Asker, room: EstateRoom, name: str, call: Of[Thing], thing: Thing) -> None:
        if call.sends_away and one.may(call.level, room.id) and room.id in self.visited:
            return
        method, path, *_ = name.split()
        body = None if call.body is None else call.body(thing)
        where = filled(path, call.path(thing))
        if call.acts and one.may(call.level, room.id):
            self.drivers[room.id].add(one.name)
        answer = await self._ask(one, method, where, query=call.query(thing), body=body, late=call.acts)
        self._in_room(one, room, name, call, answer)

    async def _ask(
        self,
        one: Asker,
        method: str,
        path: str,
        query: Any = None,
        body: Any = None,
        *,
        late: bool = False,
        known: Iterable[bytes] = (),
    ) -> Answer:
        question = (self.app(one), method, path, one.headers, query, body)
        answer = await (self._patience.ask(*question) if late else ask(*question))
        asked = (path.encode(), str(query).encode(), str(body).encode(), *known)
        self.leaks(one, f"{method} {path} {query}", [answer.headers, answer.body], asked)
        if answer.status >= 500 and answer.status != 503:
            self.faults.append(f"error: {method} {path} {query} for {one.name}: {answer.status} {answer.said}")
        return answer

    def report(self) -> None:
        """Each room's sensor and devices do: what they have measured does not count for ever."""
        for index, room in enumerate(self.rooms):
            for point in ("temperature", "humidity", "illuminance"):
                self.home.zwave.press(room.devices["sensor"], point, 18 + index / 50)
            self.home.zwave.press(room.devices["sensor"], "motion", 1)
            self.home.knx.press(room.devices["blind"], "position", 40)
            self.home.knx.press(room.devices["lamp"], "level", 30)

    # --- what was answered

    def leaks(self, one: Asker, where: str, told: Iterable[bytes], asked: Iterable[bytes] = ()) -> None:
        """``asked``: what the asker has said may come back."""
        leaked = traces_in(*told) - self._may_read(one) - traces_in(*asked)
        if leaked and (leaked := leaked - (self.driven(one) if one.guest is None else set())):
            self.faults.append(f"leak: {where} told {one.name} of {sorted(leaked)[:5]}")

    def _in_room(self, one: Asker, room: EstateRoom, name: str, call: Of[Any], answer: Answer) -> None:
        relation = "closed" if not one.active else one.levels.get(room.id, "nothing")
        self.asked[name, relation] += 1
        wanted = {401} if not one.active else {404}
        if one.active and not one.comes(guests=call.guests):
            wanted = {403}
        elif one.may(call.level, room.id):
            wanted = {200, 202, *call.otherwise}
        elif room.id in one.levels:
            wanted = {403}
        if answer.status not in wanted:
            self.faults.append(f"{name} for {one.name}, who has {relation}: {answer.status} {answer.said}")

    def _passes(self, one: Asker, name: str, answer: Answer, *, may: bool = True, sure: bool = True) -> None:
        """``sure``: who may is not refused; otherwise he may be, for another reason."""
        self.asked[name, "may" if may else "may not"] += 1
        refused = answer.status in REFUSED
        if (sure or not may) and refused == may:
            self.faults.append(f"{name} for {one.name}, who may{'' if may else ' not'}: {answer.status} {answer.said}")

    def _shows(self, one: Asker, name: str, answer: Answer, wanted: set[str]) -> None:
        missing = {word.encode() for word in wanted} - traces_in(answer.body)
        if missing:
            self.faults.append(f"{name} hides {sorted(missing)[:5]} from {one.name}")

    def seen(self, one: Asker) -> list[EstateRoom]:
        return [room for room in self.rooms if room.id in one.levels]

    def _may_read(self, one: Asker) -> set[bytes]:
        if one.name not in self._visible:
            self._visible[one.name] = one.visible(self.rooms)
            if one.administers:
                self._visible[one.name] |= {other.name.encode() for other in self.askers}
        return self._visible[one.name]

    def driven(self, one: Asker) -> set[bytes]:
        """Who has driven what is in a room: told to who may see it, but for guests."""
        return {name.encode() for room in self.seen(one) for name in self.drivers[room.id]}

    def app(self, one: Asker) -> Any:
        """Each has one of the processes to ask."""
        return self.apis[self.askers.index(one) // 3 % len(self.apis)].app

    @cached_property
    def visited(self) -> set[int]:
        """The rooms with guests."""
        return {one.guest for one in self.askers if one.guest is not None}

    def forget(self, one: Asker) -> None:
        """What the asker may is to be reckoned again."""
        self._visible.pop(one.name, None)

    # --- which rooms for whom

    def sample(self, one: Asker, chance: random.Random) -> list[EstateRoom]:
        """Rooms of two of the levels that the asker has anywhere (none is one), and where it is said to be."""
        by_level: dict[str, list[EstateRoom]] = {}
        for room in self.rooms:
            by_level.setdefault(one.levels.get(room.id, "nothing"), []).append(room)
        levels = chance.sample(sorted(by_level), min(2, len(by_level)))
        said = [room for room in self.rooms if room.id == one.said]
        return [*said, *(chance.choice(by_level[level]) for level in levels)]


def routes_of(app: Any) -> set[str]:
    """Of an application: each method and path, as in ``ROUTES``."""
    found = set()
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            methods = {method for handler in route.route_handlers for method in handler.http_methods}
            found |= {f"{method} {route.path_format}" for method in methods - {"OPTIONS", "HEAD"}}
        elif isinstance(route, WebSocketRoute):
            found.add(f"WS {route.path_format}")
    return found


@asynccontextmanager
async def matrix(folder: Path) -> AsyncIterator[Matrix]:
    """The estate with something to see in every room, and its 200 people."""
    async with house(folder, ManualClock(), lay=lay) as home, another(home) as other:
        rooms = await rooms_of(home.store)
        found, teams = askers(rooms)
        await move_in(home.store, home.clock, rooms, found, teams)
        drivers = {room.id: {one.name} for room, one in zip(rooms, found, strict=False)}
        it = Matrix(home, [home.api, other], rooms, found, drivers)
        await _live_in(it)
        yield it


@asynccontextmanager
async def another(home: House) -> AsyncIterator[Api]:
    """A second process."""
    api = create_api(home.channel, home.store, home.clock, "2")
    await api.places.load()
    running = asyncio.create_task(api.run())
    try:
        yield api
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _live_in(it: Matrix) -> None:
    """All report; in each room a person drives and holds the radiator, and there is an alert of it."""
    home, rooms = it.home, it.rooms
    it.report()
    for room in rooms:
        await home.channel.send(*_said(home, room, min(it.drivers[room.id])))
    await settle(200)
    await home.recorded(18 + (len(rooms) - 1) / 50)
    async with asyncio.timeout(20):
        while not all(_knows(api, len(rooms)) for api in it.apis):
            await home.clock.advance(1)


def _knows(api: Api, rooms: int) -> bool:
    """Of that many."""
    return min(len(api.board.leases), len(api.board.alerts), len(api.board.rooms)) >= rooms


def _said(home: House, room: EstateRoom, owner: str) -> tuple[Command, Lease, Alert]:
    now, real, radiator = home.clock.now(), home.clock.real(), room.devices["radiator"]
    origin = Origin(kind="user", name=owner)
    command = Command(
        id=command_of(room),
        at=real,
        device_id=radiator,
        gateway_id="knx",
        point="valve",
        value=30,
        expires_at=real + 30_000,
        origin=origin,
    )
    lease = Lease(device_id=radiator, owner=origin, since=now, until=now + FOR_EVER_MS)
    text = f"dcanary-{room.number}-radiator in room {room.number} has a low battery"
    alert = Alert(
        key=alert_of(room),
        kind="battery",
        severity="info",
        text=text,
        device_id=radiator,
        room_id=room.id,
        raised_at=now,
    )
    return command, lease, alert
