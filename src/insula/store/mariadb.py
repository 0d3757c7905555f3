"""MariaDB or MySQL, by asyncmy: many processes on many machines; migrated by ``insula db upgrade``."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL, Connection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from insula.errors import InputError, Unavailable

CONNECT_S = 5
ANSWER_S = 60
"""A server that says nothing for so long is taken for lost; it may have been halted for a while."""
WAIT_FOR_LOCK_S = 5
"""So long a statement waits for another transaction's row; then the whole transaction is rolled back."""
IDLE_WRITE_S = 10
"""A process that was halted within a transaction, or within the sending of a statement, holds its rows for so long:
then the server cuts it off, and what it wrote is rolled back. One that works takes some 100 ms between statements."""
IDLE_READ_S = 60
"""The same for one that reads: it holds no rows, but changes of the schema up."""
WAIT_FOR_UPGRADE_S = 60
POOL = 5


def _session() -> tuple[str, ...]:
    """MySQL has no limit for idle transactions: for it that part is a comment."""
    return (
        "SET time_zone = '+00:00', sql_mode = 'TRADITIONAL',"
        f" innodb_lock_wait_timeout = {WAIT_FOR_LOCK_S}, net_read_timeout = {IDLE_WRITE_S} /*M!100300 ,"
        f" idle_write_transaction_timeout = {IDLE_WRITE_S}, idle_readonly_transaction_timeout = {IDLE_READ_S} */",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    )


class MariaDb:
    """``mysql+asyncmy://USER:PASSWORD@HOST:PORT/DATABASE``, or ``mariadb://``, ``mysql://`` for the same."""

    upgrades_at_start = False

    def __init__(self, url: URL) -> None:
        self.name = url.render_as_string(hide_password=True)
        if not url.database or url.drivername.partition("+")[2] not in ("", "asyncmy"):
            raise InputError(f"database: {self.name!r} is not mysql+asyncmy://USER:PASSWORD@HOST:PORT/DATABASE")
        self._url = url.set(drivername="mysql+asyncmy")

    def engine(self) -> AsyncEngine:
        """A connection that was lost is found out when it is next taken, and replaced."""
        logging.getLogger("asyncmy").setLevel(logging.ERROR)  # "Name 'pk_Log' ignored for PRIMARY key." and so on
        waits = {"connect_timeout": CONNECT_S, "read_timeout": ANSWER_S}
        engine = create_async_engine(
            self._url, pool_pre_ping=True, pool_size=POOL, connect_args=waits, hide_parameters=True
        )
        event.listen(engine.sync_engine, "connect", _prepare)
        event.listen(engine.sync_engine, "begin", _begin)
        return engine

    @asynccontextmanager
    async def upgrading(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """One upgrade at a time: a change of the schema ends every transaction, so a lock of its own does it.

        New tables get the collation that SQLite has: two texts are the same only if all their bytes are.
        """
        lock = {"name": f"insula upgrade {self._url.database}"[:64], "wait": WAIT_FOR_UPGRADE_S}
        if not await connection.scalar(text("SELECT GET_LOCK(:name, :wait)"), lock):
            raise Unavailable(f"{self.name}: another upgrade has been running for {WAIT_FOR_UPGRADE_S} s")
        try:
            await connection.exec_driver_sql("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
            yield
        finally:
            await connection.execute(text("SELECT RELEASE_LOCK(:name)"), lock)

    async def take_turn(self, connection: AsyncConnection) -> None:
        """Until the end of the transaction, others that do this wait."""
        await connection.exec_driver_sql("SELECT version_num FROM alembic_version FOR UPDATE")


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for statement in _session():
        cursor.execute(statement)
    cursor.close()


def _begin(connection: Connection) -> None:
    """A read sees one moment: REPEATABLE READ, from its beginning on. A write is READ COMMITTED: what it compares
    and what it sets must both be of now, and no gaps are locked, in which other recorders insert."""
    write = connection.get_execution_options().get("insula_write", False)
    connection.exec_driver_sql(
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
        if write
        else "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
    )
