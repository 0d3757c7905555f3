"""SQLite: one file, one writer at a time, migrated at start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from insula.errors import InputError

WAIT_FOR_LOCK_MS = 5000
"""So long a transaction waits for another process's write to end."""


class Sqlite:
    """``sqlite:///FILE``."""

    upgrades_at_start = True

    def __init__(self, url: URL) -> None:
        if not url.database or url.database == ":memory:":
            raise InputError(f"database: {str(url)!r} is not sqlite:///FILE")
        self._url = url.set(drivername="sqlite+aiosqlite")
        self.name = str(url.database)

    def engine(self) -> AsyncEngine:
        Path(self.name).parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(self._url, hide_parameters=True)
        event.listen(engine.sync_engine, "connect", _prepare)
        event.listen(engine.sync_engine, "begin", _begin)
        return engine

    @asynccontextmanager
    async def upgrading(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """The transaction itself keeps others out."""
        yield

    async def take_turn(self, connection: AsyncConnection) -> None:
        """A write has the whole database."""


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _begin does
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={WAIT_FOR_LOCK_MS}", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """A write takes the lock at once: under WAL, a transaction that reads and then writes fails, whatever its
    timeout, when another process has written between."""
    write = connection.get_execution_options().get("insula_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
