"""Rooms that allow guests, by a code; and who has come with it. Times in ms, real time."""

from collections.abc import Collection

import msgspec
from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.access.presence import MOST_GUESTS
from insula.access.secret import digest
from insula.store.devices import to_struct
from insula.store.tables import Guest, GuestCode


class CodeRow(msgspec.Struct, frozen=True):
    room: int
    code: str
    made_at: int


class GuestRow(msgspec.Struct, frozen=True):
    id: int
    room: int
    address: str
    came_at: int
    ends_at: int


# --- codes


async def code_of(connection: AsyncConnection, room: int) -> CodeRow | None:
    """None: the room allows no guests."""
    row = (await connection.execute(select(GuestCode).where(GuestCode.c.room == room))).first()
    return None if row is None else to_struct(row, CodeRow)


async def room_with_code(connection: AsyncConnection, code: str) -> int | None:
    """Found by its sum: how long that takes tells nothing of the code."""
    room = await connection.scalar(select(GuestCode.c.room).where(GuestCode.c.digest == digest(code)))
    return None if room is None else int(room)


async def put_code(connection: AsyncConnection, row: CodeRow) -> None:
    """The room's code from now on; the one before opens nothing any more, and who came with it is sent away."""
    await remove_code(connection, row.room)
    await connection.execute(insert(GuestCode), msgspec.structs.asdict(row) | {"digest": digest(row.code)})


async def remove_code(connection: AsyncConnection, room: int) -> None:
    """The room allows no guests, and those that are there are sent away."""
    await connection.execute(delete(GuestCode).where(GuestCode.c.room == room))


# --- guests


async def add_guest(connection: AsyncConnection, digest_: str, guest: GuestRow) -> int:
    """Its id; ``guest.id`` is passed over. Raises nothing when the room is full: another visit ends."""
    await _make_room(connection, guest.room, guest.came_at)
    row = msgspec.structs.asdict(guest) | {"digest": digest_, "address": guest.address[:64]}
    del row["id"]
    done = await connection.execute(insert(Guest), row)
    (id_,) = done.inserted_primary_key or (0,)
    return int(id_)


async def _make_room(connection: AsyncConnection, room: int, now: int) -> None:
    here = (Guest.c.room == room) & (Guest.c.ends_at > now)
    if (await connection.scalar(select(func.count()).select_from(Guest).where(here)) or 0) < MOST_GUESTS:
        return
    count = func.count().label("count")
    most = select(Guest.c.address, count).where(here).group_by(Guest.c.address).order_by(count.desc()).limit(1)
    address = (await connection.execute(most)).one().address
    oldest = select(func.min(Guest.c.id)).where(here, Guest.c.address == address)
    await connection.execute(delete(Guest).where(Guest.c.id == await connection.scalar(oldest)))


async def find_guests(connection: AsyncConnection, digests: Collection[str], now: int) -> dict[str, GuestRow]:
    """Of these, by digest, those whose visit is not over."""
    query = select(Guest).where(Guest.c.digest.in_(digests), Guest.c.ends_at > now)
    return {row.digest: to_struct(row, GuestRow) for row in await connection.execute(query)}


async def guests_of(connection: AsyncConnection, room: int, now: int) -> list[GuestRow]:
    query = select(Guest).where(Guest.c.room == room, Guest.c.ends_at > now).order_by(Guest.c.id)
    return [to_struct(row, GuestRow) for row in await connection.execute(query)]


async def end_guest(connection: AsyncConnection, id_: int) -> None:
    await connection.execute(delete(Guest).where(Guest.c.id == id_))


async def send_away(connection: AsyncConnection, room: int) -> int:
    """All guests of the room: how many there were."""
    return int((await connection.execute(delete(Guest).where(Guest.c.room == room))).rowcount)


async def forget_guests(connection: AsyncConnection, now: int) -> None:
    """Those whose visit is over."""
    await connection.execute(delete(Guest).where(Guest.c.ends_at <= now))
