"""``insula guests``: which rooms allow guests, and the codes to print; in the database itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from insula.cli import DataFolder, SettingsFile, _say, _settings
from insula.cli_users import _change, _with_store
from insula.clock import SystemClock
from insula.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from insula.store.engine import Store

guests = App(name="guests", help="Rooms that allow guests: allow, renew, away, stop, print, list.")

Room = Annotated[int, Parameter(help="a room's number")]
Url = Annotated[str, Parameter(help="where guests reach Insula, as in https://insula.example")]
Svg = Annotated[Path, Parameter(help="the file to write")]


@guests.command
def allow(room: Room, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """The room allows guests; who has its code may drive it for a while."""
    from insula.access.presence import new_code
    from insula.store.guests import CodeRow, code_of, put_code

    async def change(connection: "AsyncConnection") -> str:
        id_ = await _room(connection, room)
        if await code_of(connection, id_) is None:
            await put_code(connection, CodeRow(id_, new_code(), SystemClock().real()))
        return f"room {room} allows guests"

    _change(_settings(settings, data=data), "guests", f"room {room}", change)


@guests.command
def renew(room: Room, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """A new code: the old one opens nothing any more, and who came with it is sent away."""
    from insula.access.presence import new_code
    from insula.store.guests import CodeRow, put_code

    async def change(connection: "AsyncConnection") -> str:
        id_ = await _room(connection, room)
        await _code(connection, room, id_)
        await put_code(connection, CodeRow(id_, new_code(), SystemClock().real()))
        return f"room {room} has a new code"

    _change(_settings(settings, data=data), "guests' code renewed", f"room {room}", change)


@guests.command
def away(room: Room, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """Send the room's guests away. Who has the code may come again."""
    from insula.store.guests import send_away

    async def change(connection: "AsyncConnection") -> str:
        return f"room {room}: {await send_away(connection, await _room(connection, room))} guests sent away"

    _change(_settings(settings, data=data), "guests sent away", f"room {room}", change)


@guests.command
def stop(room: Room, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """The room allows no guests; those that are there are sent away."""
    from insula.store.guests import remove_code

    async def change(connection: "AsyncConnection") -> str:
        await remove_code(connection, await _room(connection, room))
        return f"room {room} allows no guests"

    _change(_settings(settings, data=data), "guests", f"room {room}", change)


@guests.command(name="print")
def print_code(room: Room, *, url: Url, svg: Svg, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """The room's code as a QR code to hang in it; a tag gets the address that is said."""
    from insula.access.presence import guest_url
    from insula.qr import qr_code

    async def work(store: "Store") -> None:
        async with store.read() as connection:
            address = guest_url(url, await _code(connection, room, await _room(connection, room)))
        svg.write_text(qr_code(address), encoding="utf-8")
        _say(f"{svg}: {address}")

    _with_store(_settings(settings, data=data), work)


@guests.command(name="list")
def list_rooms_with_guests(*, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """The rooms that allow guests, and how many are there."""
    from insula.store.guests import code_of, guests_of
    from insula.store.rooms import list_rooms

    async def work(store: "Store") -> None:
        async with store.read() as connection:
            for room in await list_rooms(connection):
                if await code_of(connection, room.id) is not None:
                    count = len(await guests_of(connection, room.id, SystemClock().real()))
                    _say(f"room {room.number}: {count} guest{'' if count == 1 else 's'} now")

    _with_store(_settings(settings, data=data), work)


async def _room(connection: "AsyncConnection", number: int) -> int:
    from insula.store.rooms import find_room

    found = await find_room(connection, number)
    if found is None:
        raise InputError(f"there is no room {number}")
    return found.id


async def _code(connection: "AsyncConnection", number: int, room: int) -> str:
    from insula.store.guests import code_of

    found = await code_of(connection, room)
    if found is None:
        raise InputError(f"room {number} allows no guests: insula guests allow {number}")
    return found.code
