"""The outbox: one row a change of the building, in its transaction; the directory looks for new ones."""

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.store.tables import Change


async def add_change(connection: AsyncConnection, what: str, at: int) -> None:
    """``at``: ms, real time. In a write that is ``alone``: then the numbers come in the order of the commits."""
    await connection.execute(insert(Change), {"what": what[:200], "at": at})


async def latest_change(connection: AsyncConnection) -> int:
    """The number of the last change; 0 before the first."""
    return await connection.scalar(select(func.max(Change.c.id))) or 0
