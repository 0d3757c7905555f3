"""The last value of each key of topic ``state``: what a restart on the in-memory bus begins from."""

from collections.abc import Mapping

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.bus.channel import Channel
from insula.bus.port import Outgoing
from insula.store.engine import Store
from insula.store.tables import State

HEALTH = "health/"
"""Keys that are not kept: how a part was says nothing of how it is."""


async def load_state(connection: AsyncConnection) -> dict[str, bytes]:
    """Key to value, as they were on the bus."""
    rows = await connection.execute(select(State.c.key, State.c.value).order_by(State.c.key))
    return {key: bytes(value) for key, value in rows}


async def save_state(connection: AsyncConnection, values: Mapping[str, bytes | None], at: int) -> None:
    """Keep these values; None (a tombstone) forgets the key. ``at``: ms, real time."""
    if values:
        await connection.execute(delete(State).where(State.c.key == bindparam("of")), [{"of": key} for key in values])
    rows = [{"key": key, "value": value, "at": at} for key, value in values.items() if value is not None]
    if rows:
        await connection.execute(insert(State), rows)


async def replay_state(store: Store, channel: Channel) -> None:
    """Give the in-memory bus of a new process what topic ``state`` held: before any part starts."""
    async with store.read() as connection:
        values = await load_state(connection)
    await channel.bus.publish(
        Outgoing("state", key, value) for key, value in values.items() if not key.startswith(HEALTH)
    )
