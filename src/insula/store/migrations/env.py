"""How Alembic reaches the database: by the connection that upgrade.py gives it, in that one's transaction."""

from alembic import context

from insula.store.tables import metadata

connection = context.config.attributes["connection"]
sqlite = connection.dialect.name == "sqlite"
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=sqlite, render_as_batch=sqlite)
with context.begin_transaction():
    context.run_migrations()
