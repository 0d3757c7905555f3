"""200 who ask, and by the issue's words alone what each may do: nothing of Insula's own reckoning is called here."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from insula.access.secret import TOKEN
from tests.matrix.estate import EstateRoom, traces_of

Level = Literal["see", "drive", "manage"]
LEVELS: tuple[Level, ...] = ("see", "drive", "manage")
ASKERS, TEAMS, GUEST_EACH = 200, 30, 20
WHILE_THERE = 0.3
"""So many of the rights count only while there."""


@dataclass(frozen=True)
class Given:
    """A level, in one site, building, floor of a building, or room. ``there``: only while one is in the room."""

    level: Level
    site: int | None = None
    building: int | None = None
    floor: int | None = None
    room: int | None = None
    there: bool = False

    def holds(self, room: EstateRoom) -> bool:
        named = {"site": self.site, "building": self.building, "floor": self.floor, "id": self.room}
        return all(getattr(room, name) == value for name, value in named.items() if value is not None)


@dataclass
class Asker:
    """``token``: with this one, of that level and those rooms at most; otherwise with the cookie of a session.
    ``guest``: in this room, by its code; without an account. ``said``: a room where a presence says that the account
    is; ``here``: it was said with this session or token. ``could``: rooms where being there would give more."""

    name: str
    secret: str
    admin: bool = False
    active: bool = True
    given: list[Given] = field(default_factory=list)
    team: int | None = None
    token: bool = False
    limit: Level = "manage"
    only: frozenset[int] | None = None
    guest: int | None = None
    said: int | None = None
    here: bool = True
    could: set[int] = field(default_factory=set)
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

    def comes(self, *, guests: bool) -> bool:
        """Whether this is for one like this at all."""
        return self.active and (guests or self.guest is None)

    def visible(self, rooms: Sequence[EstateRoom]) -> set[bytes]:
        """What an answer to this one may have in it."""
        seen = [room for room in rooms if room.id in self.levels]
        mine = {str(room).encode() for room in self.only or ()}
        return mine | traces_of(seen) | {self.name.encode()}

    @property
    def profile(self) -> set[bytes]:
        """What one's own profile may have in it beside: where one would have to be."""
        return {str(room).encode() for room in self.could}


def askers(rooms: Sequence[EstateRoom], seed: int = 7) -> tuple[list[Asker], list[list[Given]]]:
    """They, and what each team may. The first are of every sort, so that none is left to chance."""
    chance = random.Random(seed)
    teams = [_given(chance, rooms, 1 + index % 2) for index in range(TEAMS)]
    found = [_asker(index, chance, rooms) for index in range(ASKERS)]
    for index, one in enumerate(found):
        _goes(one, index, chance, rooms, teams)
        _reckon(one, rooms, teams)
    return found, teams


def _asker(index: int, chance: random.Random, rooms: Sequence[EstateRoom]) -> Asker:
    if index % GUEST_EACH == GUEST_EACH - 1:
        return _guest(index, chance.choice(rooms))
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


def _guest(index: int, room: EstateRoom) -> Asker:
    """The last one's visit is over."""
    return Asker(f"pcanary-{index:03}", f"{index:03}", guest=room.id, active=index < ASKERS - GUEST_EACH)


def _goes(
    one: Asker, index: int, chance: random.Random, rooms: Sequence[EstateRoom], teams: Sequence[list[Given]]
) -> None:
    """Of those who have rights while there, some are in such a room, some in another, some have another session that
    is, and some are nowhere."""
    there = [right for right in _all(one, teams) if right.there]
    if there:
        right = chance.choice(there)
        inside, outside = ([room.id for room in rooms if right.holds(room) == held] for held in (True, False))
        one.said = (chance.choice(inside), chance.choice(outside), chance.choice(inside), None)[index % 4]
        one.here = index % 4 != 2


def _all(one: Asker, teams: Sequence[list[Given]]) -> list[Given]:
    return one.given + (teams[one.team] if one.team is not None else [])


def _given(chance: random.Random, rooms: Sequence[EstateRoom], count: int) -> list[Given]:
    return [_one_given(chance, chance.choice(rooms)) for _ in range(count)]


def _one_given(chance: random.Random, at: EstateRoom) -> Given:
    level, there = chance.choice(LEVELS), chance.random() < WHILE_THERE
    match chance.choice(("site", "building", "floor", "room", "room", "room")):
        case "site":
            return Given(level, site=at.site, there=there)
        case "building":
            return Given(level, building=at.building, there=there)
        case "floor":
            return Given(level, building=at.building, floor=at.floor, there=there)
        case _:
            return Given(level, room=at.id, there=there)


def _reckon(one: Asker, rooms: Sequence[EstateRoom], teams: Sequence[list[Given]]) -> None:
    given = _all(one, teams)
    if one.admin:
        given = [Given("manage", site=room.site) for room in rooms]
    if one.guest is not None:
        given = [Given("drive", room=one.guest)]
    for room in rooms:
        if not one.active or (one.only is not None and room.id not in one.only):
            continue
        held = [right for right in given if right.holds(room)]
        is_there = one.said == room.id and one.here
        level, could = (_highest(one, held, there) for there in (is_there, True))
        if level is not None:
            one.levels[room.id] = level
        if could != level:
            one.could.add(room.id)
    wide = [right for right in given if right.floor is None and right.room is None and not right.there]
    one.everywhere = _everywhere(one, rooms, wide)


def _highest(one: Asker, held: Sequence[Given], is_there: bool) -> Level | None:
    """No more than the token may."""
    found = [LEVELS.index(right.level) for right in held if is_there or not right.there]
    return LEVELS[min(max(found), LEVELS.index(one.limit))] if found else None


def _everywhere(one: Asker, rooms: Sequence[EstateRoom], wide: list[Given]) -> Level | None:
    """In all rooms, those to come too: by a right in each site or building, not by one in each room."""
    lowest = LEVELS.index(one.limit)
    for room in rooms:
        held = [LEVELS.index(right.level) for right in wide if right.holds(room)]
        if not held or one.only is not None or not one.active:
            return None
        lowest = min(lowest, max(held))
    return LEVELS[lowest]
