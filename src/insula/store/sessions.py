"""Sessions of people who signed in, and their API tokens; of both only the sums (access/secret.py) are kept."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.access.rights import Level
from insula.errors import InputError
from insula.store.devices import to_struct
from insula.store.tables import Session, Token

DAY_MS = 24 * 3_600_000
LONGEST_MS, IDLE_MS = 30 * DAY_MS, 7 * DAY_MS
"""A session ends so long after its beginning, or after it was last used (real time)."""
SEEN_EVERY_MS = 60 * 60_000
"""That it was used is written down so often."""


class SessionRow(msgspec.Struct, frozen=True):
    """Times in ms, real time."""

    digest: str
    account: int
    created_at: int
    seen_at: int
    ends_at: int
    address: str
    agent: str


class TokenRow(msgspec.Struct, frozen=True):
    """``level``: no more than that; ``rooms``: ids, None: all that the account may; ``ends_at``: None: never."""

    id: int
    account: int
    name: str
    level: Level
    rooms: tuple[int, ...] | None
    created_at: int
    ends_at: int | None


# --- sessions


async def add_session(
    connection: AsyncConnection, digest: str, account: int, now: int, address: str, agent: str
) -> None:
    """Those that are over are forgotten."""
    await connection.execute(delete(Session).where(_is_over(now)))
    row = {"digest": digest, "account": account, "created_at": now, "seen_at": now, "ends_at": now + LONGEST_MS}
    await connection.execute(insert(Session), {**row, "address": address[:64], "agent": agent[:200]})


async def find_sessions(connection: AsyncConnection, digests: Collection[str], now: int) -> list[SessionRow]:
    """Of these, those that are there and not over."""
    query = select(Session).where(Session.c.digest.in_(digests), ~_is_over(now))
    return [to_struct(row, SessionRow) for row in await connection.execute(query)]


async def sessions_used(connection: AsyncConnection, digests: Collection[str], now: int) -> None:
    await connection.execute(update(Session).where(Session.c.digest.in_(digests)).values(seen_at=now))


async def sessions_of(connection: AsyncConnection, account: int) -> list[SessionRow]:
    """The latest used first."""
    query = select(Session).where(Session.c.account == account).order_by(Session.c.seen_at.desc())
    return [to_struct(row, SessionRow) for row in await connection.execute(query)]


async def end_sessions(connection: AsyncConnection, account: int, *, digest: str | None = None) -> None:
    """This one, or all of the account."""
    which = Session.c.account == account
    await connection.execute(delete(Session).where(which if digest is None else which & (Session.c.digest == digest)))


def _is_over(now: int) -> Any:
    return or_(Session.c.ends_at <= now, Session.c.seen_at <= now - IDLE_MS)


# --- tokens


async def add_token(connection: AsyncConnection, digest: str, token: TokenRow) -> int:
    """Its id; ``token.id`` is passed over."""
    row = msgspec.structs.asdict(token) | {"digest": digest, "rooms": None if token.rooms is None else [*token.rooms]}
    del row["id"]
    done = await connection.execute(insert(Token), row)
    (id_,) = done.inserted_primary_key or (0,)
    return int(id_)


async def find_tokens(connection: AsyncConnection, digests: Collection[str], now: int) -> dict[str, TokenRow]:
    """Of these, by digest, those that are there and not over."""
    query = select(Token).where(Token.c.digest.in_(digests), or_(Token.c.ends_at.is_(None), Token.c.ends_at > now))
    return {row.digest: to_struct(row, TokenRow) for row in await connection.execute(query)}


async def tokens_of(connection: AsyncConnection, account: int) -> list[TokenRow]:
    query = select(Token).where(Token.c.account == account).order_by(Token.c.id)
    return [to_struct(row, TokenRow) for row in await connection.execute(query)]


async def remove_token(connection: AsyncConnection, account: int, id_: int) -> None:
    """Raises InputError: the account has no such token."""
    done = await connection.execute(delete(Token).where(Token.c.account == account, Token.c.id == id_))
    if not done.rowcount:
        raise InputError(f"there is no token {id_}")
