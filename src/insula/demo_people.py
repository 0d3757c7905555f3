"""Who lives in the demo: an administrator, and somebody with one room. Their passwords stay in the demo's folder, so
that each start can say them."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from insula.access.passwords import hashed, new_password
from insula.access.rights import Place, Right
from insula.clock import Clock
from insula.store.accounts import add_account, change_account, find_account
from insula.store.audit import Entry, add_entry
from insula.store.engine import Store
from insula.store.permissions import grant, rights_changed
from insula.store.rooms import list_rooms


class DemoPerson(msgspec.Struct, frozen=True):
    name: str
    password: str
    about: str


async def demo_people(store: Store, clock: Clock, file: Path) -> list[DemoPerson]:
    """Made if they are not there yet; the passwords are those in the file."""
    with suppress(FileNotFoundError, msgspec.MsgspecError):
        return msgspec.json.decode(file.read_bytes(), type=list[DemoPerson])
    people = [
        DemoPerson("admin", new_password(), "may do everything"),
        DemoPerson("anna", new_password(), "may drive one room"),
    ]
    async with store.write(alone=True) as connection:
        now, rooms = clock.real(), await list_rooms(connection)
        for one in people:
            before = await find_account(connection, one.name)
            if before is None:
                added = await add_account(
                    connection, one.name, now, password=hashed(one.password), admin=one.name == "admin"
                )
            else:
                added = before.id
                await change_account(connection, added, password=hashed(one.password))
            await add_entry(connection, Entry(at=now, action="user added", target=one.name, details={"demo": True}))
            if one.name != "admin" and rooms:
                await grant(connection, Right("drive", Place(room=rooms[0].id)), account=added)
        await rights_changed(connection, "the demo's people", now)
    _keep(people, file)
    return people


def _keep(people: list[DemoPerson], file: Path) -> None:
    """For its owner alone."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(msgspec.json.format(msgspec.json.encode(people)))
