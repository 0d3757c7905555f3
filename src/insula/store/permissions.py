"""Rights of accounts and teams, and the person that an account is with them."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Row, Select, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.access.rights import Person, Place, Right, RoomPlace
from insula.errors import InputError
from insula.store.changes import add_change
from insula.store.presence import end_presences
from insula.store.tables import Account, Building, Permission, Room, Site, Team, TeamMember
from insula.store.values import get_value, put_value

VERSION = "rights.version"


class Granted(msgspec.Struct, frozen=True):
    """A right and whose it is: ``user`` or ``team``, by name. ``where``: in words."""

    id: int
    right: Right
    where: str
    user: str | None = None
    team: str | None = None


async def grant(
    connection: AsyncConnection, right: Right, *, account: int | None = None, team: int | None = None
) -> int:
    """Its id; the same right twice is one. Raises InputError when the place names nothing that is there."""
    await _check(connection, right.place)
    row = {"account": account, "team": team, "level": right.level, "there": right.there}
    row |= msgspec.structs.asdict(right.place)
    same = select(Permission.c.id).where(
        *(Permission.c[name].is_not_distinct_from(value) for name, value in row.items())
    )
    if (before := await connection.scalar(same)) is not None:
        return int(before)
    done = await connection.execute(insert(Permission), row)
    (id_,) = done.inserted_primary_key or (0,)
    return int(id_)


async def revoke(connection: AsyncConnection, id_: int) -> None:
    """Raises InputError: there is no such right."""
    await end_presences(connection, await _owners(connection, id_))
    done = await connection.execute(delete(Permission).where(Permission.c.id == id_))
    if not done.rowcount:
        raise InputError(f"there is no right {id_}")


async def _owners(connection: AsyncConnection, id_: int) -> list[int]:
    """The accounts that have this right, also by a team."""
    of = select(Permission.c.account, Permission.c.team).where(Permission.c.id == id_).subquery()
    members = select(TeamMember.c.account).where(TeamMember.c.team == of.c.team)
    return [
        *await connection.scalars(
            select(Account.c.id).where(or_(Account.c.id == of.c.account, Account.c.id.in_(members)))
        )
    ]


async def list_granted(connection: AsyncConnection) -> list[Granted]:
    names = (Account.c.name.label("user"), Team.c.name.label("of_team"), Room.c.number.label("number"))
    places = (Building.c.name.label("of_building"), Site.c.name.label("of_site"))
    query = select(Permission, *names, *places).order_by(Permission.c.id)
    for table, column in ((Account, "account"), (Team, "team"), (Room, "room"), (Building, "building"), (Site, "site")):
        query = query.outerjoin_from(Permission, table, table.c.id == Permission.c[column])
    rows = await connection.execute(query)
    return [Granted(row.id, _right(row), _where(row), row.user, row.of_team) for row in rows]


async def find_persons(connection: AsyncConnection, accounts: Collection[int]) -> dict[int, Person]:
    """By account, with their own rights and their teams'; without those that are not there, or not active."""
    members = select(TeamMember).where(TeamMember.c.account.in_(accounts))
    teams: dict[int, list[int]] = {}
    for row in await connection.execute(members):
        teams.setdefault(row.account, []).append(row.team)
    rights: dict[tuple[int | None, int | None], list[Right]] = {}
    for row in await connection.execute(_rights_of(accounts)):
        rights.setdefault((row.account, row.team), []).append(_right(row))
    found = {}
    for row in await connection.execute(select(Account).where(Account.c.id.in_(accounts), Account.c.active)):
        whose = [(row.id, None), *((None, team) for team in teams.get(row.id, ()))]
        own = tuple(right for one in whose for right in rights.get(one, ()))
        found[row.id] = Person(row.id, row.name, bool(row.admin), own)
    return found


async def room_places(connection: AsyncConnection) -> dict[int, RoomPlace]:
    """Where each room is, by its id."""
    query = select(Room.c.id, Room.c.floor, Room.c.building, Building.c.site).join_from(
        Room, Building, Room.c.building == Building.c.id
    )
    return {row.id: RoomPlace(row.id, row.floor, row.building, row.site) for row in await connection.execute(query)}


async def rights_version(connection: AsyncConnection) -> int:
    """Another number after each change of accounts, teams and rights."""
    return int(await get_value(connection, VERSION) or 0)


async def rights_changed(connection: AsyncConnection, what: str, at: int) -> None:
    """To be called in each transaction that changes who may do what: every process hears of it by topic ``state``.
    ``at``: ms, real time."""
    await put_value(connection, VERSION, await rights_version(connection) + 1)
    await add_change(connection, f"rights: {what}", at)


def _rights_of(accounts: Collection[int]) -> Select[Any]:
    """And of their teams, each once."""
    teams = select(TeamMember.c.team).where(TeamMember.c.account.in_(accounts))
    which = or_(Permission.c.account.in_(accounts), Permission.c.team.in_(teams))
    return select(Permission).where(which).order_by(Permission.c.id)


def _right(row: Row[Any]) -> Right:
    return Right(row.level, Place(row.site, row.building, row.floor, row.room), bool(row.there))


def _where(row: Row[Any]) -> str:
    if row.room is not None:
        return f"room {row.number}"
    if row.building is None:
        return f"site {row.of_site}"
    return f"building {row.of_building}" + ("" if row.floor is None else f", floor {row.floor}")


async def the_building(connection: AsyncConnection) -> int:
    """Its id. Raises InputError: none was imported yet."""
    id_ = await connection.scalar(select(func.min(Building.c.id)))
    if id_ is None:
        raise InputError("there is no building yet: import one")
    return int(id_)


async def _check(connection: AsyncConnection, place: Place) -> None:
    named = [(table, id_) for table, id_ in ((Site, place.site), (Building, place.building), (Room, place.room)) if id_]
    if len(named) != 1 or (place.floor is not None and place.building is None):
        raise InputError("a right counts in a site, a building, a floor of a building, or a room")
    ((table, id_),) = named
    if await connection.scalar(select(table.c.id).where(table.c.id == id_)) is None:
        raise InputError(f"there is no {table.name.lower()} {id_}")
