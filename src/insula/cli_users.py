"""``insula user``, ``insula right``: who may sign in, and what they may do; in the database itself."""

import getpass
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from insula.cli import DataFolder, SettingsFile, _run, _say, _settings
from insula.cli_control import me
from insula.clock import SystemClock
from insula.errors import InputError
from insula.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from insula.access.rights import Place
    from insula.store.audit import Entry
    from insula.store.engine import Store

user = App(name="user", help="Who may sign in: add, list, password, link, unlink, close, open, remove.")
right = App(name="right", help="Who may do what where: give, list, take.")

Admin = Annotated[bool, Parameter(negative="", help="may do everything, everywhere")]
Of = Annotated[str | None, Parameter(help="a user's name")]
Team = Annotated[str | None, Parameter(help="a team's name")]


@user.command
def add(name: str, *, admin: Admin = False, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """A new account. Its password is asked for, or read from standard input."""
    from insula.access.passwords import hashed
    from insula.store.accounts import add_account

    password = hashed(_password())

    async def change(connection: "AsyncConnection") -> str:
        await add_account(connection, name, SystemClock().real(), password=password, admin=admin)
        return f"user {name} added"

    _change(_settings(settings, data=data), "user added", name, change)


@user.command(name="list")
def list_users(*, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """All accounts."""
    from insula.store.accounts import list_accounts

    async def work(store: "Store") -> None:
        async with store.read() as connection:
            for row in await list_accounts(connection):
                said = [word for word, true in (("administrator", row.admin), ("closed", not row.active)) if true]
                _say(f"{row.name}{': ' if said else ''}{', '.join(said)}")

    _with_store(_settings(settings, data=data), work)


@user.command
def password(name: str, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """A new password for an account, asked for or read from standard input. All its sessions end."""
    from insula.access.passwords import hashed
    from insula.store.accounts import change_account, get_account
    from insula.store.sessions import end_sessions

    new = hashed(_password())

    async def change(connection: "AsyncConnection") -> str:
        account = await get_account(connection, name)
        await change_account(connection, account.id, password=new)
        await end_sessions(connection, account.id)
        return f"user {name} has a new password"

    _change(_settings(settings, data=data), "password", name, change)


@user.command
def close(name: str, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """Nobody signs in to the account any more, and who is signed in is no longer."""
    _set_active(name, False, _settings(settings, data=data))


@user.command(name="open")
def open_(name: str, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """An account that was closed can be used again."""
    _set_active(name, True, _settings(settings, data=data))


@user.command
def link(name: str, issuer: str, subject: str, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """The account is who this provider of OpenID Connect means by that subject; the audit says what was refused."""
    _set_link(name, issuer, subject, _settings(settings, data=data))


@user.command
def unlink(name: str, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """Nobody signs in to the account by OpenID Connect any more; its sessions end."""
    _set_link(name, None, None, _settings(settings, data=data))


def _set_link(name: str, issuer: str | None, subject: str | None, settings: Settings) -> None:
    from insula.store.accounts import get_account
    from insula.store.openid import link_account
    from insula.store.sessions import end_sessions

    async def change(connection: "AsyncConnection") -> str:
        account = await get_account(connection, name)
        await link_account(connection, account.id, issuer, subject)
        if issuer is None:
            await end_sessions(connection, account.id)
        return f"user {name} {'un' if issuer is None else ''}linked"

    _change(settings, "user unlinked" if issuer is None else "user linked", name, change)


@user.command
def remove(name: str, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """The account, with its sessions, tokens and rights."""
    from insula.store.accounts import get_account, remove_account

    async def change(connection: "AsyncConnection") -> str:
        await remove_account(connection, (await get_account(connection, name)).id)
        return f"user {name} removed"

    _change(_settings(settings, data=data), "user removed", name, change)


def token(*, url: str = "http://127.0.0.1:8080") -> None:
    """By what this machine's command line is known to the API at this address: for other programs of its owner, as in
    `curl -H "Authorization: Bearer $(insula token)" ...`."""
    from insula.console import token_for

    found = token_for(url)
    if not found:
        raise InputError(f"{url}: no token of it is here: run this in its folder, or say INSULA_DATA or INSULA_TOKEN")
    _say(found)


# --- rights


@right.command
def give(
    level: Literal["see", "drive", "manage"],
    *,
    user: Of = None,
    team: Team = None,
    room: Annotated[int | None, Parameter(help="a room's number")] = None,
    floor: Annotated[int | None, Parameter(help="a floor's number")] = None,
    there: Annotated[bool, Parameter(negative="", help="only while the person is in the room")] = False,
    data: DataFolder = None,
    settings: SettingsFile = None,
) -> None:
    """A right of a user or a team: in a room, on a floor, or in the whole building."""
    from insula.access.rights import Right
    from insula.store.accounts import get_account, get_team
    from insula.store.permissions import grant

    if (user is None) == (team is None):
        raise InputError("--user NAME or --team NAME")

    async def change(connection: "AsyncConnection") -> str:
        account = None if user is None else (await get_account(connection, user)).id
        of_team = None if team is None else (await get_team(connection, team)).id
        wanted = Right(level, await _place(connection, room, floor), there)
        return f"right {await grant(connection, wanted, account=account, team=of_team)} given"

    _change(_settings(settings, data=data), "right given", user or team or "", change)


@right.command(name="list")
def list_rights(*, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """All rights, each with the number by which it can be taken away."""
    from insula.store.permissions import list_granted

    async def work(store: "Store") -> None:
        async with store.read() as connection:
            for one in await list_granted(connection):
                whose = f"user {one.user}" if one.user is not None else f"team {one.team}"
                there = ", while there" if one.right.there else ""
                _say(f"{one.id}: {whose} may {one.right.level} in {one.where}{there}")

    _with_store(_settings(settings, data=data), work)


@right.command
def take(id: int, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """Take a right away."""
    from insula.store.permissions import revoke

    async def change(connection: "AsyncConnection") -> str:
        await revoke(connection, id)
        return f"right {id} taken"

    _change(_settings(settings, data=data), "right taken", str(id), change)


# --- what they share


def _password() -> str:
    """Asked for twice at a terminal, which does not show it; else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("password: ")
    if getpass.getpass("again: ") != first:
        raise InputError("the two are not the same")
    return first


def _set_active(name: str, active: bool, settings: Settings) -> None:
    from insula.store.accounts import change_account, get_account
    from insula.store.sessions import end_sessions

    async def change(connection: "AsyncConnection") -> str:
        account = await get_account(connection, name)
        await change_account(connection, account.id, active=active)
        await end_sessions(connection, account.id)
        return f"user {name} is {'open' if active else 'closed'}"

    _change(settings, "user changed", name, change)


async def _place(connection: "AsyncConnection", room: int | None, floor: int | None) -> "Place":
    from insula.access.rights import Place
    from insula.store.permissions import the_building
    from insula.store.rooms import find_room

    if room is not None:
        found = await find_room(connection, room)
        if found is None:
            raise InputError(f"there is no room {room}")
        return Place(room=found.id)
    return Place(building=await the_building(connection), floor=floor)


def entry_of_console(action: str, target: str, details: Mapping[str, Any] | None = None) -> "Entry":
    """Of the audit: what whoever is at this machine does to the database."""
    from insula.store.audit import Entry

    now = SystemClock().real()
    return Entry(at=now, name=me(), address="console", action=action, target=target, details=details or {})


def _change(
    settings: Settings, action: str, target: str, change: "Callable[[AsyncConnection], Awaitable[str]]"
) -> None:
    """In one transaction with its audit entry; every process hears of it. Says what ``change`` answers."""
    from insula.store.audit import add_entry
    from insula.store.permissions import rights_changed

    async def work(store: "Store") -> None:
        now = SystemClock().real()
        async with store.write(alone=True) as connection:
            said = await change(connection)
            await add_entry(connection, entry_of_console(action, target))
            await rights_changed(connection, f"{action} {target}", now)
        _say(said)

    _with_store(settings, work)


def _with_store(settings: Settings, work: "Callable[[Store], Awaitable[None]]") -> None:
    from insula.bootstrap import open_store

    async def opened() -> None:
        async with open_store(settings) as store:
            await work(store)

    _run(opened())
