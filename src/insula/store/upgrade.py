"""Bringing a SQLite file to the schema of this program.

Alembic is imported only when there is something to do: it would be a good part of a start's time.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from insula.errors import Unavailable

HEAD = "0002"
"""The newest migration; a test compares it with what is in migrations/versions."""
MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade_sqlite(file: Path) -> None:
    """Create or upgrade the tables in ``file``. Raises Unavailable when it is no database, or a newer program's."""
    try:
        version = _version(file)
        if version != HEAD:
            _upgrade(file, version)
    except sqlite3.Error as error:
        raise Unavailable(f"{file}: {error}") from error


def _version(file: Path) -> str | None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchall()
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if tables else None
        return str(row[0]) if row else None


def _upgrade(file: Path, version: str | None) -> None:
    import alembic.command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["file"] = file
    try:
        if version is not None:
            ScriptDirectory.from_config(config).get_revision(version)
        alembic.command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(f"{file}: made by another version of Insula ({error})") from error
