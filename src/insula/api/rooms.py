"""Sites, buildings, floors and rooms: as a tree, page by page, and what is measured in a room now. From memory."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Meta

from insula.access.rights import RANK, Level
from insula.api.access import may, need, needs, sees_names
from insula.api.asking import Asked
from insula.api.board import StateBoard
from insula.api.errors import NotFound
from insula.api.latest import Latest, Mean, Value
from insula.api.pages import Cursor, Limit, cut, place_of
from insula.api.places import Places
from insula.bus.channel import Channel
from insula.errors import Unavailable
from insula.messages import DeviceRecord, Mode, RoomRecord
from insula.store.rooms import Located

Text = Annotated[str, QueryParameter(description="that its name or number has in it", schema_extra={"maxLength": 200})]
NOWHERE = Located(0, "", 0, "")


class Beacon(msgspec.Struct, frozen=True):
    uuid: str
    major: int
    minor: int


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """``number``: at its door, and its address here; ``id``: what rights and tokens name it by."""

    id: int
    number: Annotated[int, Meta(examples=[12])]
    name: str
    floor: int
    building: str
    building_id: int
    site: str
    site_id: int
    tags: tuple[str, ...]
    mode: Mode
    level: Annotated[Level, Meta(description="what one may do there")]
    beacons: list[Beacon]
    kinds: Annotated[dict[str, int], Meta(description="how many devices of each kind", examples=[{"blind": 2}])]
    hand_hold_s: Annotated[float | None, Meta(description="how long a hand holds a device; null: as the building's")]
    empty_hold_s: float | None


class RoomPage(msgspec.Struct, frozen=True):
    items: list[Room]
    next: Annotated[str | None, Meta(description="`cursor` of the next page; null: this is the last")]


class RoomValues(msgspec.Struct, frozen=True):
    """``means``: of the fresh values, one a point; ``values``: each device's, fresh or not."""

    room: int
    means: list[Mean]
    values: list[Value]


class RoomName(msgspec.Struct, frozen=True):
    id: int
    number: int
    name: str
    mode: Mode
    level: Level


class Floor(msgspec.Struct, frozen=True):
    number: int
    rooms: list[RoomName]


class Building(msgspec.Struct, frozen=True):
    id: int
    name: str
    floors: list[Floor]


class Site(msgspec.Struct, frozen=True):
    id: int
    name: str
    buildings: list[Building]


class Tree(msgspec.Struct, frozen=True):
    sites: list[Site]


class Rooms:
    """The rooms that somebody may see. What they may not is not there."""

    def __init__(self, channel: Channel, board: StateBoard, places: Places) -> None:
        self._channel = channel
        self._board = board
        self._places = places

    def seen(self, request: Asked) -> list[RoomRecord]:
        """By building, floor and number. Raises Unavailable while the building is not yet known."""
        self._known()
        rooms = (room for room in self._board.rooms.values() if may(request, "see", room.room_id))
        return sorted(rooms, key=lambda room: (room.building, self.located(room).building_id, room.floor, room.number))

    def find(self, request: Asked, number: int, level: Level = "see") -> RoomRecord:
        """Raises NotFound, Forbidden."""
        self._known()
        missing = f"no room {number}"
        for room in self._board.rooms.values():
            if room.number == number:
                need(request, level, room.room_id, missing)
                return room
        raise NotFound(missing)

    def devices(self, room: RoomRecord) -> list[DeviceRecord]:
        return self._channel.devices.in_room(room.room_id)

    def located(self, room: RoomRecord) -> Located:
        return self._places.located.get(room.room_id, NOWHERE)

    def beacons(self) -> dict[int, list[Beacon]]:
        """By room's id."""
        found: dict[int, list[Beacon]] = {}
        for row in self._places.beacons():
            found.setdefault(row.room_id, []).append(Beacon(row.uuid, row.major, row.minor))
        return found

    def shown(self, request: Asked, rooms: Iterable[RoomRecord]) -> list[Room]:
        beacons = self.beacons()
        return [
            Room(
                id=room.room_id,
                number=room.number,
                name=room.name,
                floor=room.floor,
                **{name: getattr(self.located(room), name) for name in ("building", "building_id", "site", "site_id")},
                tags=room.tags,
                mode=room.mode,
                level=level_of(request, room.room_id),
                beacons=beacons.get(room.room_id, []),
                kinds=Counter(device.kind for device in self.devices(room)),
                hand_hold_s=room.hand_hold_s,
                empty_hold_s=room.empty_hold_s,
            )
            for room in rooms
        ]

    def _known(self) -> None:
        if not self._channel.devices.known:
            raise Unavailable("the building's devices are not yet known: the directory tells them")


