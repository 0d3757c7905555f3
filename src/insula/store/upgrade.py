"""Bringing a database to the schema of this program.

Alembic is imported only when there is something to do: it would be a good part of a start's time.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

from insula.errors import InputError

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0010"
"""The newest migration; a test compares it with what is in migrations/versions."""
MIGRATIONS = Path(__file__).parent / "migrations"


def schema_version(connection: Connection) -> str | None:
    """The newest migration that the database has had; None before the first."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if version is None else str(version)


def check_known(version: str | None) -> None:
    """Raises InputError when the database is a newer program's."""
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        if version is not None:
            ScriptDirectory.from_config(_config()).get_revision(version)
    except CommandError as error:
        raise InputError(f"the database was made by another version of Insula ({error})") from error


def migrate(connection: Connection) -> None:
    """Make or change the tables, in the transaction that ``connection`` is in. InputError for a newer program's."""
    version = schema_version(connection)
    if version == HEAD:
        return
    check_known(version)
    import alembic.command

    config = _config()
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
