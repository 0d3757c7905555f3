"""The database of one process: connections to read with, and one writer at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from insula.errors import InputError, Unavailable
from insula.store.upgrade import upgrade_sqlite

WAIT_FOR_LOCK_MS = 5000
"""So long a transaction waits for another process's write to end."""


class Store:
    """``url``: ``sqlite:///FILE``. Nothing is opened before ``start``, which brings the schema up to date."""

    def __init__(self, url: str) -> None:
        self._url = _parse(url)
        self._engine: AsyncEngine | None = None
        self._writing = asyncio.Lock()

    async def start(self) -> None:
        """Raises Unavailable when the database cannot be opened, or is newer than this program."""
        file = Path(str(self._url.database))
        file.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(upgrade_sqlite, file)
        self._engine = create_async_engine(self._url.set(drivername="sqlite+aiosqlite"))
        event.listen(self._engine.sync_engine, "connect", _prepare)
        event.listen(self._engine.sync_engine, "begin", _begin)

    async def stop(self) -> None:
        if self._engine is not None:
            engine, self._engine = self._engine, None
            await engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view of the database; many may be open at once. Raises Unavailable, as ``write`` does."""
        with _failures():
            async with self._started.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end or rolled back by an exception; others wait for their turn.

        It takes the write lock at once (BEGIN IMMEDIATE): under WAL, a transaction that reads and then writes
        fails, whatever its timeout, when another process has written between.
        """
        with _failures():
            async with self._writing, self._started.connect() as connection:
                writer = await connection.execution_options(insula_write=True)
                async with writer.begin():
                    yield writer

    @property
    def _started(self) -> AsyncEngine:
        if self._engine is None:
            raise RuntimeError("the store is not started")
        return self._engine


@contextmanager
def _failures() -> Iterator[None]:
    """What the database itself fails at (locked, damaged, full) as Unavailable; an error in a statement stays one."""
    try:
        yield
    except NoConnection as error:
        raise Unavailable(f"database: {error}") from error
    except DatabaseError as error:
        if type(error) not in (DatabaseError, OperationalError):
            raise
        raise Unavailable(f"database: {error.orig}") from error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InputError(f"database: {error}") from error
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise InputError(f"database: {url!r} is not sqlite:///FILE")
    return parsed


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _begin does
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={WAIT_FOR_LOCK_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("insula_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
