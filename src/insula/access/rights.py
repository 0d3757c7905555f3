"""Who may do what where. Rights inherit from site to building, floor and room; the highest one counts. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

Level = Literal["see", "drive", "manage"]
"""``see``: values, history, why; ``drive``: and command its devices; ``manage``: and rules, modes, devices, rights."""
RANK: Mapping[Level, int] = {"see": 1, "drive": 2, "manage": 3}


CONSOLE_ID, CONSOLE = 0, "console"
"""Of who has the token that each API process writes into its data folder: whoever can read that can do all."""


class Place(msgspec.Struct, frozen=True):
    """Where a right counts: a site, a building, a floor of a building, or a room; by ids, a floor by its number."""

    site: int | None = None
    building: int | None = None
    floor: int | None = None
    room: int | None = None


class RoomPlace(msgspec.Struct, frozen=True):
    """Where a room is."""

    room: int
    floor: int
    building: int
    site: int


class Places:
    """All rooms, found by the place that a right names. ``buildings``: each with its site."""

    def __init__(self, rooms: Iterable[RoomPlace]) -> None:
        self.rooms = {room.room: room for room in rooms}
        self.buildings = {(room.building, room.site) for room in self.rooms.values()}
        self._within: dict[Place, list[int]] = {}
        for room in self.rooms.values():
            floor = Place(building=room.building, floor=room.floor)
            for place in (Place(site=room.site), Place(building=room.building), floor, Place(room=room.room)):
                self._within.setdefault(place, []).append(room.room)

    def within(self, place: Place) -> Sequence[int]:
        """The ids of the rooms in it."""
        return self._within.get(place, ())


class Right(msgspec.Struct, frozen=True):
    """``there``: only while the person is in the room, as a beacon, a code or a tag says."""

    level: Level
    place: Place
    there: bool = False

    def covers(self, room: RoomPlace) -> bool:
        place = self.place
        if place.room is not None:
            return place.room == room.room
        if place.building is not None:
            return place.building == room.building and place.floor in (None, room.floor)
        return place.site == room.site


class Person(msgspec.Struct, frozen=True):
    """Somebody who signed in, or whose token was shown. ``limit``: a token's own level and rooms (None: all)."""

    id: int
    name: str
    admin: bool = False
    rights: tuple[Right, ...] = ()
    limit: Level = "manage"
    rooms: frozenset[int] | None = None

    def level(self, room: RoomPlace, *, there: bool = False) -> Level | None:
        """What the person may do in a room; ``there``: whether a lease says that the person is in it."""
        if self.rooms is not None and room.room not in self.rooms:
            return None
        found = highest(right.level for right in self.rights if right.covers(room) and (there or not right.there))
        return self._limited("manage" if self.admin else found)

    def levels(self, places: Places, *, there: int | None = None) -> dict[int, Level]:
        """What the person may do in each room, of those where it may do anything; ``there``: the room where a lease
        says that the person is."""
        found: dict[int, Level] = dict.fromkeys(places.rooms, "manage") if self.admin else {}
        for right in () if self.admin else self.rights:
            for room in places.within(right.place):
                if right.there and room != there:
                    continue
                found[room] = max(right.level, found.get(room, right.level), key=RANK.__getitem__)
        mine = found.keys() if self.rooms is None else found.keys() & self.rooms
        return {room: lower(found[room], self.limit) for room in mine}

    def while_there(self, room: RoomPlace) -> Level | None:
        """What being in a room gives beyond what stands anyway; None: nothing."""
        level = self.level(room, there=True)
        return level if level != self.level(room) else None

    @property
    def guest(self) -> bool:
        """Came with the code of a room, and has no account."""
        return self.id < 0

    def everywhere(self, buildings: Iterable[tuple[int, int]]) -> Level | None:
        """What the person may do in every room, those to come too, and with what is of no room. ``buildings``: all
        there are, each with its site."""
        if self.rooms is not None:
            return None
        levels = [self._in_building(building, site) for building, site in buildings]
        return self._limited("manage" if self.admin else lowest(levels))

    def _in_building(self, building: int, site: int) -> Level | None:
        """In all of it."""
        whole = (Place(site=site), Place(building=building))
        return highest(right.level for right in self.rights if right.place in whole and not right.there)

    def _limited(self, level: Level | None) -> Level | None:
        return None if level is None else lower(level, self.limit)


def guest(id_: int, room: int) -> Person:
    """Who came with the code of that room; ``id_``: of the guest's session. An account's id is never negative."""
    return Person(-id_, f"guest {id_}", rights=(Right("drive", Place(room=room)),), rooms=frozenset({room}))


def highest(levels: Iterable[Level]) -> Level | None:
    return max(levels, key=RANK.__getitem__, default=None)


def lower(one: Level, other: Level) -> Level:
    return min(one, other, key=RANK.__getitem__)


def lowest(levels: Iterable[Level | None]) -> Level | None:
    """None: there are none, or one of them is None."""
    found: list[Level] = []
    for level in levels:
        if level is None:
            return None
        found.append(level)
    return min(found, key=RANK.__getitem__, default=None)
