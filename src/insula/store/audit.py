"""Who did what to which, from where: rows are added, and none is changed or removed."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, func, insert, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.store.devices import to_struct
from insula.store.tables import Audit


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """``at``: ms, real time; ``account``: None: nobody who signed in; ``details``: what changed, without secrets."""

    id: int = 0
    at: int
    account: int | None = None
    name: str = ""
    address: str = ""
    action: str
    target: str = ""
    details: Mapping[str, Any] = {}


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Empty ones match all; ``room``: a number, ``device``: an id, of those it was done to; ``before``: an id, to go on
    from; ``since <= at < until``, in ms."""

    name: str = ""
    action: str = ""
    target: str = ""
    room: int = 0
    device: int = 0
    since: int = 0
    until: int = 0
    before: int = 0


async def add_entry(connection: AsyncConnection, entry: Entry) -> None:
    row = {name: getattr(entry, name) for name in entry.__struct_fields__ if name != "id"}
    cut = {"name": entry.name[:200], "address": entry.address[:64], "target": entry.target[:200]}
    await connection.execute(insert(Audit), row | cut)


async def note(connection: AsyncConnection, entry: Entry | None) -> None:
    """None: nobody asked for it."""
    if entry is not None:
        await add_entry(connection, entry)


async def search_entries(connection: AsyncConnection, wanted: Search, limit: int = 100) -> list[Entry]:
    """The newest first."""
    query = select(Audit).order_by(Audit.c.id.desc()).limit(limit)
    for column, value in (
        (Audit.c.name, wanted.name),
        (Audit.c.action, wanted.action),
        (Audit.c.target, wanted.target),
    ):
        query = query.where(column == value) if value else query
    query = query.where(Audit.c.at >= wanted.since)
    query = query.where(Audit.c.at < wanted.until) if wanted.until else query
    query = query.where(Audit.c.id < wanted.before) if wanted.before else query
    query = query.where(_in_room(wanted.room)) if wanted.room else query
    query = query.where(_with_device(wanted.device)) if wanted.device else query
    return [to_struct(row, Entry) for row in await connection.execute(query)]


def _in_room(number: int) -> ColumnElement[bool]:
    return or_(Audit.c.target == f"room {number}", func.json_extract(Audit.c.details, "$.room") == number)


def _with_device(id_: int) -> ColumnElement[bool]:
    """``devices`` of the details is a list: [7, 12] is looked for as ,7,12, because both databases have LIKE."""
    listed = func.json_extract(Audit.c.details, "$.devices")
    for before, after in ((" ", ""), ("[", ","), ("]", ",")):
        listed = func.replace(listed, before, after)
    return listed.like(literal(f"%,{id_},%"))
