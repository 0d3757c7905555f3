"""Idempotency keys: which commands a request with such a key became, for every API process."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.messages import Command
from insula.store.tables import CommandKey

KEPT_MS = 86_400_000
"""A key that is as old is a new one (real time)."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """``id``: of the account and its key; ``asked``: of the body."""

    id: str
    asked: str


def keyed(account: int, key: str, body: bytes) -> Keyed:
    return Keyed(sha256(f"{account}:{key}".encode()).hexdigest(), sha256(body).hexdigest())


async def find_key(connection: AsyncConnection, key: Keyed, now: int) -> tuple[str, tuple[Command, ...]] | None:
    """What was asked with it (``Keyed.asked``), and the commands that it became; None: it is new. ``now``: ms, real
    time."""
    query = select(CommandKey.c.asked, CommandKey.c.commands)
    query = query.where(CommandKey.c.id == key.id, CommandKey.c.at > now - KEPT_MS)
    row = (await connection.execute(query)).first()
    return None if row is None else (row.asked, msgspec.convert(row.commands, tuple[Command, ...]))


async def add_key(connection: AsyncConnection, key: Keyed, commands: Sequence[Command], now: int) -> None:
    """In the transaction that did not find it, which is alone. Old ones are forgotten."""
    await connection.execute(delete(CommandKey).where(CommandKey.c.at <= now - KEPT_MS))
    row = {"id": key.id, "at": now, "asked": key.asked, "commands": msgspec.to_builtins(commands)}
    await connection.execute(insert(CommandKey), row)