def level_of(request: Asked, room_id: int) -> Level:
    """Of a room that may be seen."""
    return max((level for level in RANK if may(request, level, room_id)), key=RANK.__getitem__)


def room_routes(rooms: Rooms, latest: Latest) -> list[HTTPRouteHandler]:
    @get(
        "/places",
        summary="Sites, buildings, floors and rooms, as a tree",
        tags=["rooms"],
        opt=needs("rooms", guests=True),
    )
    async def places(request: Asked) -> Tree:
        """What has no room that one may see is left out."""
        sites: dict[int, Site] = {}
        for room in rooms.seen(request):
            where = rooms.located(room)
            site = sites.setdefault(where.site_id, Site(where.site_id, where.site, []))
            if not site.buildings or site.buildings[-1].id != where.building_id:
                site.buildings.append(Building(where.building_id, where.building, []))
            floors = site.buildings[-1].floors
            if not floors or floors[-1].number != room.floor:
                floors.append(Floor(room.floor, []))
            level = level_of(request, room.room_id)
            floors[-1].rooms.append(RoomName(room.room_id, room.number, room.name, room.mode, level))
        return Tree(list(sites.values()))

    @get("/rooms", summary="The rooms, page by page", tags=["rooms"], opt=needs("rooms", guests=True))
    async def room_list(
        request: Asked,
        site: FromQuery[int | None] = None,
        building: FromQuery[int | None] = None,
        floor: FromQuery[int | None] = None,
        tag: FromQuery[str] = "",
        mode: FromQuery[Mode | None] = None,
        text: Text = "",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> RoomPage:
        """That one may see; by floor and number. ``site``, ``building``: by id."""

        def wanted(room: RoomRecord) -> bool:
            where = rooms.located(room)
            return (
                site in (None, where.site_id)
                and building in (None, where.building_id)
                and floor in (None, room.floor)
                and (not tag or tag in room.tags)
                and mode in (None, room.mode)
                and text.casefold() in f"{room.number} {room.name}".casefold()
            )

        found = (room for room in rooms.seen(request) if wanted(room))
        after = place_of(cursor, tuple[int, int, int])
        page, following = cut(found, lambda room: (room.floor, room.number, room.room_id), after, limit)
        return RoomPage(rooms.shown(request, page), following)

    @get("/rooms/{number:int}", summary="A room", tags=["rooms"], opt=needs("rooms", guests=True))
    async def room(request: Asked, number: FromPath[int]) -> Room:
        return rooms.shown(request, [rooms.find(request, number)])[0]

    @get(
        "/rooms/{number:int}/values",
        summary="What is measured in a room now",
        tags=["rooms"],
        opt=needs("rooms", guests=True),
    )
    async def values(request: Asked, number: FromPath[int]) -> RoomValues:
        """From memory, as the bus told them last; with age, quality and cause."""
        devices = rooms.devices(rooms.find(request, number))
        each = [value for device in devices for value in latest.of(device, names=sees_names(request))]
        return RoomValues(number, list(latest.means(devices)), each)

    return [places, room_list, room, values]
