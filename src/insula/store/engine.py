"""The database of one process: connections to read with, and one writer at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
from sqlalchemy import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool

from insula.clock import Clock, SystemClock
from insula.errors import InputError, Unavailable
from insula.store.mariadb import MariaDb
from insula.store.sqlite import Sqlite
from insula.store.upgrade import HEAD, check_known, migrate, schema_version

log = structlog.get_logger("insula.store")

LOOK_AGAIN_S = 1.0
"""How often ``start`` looks whether the server is there and its schema is ready (real time)."""

AWAY = (OperationalError, InterfaceError, InternalError, PoolTimeout, OSError, EOFError)
"""Full, locked, stopped, cut off: not the statement's fault. Nor is a damaged file: DatabaseError itself."""


class Store:
    """``url``: ``sqlite:///FILE`` or ``mysql+asyncmy://USER:PASSWORD@HOST:PORT/DATABASE``. Nothing is opened before
    ``start``. What a database that is away, or too busy, makes fail raises Unavailable: nothing was changed then, or,
    when the connection was lost while the end was being written, perhaps all of it. The same call may succeed later.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._database = _database(url)
        self._clock = clock or SystemClock()
        self._engine: AsyncEngine | None = None
        self._writing = asyncio.Lock()

    async def start(self) -> None:
        """SQLite is brought to this program's schema. On MariaDB ``insula db upgrade`` does that: here we wait until
        the server is there and has it, and say so. Raises Unavailable for a file that is no database, and for the
        schema of a newer program."""
        engine = self._database.engine()
        try:
            if self._database.upgrades_at_start:
                await self._bring_up_to_date(engine)
            else:
                await self._wait(engine)
        except BaseException:
            await engine.dispose()
            raise
        self._engine = engine

    async def stop(self) -> None:
        if self._engine is not None:
            engine, self._engine = self._engine, None
            await engine.dispose()

    async def upgrade(self) -> str | None:
        """Bring the schema to this program's; the version it had before. Others that do so wait. Raises Unavailable."""
        engine = self._database.engine()
        try:
            return await self._bring_up_to_date(engine)
        finally:
            await engine.dispose()

    def connections(self) -> tuple[int, int]:
        """In use now, and how many are kept open; for a short time there may be more."""
        pool = self._started.pool
        return (pool.checkedout(), pool.size()) if isinstance(pool, QueuePool) else (0, 0)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view of the database; many may be open at once."""
        with _told_as_unavailable():
            async with self._started.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self, *, alone: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end or rolled back by an exception; others of this process wait for their
        turn. ``alone``: on MariaDB too, those of other processes that say so wait as well: for who reads first and
        then writes what follows from it. A deadlock ends one of its transactions with Unavailable: begin it again.
        """
        with _told_as_unavailable():
            async with self._writing, self._started.connect() as connection, _writer(connection) as writer:
                if alone:
                    await self._database.take_turn(writer)
                yield writer

    @property
    def _started(self) -> AsyncEngine:
        if self._engine is None:
            raise RuntimeError("the store is not started")
        return self._engine

    # --- the schema

    async def _wait(self, engine: AsyncEngine) -> None:
        told = ""
        while why := await self._missing(engine):
            if why != told:
                log.warning("waiting for the database", database=self._database.name, why=why)
            told = why
            await self._clock.real_sleep(LOOK_AGAIN_S)
        if told:
            log.info("the database is there", database=self._database.name)

    async def _missing(self, engine: AsyncEngine) -> str:
        """What this process still waits for; empty: nothing. Raises InputError for a newer schema."""
        try:
            with _told_as_unavailable():
                version = await self._version(engine)
        except Unavailable as error:
            return str(error)
        if version == HEAD:
            return ""
        check_known(version)
        return f"its schema is {version or 'not there yet'}, not {HEAD}: run 'insula db upgrade'"

    async def _version(self, engine: AsyncEngine) -> str | None:
        async with engine.connect() as connection:
            return await connection.run_sync(schema_version)

    async def _bring_up_to_date(self, engine: AsyncEngine) -> str | None:
        try:
            before = await self._version(engine)
            if before != HEAD:
                async with (
                    engine.connect() as connection,
                    _writer(connection) as writer,
                    self._database.upgrading(writer),
                ):
                    await writer.run_sync(migrate)
            return before
        except (DBAPIError, OSError, EOFError) as error:
            raise Unavailable(f"{self._database.name}: {_reason(error)}") from error


@asynccontextmanager
async def _writer(connection: AsyncConnection) -> AsyncIterator[AsyncConnection]:
    writer = await connection.execution_options(insula_write=True)
    async with writer.begin():
        yield writer


@contextmanager
def _told_as_unavailable() -> Iterator[None]:
    """A cancellation stays one: asyncmy tells it as a lost connection, and SQLAlchemy's ping before use then makes a
    new one as if nothing had been."""
    before = _cancellations()
    try:
        yield
    except (OverflowError, DataError) as error:
        raise InputError("a number or a text is more than the database takes") from error
    except (*AWAY, DatabaseError) as error:
        if not isinstance(error, AWAY) and type(error) is not DatabaseError:  # the statement's own fault
            raise
        if _cancellations() > before:
            raise asyncio.CancelledError from error
        raise Unavailable(f"database: {_reason(error)}") from error
    if _cancellations() > before:
        raise asyncio.CancelledError


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _reason(error: BaseException) -> str:
    """What the driver said, without the statement and its values."""
    return str(error.orig if isinstance(error, DBAPIError) and error.orig is not None else error)


def _database(url: str) -> Sqlite | MariaDb:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InputError(f"database: {error}") from error
    match parsed.get_backend_name():
        case "sqlite":
            return Sqlite(parsed)
        case "mysql" | "mariadb":
            return MariaDb(parsed)
    raise InputError(f"database: {parsed.render_as_string()!r} is neither sqlite:///FILE nor mysql+asyncmy://...")
