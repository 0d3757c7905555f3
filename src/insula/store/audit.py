"""Who did what to which, from where: rows are added, and none is changed or removed."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.store.devices import to_struct
from insula.store.tables import Audit

MOST = 1000


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
    """Empty ones match all; ``before``: an id, to go on from; times in ms."""

    name: str = ""
    action: str = ""
    target: str = ""
    since: int = 0
    until: int = 0
    before: int = 0


async def add_entry(connection: AsyncConnection, entry: Entry) -> None:
    row = {name: getattr(entry, name) for name in entry.__struct_fields__ if name != "id"}
    cut = {"name": entry.name[:200], "address": entry.address[:64], "target": entry.target[:200]}
    await connection.execute(insert(Audit), row | cut)


async def search_entries(connection: AsyncConnection, wanted: Search, limit: int = 100) -> list[Entry]:
    """The newest first."""
    query = select(Audit).order_by(Audit.c.id.desc()).limit(min(limit, MOST))
    for column, value in (
        (Audit.c.name, wanted.name),
        (Audit.c.action, wanted.action),
        (Audit.c.target, wanted.target),
    ):
        query = query.where(column == value) if value else query
    query = query.where(Audit.c.at >= wanted.since)
    query = query.where(Audit.c.at < wanted.until) if wanted.until else query
    query = query.where(Audit.c.id < wanted.before) if wanted.before else query
    return [to_struct(row, Entry) for row in await connection.execute(query)]
