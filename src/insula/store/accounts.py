"""Accounts and teams: who there is."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.access.rights import CONSOLE
from insula.errors import InputError
from insula.store.devices import to_struct
from insula.store.presence import end_presences
from insula.store.tables import Account, Team, TeamMember


class AccountRow(msgspec.Struct, frozen=True):
    """``password``: argon2id, never shown; ``issuer``, ``subject``: of who signs in by OpenID Connect; times in ms."""

    id: int
    name: str
    admin: bool
    active: bool
    created_at: int
    password: str | None = None
    issuer: str | None = None
    subject: str | None = None


class TeamRow(msgspec.Struct, frozen=True):
    id: int
    name: str
    members: tuple[str, ...] = ()


# --- accounts


async def add_account(
    connection: AsyncConnection,
    name: str,
    at: int,
    *,
    password: str | None = None,
    admin: bool = False,
    issuer: str | None = None,
    subject: str | None = None,
) -> int:
    """Its id. ``password``: as argon2id. Raises InputError: no name, or it is taken, or the console's."""
    row = {"password": password, "admin": admin, "active": True, "issuer": issuer, "subject": subject}
    return await _add(connection, Account, "user", {"name": _account_name(name), "created_at": at, **row})


async def find_account(connection: AsyncConnection, name: str) -> AccountRow | None:
    return await _account(connection, Account.c.name == name)


async def account_of(connection: AsyncConnection, issuer: str, subject: str) -> AccountRow | None:
    """Who that is by OpenID Connect."""
    return await _account(connection, (Account.c.issuer == issuer) & (Account.c.subject == subject))


async def get_account(connection: AsyncConnection, name: str) -> AccountRow:
    """Raises InputError: there is none."""
    found = await find_account(connection, name)
    if found is None:
        raise InputError(f"there is no user {name!r}")
    return found


async def list_accounts(connection: AsyncConnection) -> list[AccountRow]:
    return [to_struct(row, AccountRow) for row in await connection.execute(select(Account).order_by(Account.c.name))]


async def change_account(connection: AsyncConnection, id_: int, **values: Any) -> None:
    """Some of its columns. Raises InputError when no administrator would be left."""
    await connection.execute(update(Account).where(Account.c.id == id_).values(**values))
    if not values.get("active", True):
        await end_presences(connection, [id_])
    await _check_admin_left(connection)


async def remove_account(connection: AsyncConnection, id_: int) -> None:
    """With its sessions, tokens and rights. Raises InputError when no administrator would be left."""
    await connection.execute(delete(Account).where(Account.c.id == id_))
    await _check_admin_left(connection)


async def has_accounts(connection: AsyncConnection) -> bool:
    return bool(await connection.scalar(select(func.count()).select_from(Account)))


async def _account(connection: AsyncConnection, wanted: Any) -> AccountRow | None:
    row = (await connection.execute(select(Account).where(wanted))).first()
    return None if row is None else to_struct(row, AccountRow)


async def _check_admin_left(connection: AsyncConnection) -> None:
    admins = select(func.count()).select_from(Account).where(Account.c.admin, Account.c.active)
    if not await connection.scalar(admins):
        raise InputError("one administrator must be left")


# --- teams


async def add_team(connection: AsyncConnection, name: str) -> int:
    """Its id. Raises InputError: no name, or it is taken."""
    return await _add(connection, Team, "team", {"name": checked_name(name)})


async def get_team(connection: AsyncConnection, name: str) -> TeamRow:
    """Raises InputError: there is none."""
    for team in await list_teams(connection):
        if team.name == name:
            return team
    raise InputError(f"there is no team {name!r}")


async def list_teams(connection: AsyncConnection) -> list[TeamRow]:
    members: dict[int, list[str]] = {}
    joined = select(TeamMember.c.team, Account.c.name).join(Account, Account.c.id == TeamMember.c.account)
    for team, name in await connection.execute(joined.order_by(Account.c.name)):
        members.setdefault(team, []).append(name)
    rows = await connection.execute(select(Team).order_by(Team.c.name))
    return [TeamRow(row.id, row.name, tuple(members.get(row.id, ()))) for row in rows]


async def set_members(connection: AsyncConnection, team: int, accounts: Sequence[int]) -> None:
    """These and no others."""
    await end_presences(connection, set(await members_of(connection, team)) - set(accounts))
    await connection.execute(delete(TeamMember).where(TeamMember.c.team == team))
    if accounts:
        rows = [{"team": team, "account": account} for account in dict.fromkeys(accounts)]
        await connection.execute(insert(TeamMember), rows)


async def members_of(connection: AsyncConnection, team: int) -> list[int]:
    """The ids of their accounts."""
    return [*await connection.scalars(select(TeamMember.c.account).where(TeamMember.c.team == team))]


async def remove_team(connection: AsyncConnection, id_: int) -> None:
    await end_presences(connection, await members_of(connection, id_))
    await connection.execute(delete(Team).where(Team.c.id == id_))


def _account_name(name: str) -> str:
    """Raises InputError also for one that the console has in the building's records (api/access.py)."""
    if name == CONSOLE or name.endswith(f" ({CONSOLE})"):
        raise InputError(f"not a name of a user: {name[:200]!r}; the command line has it")
    return checked_name(name)


def checked_name(name: str) -> str:
    """Raises InputError: a name is 1 to 200 visible characters, none of them a space at its ends."""
    if not 1 <= len(name) <= 200 or not name.isprintable() or name != name.strip():
        raise InputError(f"not a name: {name[:200]!r}")
    return name


async def _add(connection: AsyncConnection, table: Any, kind: str, row: dict[str, Any]) -> int:
    try:
        done = await connection.execute(insert(table), row)
    except IntegrityError:
        raise InputError(f"there is a {kind} {row['name']!r} already") from None
    (id_,) = done.inserted_primary_key or (0,)
    return int(id_)
