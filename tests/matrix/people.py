"""200 who ask, and by the issue's words alone what each may do: nothing of Insula's own reckoning is called here."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import insert

from insula.access.secret import TOKEN, digest
from insula.clock import Clock
from insula.store.engine import Store
from insula.store.permissions import rights_changed
from insula.store.sessions import LONGEST_MS
from insula.store.tables import Account, Permission, Session, Team, TeamMember, Token
from tests.matrix.estate import EstateRoom, traces_of

Level = Literal["see", "drive", "manage"]
LEVELS: tuple[Level, ...] = ("see", "drive", "manage")
ASKERS, TEAMS = 200, 30


@dataclass(frozen=True)
class Given:
    """A level, in one site, building, floor of a building, or room."""

    level: Level
    site: int | None = None
    building: int | None = None
    floor: int | None = None
    room: int | None = None

    def holds(self, room: EstateRoom) -> bool:
        named = {"site": self.site, "building": self.building, "floor": self.floor, "id": self.room}
        return all(getattr(room, name) == value for name, value in named.items() if value is not None)


@dataclass
class Asker:
    """``token``: with this one, of that level and those rooms at most; None: with the cookie of a session."""

    name: str
    secret: str
    admin: bool = False
    active: bool = True
    given: list[Given] = field(default_factory=list)
    team: int | None = None
    token: bool = False
    limit: Level = "manage"
    only: frozenset[int] | None = None
    levels: dict[int, Level] = field(default_factory=dict)
    everywhere: Level | None = None

    @property
    def headers(self) -> dict[str, str]:
        if self.token:
            return {"authorization": f"Bearer {self.secret}"}
        return {"cookie": f"insula_session={self.secret}", "sec-fetch-site": "same-origin"}

    @property
    def administers(self) -> bool:
        """A limited token does not do what administrators do."""
        return self.admin and self.active and self.limit == "manage" and self.only is None

    def may(self, level: Level, room: int) -> bool:
        found = self.levels.get(room)
        return found is not None and LEVELS.index(found) >= LEVELS.index(level)

    def may_everywhere(self, level: Level) -> bool:
        return self.everywhere is not None and LEVELS.index(self.everywhere) >= LEVELS.index(level)

    def visible(self, rooms: Sequence[EstateRoom]) -> set[bytes]:
        """What an answer to this one may have in it."""
        seen = [room for room in rooms if room.id in self.levels]
        mine = {str(room).encode() for room in self.only or ()}
        return mine | traces_of(seen) | {self.name.encode()}


def askers(rooms: Sequence[EstateRoom], seed: int = 7) -> tuple[list[Asker], list[list[Given]]]:
    """They, and what each team may. The first are of every sort, so that none is left to chance."""
    chance = random.Random(seed)
    teams = [_given(chance, rooms, 1 + index % 2) for index in range(TEAMS)]
    found = [_asker(index, chance, rooms) for index in range(ASKERS)]
    for one in found:
        _reckon(one, rooms, teams)
    return found, teams


def _asker(index: int, chance: random.Random, rooms: Sequence[EstateRoom]) -> Asker:
    sort = ("admin", "closed", "nothing", "limited admin", "all", "far site")[index] if index < 6 else "usual"
    one = Asker(f"pcanary-{index:03}", f"{index:03}", admin=sort in ("admin", "limited admin") or index % 50 == 49)
    one.active = sort != "closed" and index % 25 != 24
    one.token = sort == "limited admin" or (index > 5 and index % 3 == 0)
    if one.token:
        one.secret = TOKEN + one.secret
        one.limit = chance.choice(LEVELS) if index % 2 else "manage"
        some = frozenset(room.id for room in chance.sample(rooms, 20))
        one.only = some if sort == "limited admin" or index % 9 == 0 else None
    if sort == "all":
        one.given = [Given("manage", site=site) for site in {room.site for room in rooms}]
    elif sort == "far site":
        one.given = [Given("see", site=rooms[-1].site)]
    elif sort == "usual":
        one.given = _given(chance, rooms, chance.choice((0, 1, 1, 2, 3)))
        one.team = chance.randrange(TEAMS) if chance.random() < 0.5 else None
    return one


def _given(chance: random.Random, rooms: Sequence[EstateRoom], count: int) -> list[Given]:
    return [_one_given(chance, chance.choice(rooms)) for _ in range(count)]


def _one_given(chance: random.Random, at: EstateRoom) -> Given:
    level = chance.choice(LEVELS)
    match chance.choice(("site", "building", "floor", "room", "room", "room")):
        case "site":
            return Given(level, site=at.site)
        case "building":
            return Given(level, building=at.building)
        case "floor":
            return Given(level, building=at.building, floor=at.floor)
        case _:
            return Given(level, room=at.id)


def _reckon(one: Asker, rooms: Sequence[EstateRoom], teams: Sequence[list[Given]]) -> None:
    given = one.given + (teams[one.team] if one.team is not None else [])
    if one.admin:
        given = [Given("manage", site=room.site) for room in rooms]
    for room in rooms:
        held = [LEVELS.index(right.level) for right in given if right.holds(room)]
        if one.active and held and (one.only is None or room.id in one.only):
            one.levels[room.id] = LEVELS[min(max(held), LEVELS.index(one.limit))]
    one.everywhere = _everywhere(one, rooms, [right for right in given if right.floor is None and right.room is None])


def _everywhere(one: Asker, rooms: Sequence[EstateRoom], wide: list[Given]) -> Level | None:
    """In all rooms, those to come too: by a right in each site or building, not by one in each room."""
    lowest = LEVELS.index(one.limit)
    for room in rooms:
        held = [LEVELS.index(right.level) for right in wide if right.holds(room)]
        if not held or one.only is not None or not one.active:
            return None
        lowest = min(lowest, max(held))
    return LEVELS[lowest]


async def move_in(store: Store, clock: Clock, found: Sequence[Asker], teams: Sequence[list[Given]]) -> None:
    """Accounts, teams, rights, sessions and tokens, as they are kept; ids count from 1."""
    now = clock.real()
    members = [{"team": one.team + 1, "account": id_} for id_, one in enumerate(found, 1) if one.team is not None]
    own = [_right(right, "account", id_) for id_, one in enumerate(found, 1) for right in one.given]
    of_teams = [_right(right, "team", id_) for id_, rights in enumerate(teams, 1) for right in rights]
    async with store.write(alone=True) as connection:
        for table, rows in (
            (Account, [_account(id_, one, now) for id_, one in enumerate(found, 1)]),
            (Team, [{"id": id_, "name": f"tcanary-{id_}"} for id_ in range(1, len(teams) + 1)]),
            (TeamMember, members),
            (Permission, own + of_teams),
            (Token, [_token(id_, one, now) for id_, one in enumerate(found, 1) if one.token]),
            (Session, [_session(id_, one, now) for id_, one in enumerate(found, 1) if not one.token]),
        ):
            await connection.execute(insert(table), rows)
        await rights_changed(connection, "matrix", now)


def _account(id_: int, one: Asker, now: int) -> dict[str, Any]:
    return {"id": id_, "name": one.name, "admin": one.admin, "active": one.active, "created_at": now}


def _right(given: Given, owner: str, id_: int) -> dict[str, Any]:
    place = {"site": given.site, "building": given.building, "floor": given.floor, "room": given.room}
    return {"account": None, "team": None, owner: id_, "level": given.level, **place}


def _token(account: int, one: Asker, now: int) -> dict[str, Any]:
    rooms = None if one.only is None else sorted(one.only)
    return {
        "digest": digest(one.secret),
        "account": account,
        "name": "",
        "level": one.limit,
        "rooms": rooms,
        "created_at": now,
    }


def _session(account: int, one: Asker, now: int) -> dict[str, Any]:
    times = {"created_at": now, "seen_at": now, "ends_at": now + LONGEST_MS}
    return {"digest": digest(one.secret), "account": account, "address": "", "agent": "", **times}
