"""A generated estate: two sites, three buildings, 125 rooms, 500 devices. All that is in it has a name that occurs
nowhere else, so that each can be found in the bytes of any answer."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import insert, select, text, update

from insula.building.demo import UUID
from insula.building.file import parse_plan
from insula.store.building import import_plan
from insula.store.engine import Store
from insula.store.tables import Building, Device, Room, Site

FLOORS, A_FLOOR = 5, 25
FIRST_ROOM_ID, FIRST_DEVICE_ID, FIRST_NUMBER = 8_000_000, 5_000_000, 700_000
POINTS = {"blind": "position", "radiator": "valve", "lamp": "level", "sensor": "temperature"}
PER_ROOM = tuple(POINTS)
BUILDING_OF_FLOOR = (0, 0, 0, 1, 2)
SITE_OF_BUILDING = (0, 0, 1)
TRACE = re.compile(rb"(?<![\w.])(?:5000\d{3}|8000\d{3}|700[01]\d\d)(?!\w)|[rdpsb]canary-[\w-]+")
"""A room's or a device's id, a room's number, or a name."""

_HEAD = """\
[building]
site = "scanary-0"
name = "bcanary-0"
time_zone = "Europe/Paris"
mode = "active"

[[gateway]]
id = "knx"
type = "knx"
host = "127.0.0.1"

[[gateway]]
id = "zwave"
type = "zwave"
url = "ws://127.0.0.1:13000"

[room_type.office]
devices = [
  { kind = "blind", name = "dcanary-{room}-blind" },
  { kind = "radiator", name = "dcanary-{room}-radiator" },
  { kind = "lamp", gateway = "knx", name = "dcanary-{room}-lamp", points = { level = { write = "16/{floor}/{bloc}", \
status = "17/{floor}/{bloc}" } } },
  { kind = "sensor", name = "dcanary-{room}-sensor" },
]
"""


@dataclass(frozen=True)
class EstateRoom:
    """``devices``: id by kind. ``traces``: what is found in the bytes of an answer that tells of the room."""

    id: int
    number: int
    floor: int
    building: int
    site: int
    devices: dict[str, int] = field(hash=False)

    @property
    def beacon(self) -> dict[str, str]:
        return {"uuid": UUID, "major": "1", "minor": str(self.number - FIRST_NUMBER)}

    def device(self, kind: str) -> "EstateDevice":
        return EstateDevice(self.devices[kind], kind, self)

    @property
    def traces(self) -> frozenset[bytes]:
        names = [f"scanary-{self.site - 1}", f"bcanary-{self.building - 1}", f"rcanary-{self.number}"]
        names += [f"dcanary-{self.number}-{kind}" for kind in PER_ROOM]
        numbers = [self.id, self.number, *self.devices.values()]
        return frozenset(TRACE.findall(" ".join([*names, *map(str, numbers)]).encode()))


@dataclass(frozen=True)
class EstateDevice:
    id: int
    kind: str
    room: EstateRoom

    @property
    def point(self) -> str:
        """One that it has."""
        return POINTS[self.kind]


def building_file() -> str:
    lines = [_HEAD]
    for floor in range(FLOORS):
        lines.append(f"\n[[floor]]\nnumber = {floor}\nrooms = [\n")
        for place in range(A_FLOOR):
            index = floor * A_FLOOR + place
            number = FIRST_NUMBER + index
            lines.append(
                f'  {{ number = {number}, name = "rcanary-{number}", type = "office", bloc = {place + 1}, '
                f'nodes = [{index + 2}], beacon = "{UUID}/1/{index}" }},\n'
            )
        lines.append("]\n")
    return "".join(lines)


async def lay(store: Store) -> None:
    """The file has one building; its upper floors become a second one, and one on another site."""
    async with store.write() as connection:
        for table, first in ((Room, FIRST_ROOM_ID), (Device, FIRST_DEVICE_ID)):
            await connection.execute(text(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('{table.name}', {first})"))
    await import_plan(store, parse_plan(building_file()))
    async with store.write() as connection:
        house = (await connection.execute(select(Building))).one()
        other = await connection.execute(insert(Site), {"name": "scanary-1"})
        sites = (house.site, *(other.inserted_primary_key or ()))
        like = {name: value for name, value in house._mapping.items() if name != "id"}
        buildings = [house.id]
        for number in (1, 2):
            row = {**like, "name": f"bcanary-{number}", "site": sites[SITE_OF_BUILDING[number]]}
            done = await connection.execute(insert(Building), row)
            buildings += done.inserted_primary_key or ()
        for floor, building in enumerate(BUILDING_OF_FLOOR):
            moved = update(Room).where(Room.c.floor == floor).values(building=buildings[building])
            await connection.execute(moved)


async def rooms_of(store: Store) -> list[EstateRoom]:
    async with store.read() as connection:
        joined = select(Room, Building.c.site).join_from(Room, Building, Room.c.building == Building.c.id)
        rooms = (await connection.execute(joined.order_by(Room.c.number))).all()
        placed = (await connection.execute(select(Device.c.id, Device.c.room).order_by(Device.c.id))).all()
    devices: dict[int, list[int]] = {}
    for id_, room in placed:
        devices.setdefault(room, []).append(id_)
    return [
        EstateRoom(
            row.id, row.number, row.floor, row.building, row.site, dict(zip(PER_ROOM, devices[row.id], strict=True))
        )
        for row in rooms
    ]


def traces_in(*parts: bytes) -> set[bytes]:
    return {found for part in parts for found in TRACE.findall(part)}


def traces_of(rooms: Iterable[EstateRoom]) -> set[bytes]:
    return {trace for room in rooms for trace in room.traces}
