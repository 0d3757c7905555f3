"""Small named values that outlive the process: the demo's clock, for one."""

from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.store.tables import Setting


async def get_value(connection: AsyncConnection, key: str) -> Any:
    """What was put under the key (a JSON value); None if nothing was."""
    return await connection.scalar(select(Setting.c.value).where(Setting.c.key == key))


async def put_value(connection: AsyncConnection, key: str, value: Any) -> None:
    await connection.execute(delete(Setting).where(Setting.c.key == key))
    await connection.execute(insert(Setting), {"key": key, "value": value})
