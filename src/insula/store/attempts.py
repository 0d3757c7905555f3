"""Failures to sign in, shared by all processes (access/attempts.py says what they mean)."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.access.attempts import KNOWN_MS, WINDOW_MS, Attempts, failed, keys
from insula.store.tables import Attempt, KnownAddress


async def read_attempts(connection: AsyncConnection, name: str, address: str) -> dict[str, Attempts]:
    """By key, those that count for this name and this address."""
    return await find_attempts(connection, keys(name, address))


async def find_attempts(connection: AsyncConnection, of: Sequence[str]) -> dict[str, Attempts]:
    """By key, those of these keys."""
    rows = await connection.execute(select(Attempt).where(Attempt.c.key.in_(of)))
    return {row.key: Attempts(row.key, row.failures, row.since) for row in rows}


async def add_failure(connection: AsyncConnection, name: str, address: str, now: int) -> None:
    """In a transaction that is alone."""
    await count_attempts(connection, keys(name, address), now)


async def count_attempts(connection: AsyncConnection, of: Sequence[str], now: int) -> None:
    """One more of each of these keys, in a transaction that is alone. Old ones are forgotten."""
    before = await find_attempts(connection, of)
    after = [failed(before.get(key, Attempts(key, since=now)), now) for key in of]
    old = Attempt.c.since <= now - WINDOW_MS
    await connection.execute(delete(Attempt).where(Attempt.c.key.in_([one.key for one in after]) | old))
    rows = [{"key": one.key, "failures": one.failures, "since": one.since} for one in after]
    await connection.execute(insert(Attempt), rows)


async def forget_failures(connection: AsyncConnection, name: str, address: str) -> None:
    """Of this name from this address: it has signed in."""
    await connection.execute(delete(Attempt).where(Attempt.c.key == keys(name, address)[0]))


async def is_known(connection: AsyncConnection, account: int, address: str, now: int) -> bool:
    """Whether the account has signed in from there lately."""
    query = select(KnownAddress.c.at).where(KnownAddress.c.account == account, KnownAddress.c.address == address[:64])
    at = await connection.scalar(query)
    return at is not None and at > now - KNOWN_MS


async def know(connection: AsyncConnection, account: int, address: str, now: int) -> None:
    """It has signed in from there."""
    row = {"account": account, "address": address[:64]}
    which = (KnownAddress.c.account == account) & (KnownAddress.c.address == row["address"])
    await connection.execute(delete(KnownAddress).where(which | (KnownAddress.c.at <= now - KNOWN_MS)))
    await connection.execute(insert(KnownAddress), {**row, "at": now})
