"""The people of the matrix as the database keeps them: accounts, teams, rights, sessions, tokens, presences, guests."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert

from insula.access.secret import digest
from insula.clock import Clock
from insula.store.engine import Store
from insula.store.guests import CodeRow, put_code
from insula.store.permissions import rights_changed
from insula.store.sessions import LONGEST_MS
from insula.store.tables import Account, Guest, Permission, Presence, Session, Team, TeamMember, Token
from tests.matrix.estate import EstateRoom
from tests.matrix.people import Asker, Given


async def move_in(
    store: Store, clock: Clock, rooms: Sequence[EstateRoom], found: Sequence[Asker], teams: Sequence[list[Given]]
) -> None:
    """Ids of accounts count from 1. Every room allows guests."""
    now = clock.real()
    known = [(id_, one) for id_, one in enumerate(found, 1) if one.guest is None]
    guests = [one for one in found if one.guest is not None]
    own = [_right(right, "account", id_) for id_, one in known for right in one.given]
    of_teams = [_right(right, "team", id_) for id_, rights in enumerate(teams, 1) for right in rights]
    async with store.write(alone=True) as connection:
        for room in rooms:
            await put_code(connection, CodeRow(room.id, f"code of {room.id}", now))
        for table, rows in (
            (Account, [_account(id_, one, now) for id_, one in known]),
            (Team, [{"id": id_, "name": f"tcanary-{id_}"} for id_ in range(1, len(teams) + 1)]),
            (TeamMember, [{"team": one.team + 1, "account": id_} for id_, one in known if one.team is not None]),
            (Permission, own + of_teams),
            (Token, [_token(id_, one, now) for id_, one in known if one.token]),
            (Session, [_session(id_, one, now) for id_, one in known if not one.token]),
            (Presence, [_presence(id_, one, now) for id_, one in known if one.said is not None]),
            (Guest, [_guest(one, now) for one in guests]),
        ):
            await connection.execute(insert(table), rows)
        await rights_changed(connection, "matrix", now)


def _account(id_: int, one: Asker, now: int) -> dict[str, Any]:
    return {"id": id_, "name": one.name, "admin": one.admin, "active": one.active, "created_at": now}


def _right(given: Given, owner: str, id_: int) -> dict[str, Any]:
    place = {"site": given.site, "building": given.building, "floor": given.floor, "room": given.room}
    return {"account": None, "team": None, owner: id_, "level": given.level, "there": given.there, **place}


def _token(account: int, one: Asker, now: int) -> dict[str, Any]:
    rooms = None if one.only is None else sorted(one.only)
    return {
        "digest": digest(one.secret),
        "account": account,
        "name": "",
        "level": one.limit,
        "rooms": rooms,
        "created_at": now,
    }


def _session(account: int, one: Asker, now: int) -> dict[str, Any]:
    times = {"created_at": now, "seen_at": now, "ends_at": now + LONGEST_MS}
    return {"digest": digest(one.secret), "account": account, "address": "", "agent": "", **times}


def _presence(account: int, one: Asker, now: int) -> dict[str, Any]:
    session = digest(one.secret if one.here else f"other {one.secret}")
    return {"account": account, "session": session, "room": one.said, "ends_at": now + LONGEST_MS}


def _guest(one: Asker, now: int) -> dict[str, Any]:
    ends_at = now + LONGEST_MS if one.active else now
    return {"digest": digest(one.secret), "room": one.guest, "address": "", "came_at": now, "ends_at": ends_at}
