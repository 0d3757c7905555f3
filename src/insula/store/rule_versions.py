"""The rules in force, those that are tried beside them, and every version that was: who brought it, and when."""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.messages import RuleSet
from insula.store.audit import Entry, note
from insula.store.changes import add_change
from insula.store.engine import Store
from insula.store.tables import RuleVersion
from insula.store.values import get_value, put_value

EDITED = "rules.edited"
"""The named value that holds the id of the version that was put in force by hand; None: the building file's are."""
SHADOW = "rules.shadow"
"""The named value that holds the id of the version that is tried as shadow; None: none is."""


@dataclass(frozen=True, slots=True)
class Version:
    """``source``: as TOML, as it was given; ``at``: ms, real time. The same rules have the same ``ruleset.version``,
    however often they are brought: ``id`` counts the times. ``shadow``: they were brought to be tried only."""

    id: int
    ruleset: RuleSet
    source: str
    by: str
    at: int
    shadow: bool = False


async def put_rules(
    store: Store,
    ruleset: RuleSet,
    source: str,
    by: str,
    at: int,
    before: Version | None,
    entry: Entry | None = None,
) -> Version:
    """Put these rules in force, with a row for the directory. ``before``: those in force until now, to be kept as a
    version if they are none yet; ``entry``: of the audit."""
    async with store.write(alone=True) as connection:
        if before is not None and await find_version(connection, before.ruleset.version) is None:
            await add_version(connection, before.ruleset, before.source, before.by, before.at)
        version = await add_version(connection, ruleset, source, by, at)
        await put_value(connection, EDITED, version.id)
        await note(connection, entry)
        await add_change(connection, f"rules: {ruleset.name} {ruleset.version}, by {by or 'somebody'}", at)
    return version


async def put_shadow(
    store: Store, ruleset: RuleSet, source: str, by: str, at: int, entry: Entry | None = None
) -> Version:
    """Try these rules beside those in force, with a row for the directory."""
    async with store.write(alone=True) as connection:
        version = await add_version(connection, ruleset, source, by, at, shadow=True)
        await put_value(connection, SHADOW, version.id)
        await note(connection, entry)
        await add_change(connection, f"rules: shadow {ruleset.name} {ruleset.version}, by {by or 'somebody'}", at)
    return version


async def end_shadow(store: Store, by: str, at: int, entry: Entry | None = None) -> None:
    """Try none any more."""
    async with store.write(alone=True) as connection:
        await put_value(connection, SHADOW, None)
        await note(connection, entry)
        await add_change(connection, f"rules: no shadow, by {by or 'somebody'}", at)


async def shadow_rules(connection: AsyncConnection) -> Version | None:
    """The version that is tried beside the rules in force; None: none is."""
    return await _named(connection, SHADOW)


async def add_version(
    connection: AsyncConnection, ruleset: RuleSet, source: str, by: str, at: int, *, shadow: bool = False
) -> Version:
    row = {"version": ruleset.version, "name": ruleset.name, "source": source, "by": by[:200], "at": at}
    done = await connection.execute(
        insert(RuleVersion), {**row, "rules": msgspec.to_builtins(ruleset), "shadow": shadow}
    )
    (id_,) = done.inserted_primary_key or (0,)
    return Version(int(id_), ruleset, source, by, at, shadow)


async def edited_rules(connection: AsyncConnection) -> Version | None:
    """The version that was put in force by hand; None: the building file's rules are in force."""
    return await _named(connection, EDITED)


async def _named(connection: AsyncConnection, key: str) -> Version | None:
    id_ = await get_value(connection, key)
    row = None if id_ is None else await _first(connection, RuleVersion.c.id == id_)
    return None if row is None else _version(row)


async def forget_edit(connection: AsyncConnection) -> None:
    """The building file's rules are in force again."""
    await put_value(connection, EDITED, None)


async def find_version(connection: AsyncConnection, version: str) -> Version | None:
    """The last time that these rules were brought to be in force; or, if they never were, to be tried."""
    row = await _first(connection, RuleVersion.c.version == version)
    return None if row is None else _version(row)


async def list_versions(connection: AsyncConnection, limit: int = 100) -> list[Version]:
    """The newest first."""
    query = select(RuleVersion).order_by(RuleVersion.c.id.desc()).limit(limit)
    return [_version(row) for row in await connection.execute(query)]


async def _first(connection: AsyncConnection, wanted: Any) -> Row[Any] | None:
    newest = select(RuleVersion).where(wanted).order_by(RuleVersion.c.shadow, RuleVersion.c.id.desc())
    return (await connection.execute(newest)).first()


def _version(row: Row[Any]) -> Version:
    return Version(row.id, msgspec.convert(row.rules, RuleSet), row.source, row.by, row.at, row.shadow)
