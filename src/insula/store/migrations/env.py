"""How Alembic reaches the database: the SQLite file that upgrade.py names."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from insula.store.tables import metadata


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def run() -> None:
    """All in one transaction, so that a failed migration leaves nothing behind and two processes take turns."""
    engine = create_engine(f"sqlite:///{context.config.attributes['file']}", poolclass=NullPool)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()


run()
