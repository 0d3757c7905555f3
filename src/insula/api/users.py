"""Accounts, teams and their rights: for administrators."""

from typing import Any, NotRequired, TypedDict, cast

import msgspec
from litestar import delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from insula.access.rights import Level, Place, Right
from insula.api.access import needs
from insula.api.asking import Asked
from insula.api.changing import Changing
from insula.api.errors import NotFound, RequestError
from insula.errors import InputError
from insula.store.accounts import (
    AccountRow,
    TeamRow,
    add_account,
    add_team,
    change_account,
    get_account,
    get_team,
    list_accounts,
    list_teams,
    remove_account,
    remove_team,
    set_members,
)
from insula.store.permissions import Granted, grant, list_granted, revoke
from insula.store.sessions import end_sessions


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without a password they sign in by OpenID Connect, or not at all."""

    name: str
    password: str | None = None
    admin: bool = False


class UserChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be so from now on; what is not given stays. A new password, or an account that is no longer active,
    ends all its sessions."""

    password: str | None = None
    admin: bool | None = None
    active: bool | None = None


class Members(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    members: tuple[str, ...] = ()


class NewRight(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a user or a team, in one site, building, floor of a building, or room (ids; a floor by its number).
    ``there``: only while the person is in the room."""

    level: Level
    user: str | None = None
    team: str | None = None
    site: int | None = None
    building: int | None = None
    floor: int | None = None
    room: int | None = None
    there: bool = False

    def right(self) -> Right:
        return Right(self.level, Place(self.site, self.building, self.floor, self.room), self.there)


class Account(TypedDict):
    """``created_at``: ms, real time; ``issuer``: of who signs in by OpenID Connect."""

    id: int
    name: str
    admin: bool
    active: bool
    created_at: int
    issuer: str | None
    has_password: bool


class Accounts(TypedDict):
    users: list[Account]


class Removed(TypedDict):
    removed: str


class Teams(TypedDict):
    teams: list[TeamRow]


class Team(TypedDict):
    name: str
    members: tuple[str, ...]


class ShownRight(TypedDict):
    """``where``: in words; of the ids only those that the place has."""

    id: int
    user: NotRequired[str]
    team: NotRequired[str]
    level: Level
    there: bool
    where: str
    site: NotRequired[int]
    building: NotRequired[int]
    floor: NotRequired[int]
    room: NotRequired[int]


class Given(TypedDict):
    """The new right's id, and what was asked."""

    id: int
    level: Level
    there: bool
    user: NotRequired[str]
    team: NotRequired[str]
    site: NotRequired[int]
    building: NotRequired[int]
    floor: NotRequired[int]
    room: NotRequired[int]


class Rights(TypedDict):
    rights: list[ShownRight]


class Taken(TypedDict):
    taken: ShownRight


def user_routes(changing: Changing) -> list[HTTPRouteHandler]:
    store, people, clock = changing.store, changing.people, changing.clock

    @get("/users", summary="All accounts", tags=["administration"], opt=needs("admin"))
    async def users(request: Asked) -> Accounts:
        async with store.read() as connection:
            return {"users": [_account(row) for row in await list_accounts(connection)]}

    @post("/users", summary="A new account", tags=["administration"], opt=needs("admin"))
    async def add(request: Asked, data: JSONBody[NewUser]) -> Account:
        password = None if data.password is None else await people.hashed(data.password)
        async with changing.of(request, "user added", data.name, admin=data.admin) as connection:
            await add_account(connection, data.name, clock.real(), password=password, admin=data.admin)
            return _account(await get_account(connection, data.name))

    @patch("/users/{name:str}", summary="Change an account", tags=["administration"], opt=needs("admin"))
    async def change(request: Asked, name: FromPath[str], data: JSONBody[UserChange]) -> Account:
        said = {field: value for field in ("admin", "active") if (value := getattr(data, field)) is not None}
        secret = {} if data.password is None else {"password": await people.hashed(data.password)}
        async with changing.of(request, "user changed", name, **said, password=bool(secret)) as connection:
            account = await _found(get_account(connection, name))
            if said or secret:
                await change_account(connection, account.id, **said, **secret)
            if secret or data.active is False:
                await end_sessions(connection, account.id)
            return _account(await get_account(connection, name))

    @delete(
        "/users/{name:str}", summary="Remove an account", tags=["administration"], opt=needs("admin"), status_code=200
    )
    async def remove(request: Asked, name: FromPath[str]) -> Removed:
        async with changing.of(request, "user removed", name) as connection:
            await remove_account(connection, (await _found(get_account(connection, name))).id)
        return {"removed": name}

    return [users, add, change, remove]


def team_routes(changing: Changing) -> list[HTTPRouteHandler]:
    store = changing.store

    @get("/teams", summary="All teams", tags=["administration"], opt=needs("admin"))
    async def teams(request: Asked) -> Teams:
        async with store.read() as connection:
            return {"teams": await list_teams(connection)}

    @put("/teams/{name:str}", summary="A team and its members", tags=["administration"], opt=needs("admin"))
    async def put_team(request: Asked, name: FromPath[str], data: JSONBody[Members]) -> Team:
        """Made if there is none of that name; these are its members, and no others."""
        async with changing.of(request, "team", name, members=data.members) as connection:
            known = {team.name: team.id for team in await list_teams(connection)}
            team = known[name] if name in known else await add_team(connection, name)
            accounts = [(await get_account(connection, member)).id for member in data.members]
            await set_members(connection, team, accounts)
        return {"name": name, "members": data.members}

    @delete("/teams/{name:str}", summary="Remove a team", tags=["administration"], opt=needs("admin"), status_code=200)
    async def remove(request: Asked, name: FromPath[str]) -> Removed:
        async with changing.of(request, "team removed", name) as connection:
            await remove_team(connection, (await _found(get_team(connection, name))).id)
        return {"removed": name}

    return [teams, put_team, remove]


def right_routes(changing: Changing) -> list[HTTPRouteHandler]:
    store = changing.store

    @get("/rights", summary="Who may do what where", tags=["administration"], opt=needs("admin"))
    async def rights(request: Asked) -> Rights:
        async with store.read() as connection:
            return {"rights": [_granted(one) for one in await list_granted(connection)]}

    @post("/rights", summary="Give a right", tags=["administration"], opt=needs("admin"))
    async def give(request: Asked, data: JSONBody[NewRight]) -> Given:
        if (data.user is None) == (data.team is None):
            raise RequestError("a right is of a user or of a team")
        said = {name: value for name, value in msgspec.to_builtins(data).items() if value is not None}
        async with changing.of(request, "right given", data.user or data.team or "", **said) as connection:
            account = None if data.user is None else (await get_account(connection, data.user)).id
            team = None if data.team is None else (await get_team(connection, data.team)).id
            id_ = await grant(connection, data.right(), account=account, team=team)
            return cast(Given, {"id": id_, **said})

    @delete(
        "/rights/{id:int}", summary="Take a right away", tags=["administration"], opt=needs("admin"), status_code=200
    )
    async def take(request: Asked, id: FromPath[int]) -> Taken:
        async with changing.of(request, "right taken", str(id)) as connection:
            before = [_granted(one) for one in await list_granted(connection) if one.id == id]
            await _found(revoke(connection, id))
        return {"taken": before[0]}

    return [rights, give, take]


async def _found(looking: Any) -> Any:
    """What is not there is 404, and not 400."""
    try:
        return await looking
    except InputError as error:
        raise NotFound(str(error)) from None


def _account(row: AccountRow) -> Account:
    """Without its password."""
    return {
        "id": row.id,
        "name": row.name,
        "admin": row.admin,
        "active": row.active,
        "created_at": row.created_at,
        "issuer": row.issuer,
        "has_password": row.password is not None,
    }


def _granted(one: Granted) -> ShownRight:
    right, place = one.right, one.right.place
    shown: ShownRight = {"id": one.id, "level": right.level, "there": right.there, "where": one.where}
    owner = {"user": one.user} if one.user is not None else {"team": one.team}
    ids = {name: value for name, value in msgspec.to_builtins(place).items() if value is not None}
    return cast(ShownRight, {**shown, **owner, **ids})
