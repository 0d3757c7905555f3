"""Who says to be in which room, until when; and the nonces with which that is said. Times in ms, real time."""

from collections.abc import Collection, Iterable

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.errors import InputError
from insula.store.devices import to_struct
from insula.store.tables import Nonce, Presence


class PresenceRow(msgspec.Struct, frozen=True):
    """``session``: the sum of the session's or the token's secret with which it was said, and for which it counts."""

    account: int
    session: str
    room: int
    ends_at: int


async def add_nonce(connection: AsyncConnection, session: str, digest: str, ends_at: int) -> None:
    """The only one of that session: the one before is none any more."""
    await connection.execute(delete(Nonce).where(Nonce.c.session == session))
    await connection.execute(insert(Nonce), {"session": session, "digest": digest, "ends_at": ends_at})


async def use_nonce(connection: AsyncConnection, session: str, digest: str, now: int) -> bool:
    """Whether it was that session's, and still good; no longer from now on."""
    which = (Nonce.c.session == session) & (Nonce.c.digest == digest)
    done = await connection.execute(delete(Nonce).where(which, Nonce.c.ends_at > now))
    return bool(done.rowcount)


async def find_presence(connection: AsyncConnection, account: int, now: int) -> PresenceRow | None:
    """Where the account is; None: nobody has said so, or it is over."""
    return (await find_presences(connection, [account], now)).get(account)


async def find_presences(connection: AsyncConnection, accounts: Collection[int], now: int) -> dict[int, PresenceRow]:
    """Where these are, by account, of those that are anywhere."""
    query = select(Presence).where(Presence.c.account.in_(accounts), Presence.c.ends_at > now)
    return {row.account: to_struct(row, PresenceRow) for row in await connection.execute(query)}


async def put_presence(connection: AsyncConnection, row: PresenceRow) -> None:
    """There, and nowhere else. In a write that is alone. Raises InputError: the account or the room has just gone."""
    await end_presence(connection, row.account)
    try:
        await connection.execute(insert(Presence), msgspec.structs.asdict(row))
    except IntegrityError:
        raise InputError("the account or the room is gone") from None


async def end_presence(connection: AsyncConnection, account: int) -> bool:
    """Whether there was one."""
    done = await connection.execute(delete(Presence).where(Presence.c.account == account))
    return bool(done.rowcount)


async def end_presences(connection: AsyncConnection, accounts: Iterable[int]) -> None:
    """They have lost a right: what they get again counts only when they are somewhere again."""
    await connection.execute(delete(Presence).where(Presence.c.account.in_([*accounts])))


async def forget_presences(connection: AsyncConnection, now: int) -> None:
    """Those that are over, and old nonces."""
    for table in (Presence, Nonce):
        await connection.execute(delete(table).where(table.c.ends_at <= now))
