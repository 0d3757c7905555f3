"""What is SQLite's own: its file, its schema, its lock."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, func, insert, select
from sqlalchemy.pool import NullPool

from insula.errors import InputError, Unavailable
from insula.store.engine import Store
from insula.store.tables import Change, metadata
from insula.store.upgrade import HEAD, MIGRATIONS


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'insula.db'}")
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


def schema(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {" ".join(sql.replace('"', "").split()) for (sql,) in rows if "alembic_version" not in sql}


async def test_the_migrations_make_the_tables(store: Store, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'direct.db'}", poolclass=NullPool)
    metadata.create_all(engine)
    assert {_sorted_constraints(sql) for sql in schema(tmp_path / "insula.db")} == {
        _sorted_constraints(sql) for sql in schema(tmp_path / "direct.db")
    }
    migrated = create_engine(f"sqlite:///{tmp_path / 'insula.db'}", poolclass=NullPool)
    with migrated.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def _sorted_constraints(sql: str) -> str:
    head, _, body = sql.partition("(")
    return head + "".join(sorted(part.strip() for part in body.replace(")", ",").split(",")))


def test_the_newest_migration_is_the_one_that_start_looks_for() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


async def test_2020s_six_tables_are_there(store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "insula.db")) as connection:
        columns = {
            table: {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            for table in ("Room", "Beacon", "Device", "KnxNode", "ZwaveNode", "Log")
        }
    assert {"id", "number", "floor"} <= columns["Room"]
    assert {"uuid", "major", "minor", "room"} <= columns["Beacon"]
    assert {"id", "room", "kind"} <= columns["Device"]
    assert {"kind", "bloc", "floor", "device"} <= columns["KnxNode"]
    assert {"node_id", "name", "device"} <= columns["ZwaveNode"]
    assert columns["Log"] == {"timestamp", "value", "reason", "device"}


async def test_starting_again_does_not_load_the_migrations(store: Store, tmp_path: Path) -> None:
    code = (
        "import asyncio, sys; from insula.store.engine import Store\n"
        "async def main():\n"
        "    store = Store(sys.argv[1]); await store.start(); await store.stop()\n"
        "asyncio.run(main()); print('alembic' in sys.modules)"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{tmp_path / 'insula.db'}"]
    found = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


async def test_it_makes_its_folder(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'new' / 'insula.db'}")
    await store.start()
    await store.stop()
    assert (tmp_path / "new" / "insula.db").exists()


async def test_a_newer_programs_database_is_left_alone(store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "insula.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InputError, match="another version"):
        await Store(f"sqlite:///{tmp_path / 'insula.db'}").start()


async def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no database, but long enough to be taken for one" * 99)
    with pytest.raises(Unavailable, match="not a database"):
        await Store(f"sqlite:///{tmp_path / 'x.db'}").start()


@pytest.mark.parametrize("url", ["", "x", "sqlite://", "sqlite:///:memory:", "postgresql://localhost/x"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="database"):
        Store(url)


async def test_a_store_is_started_before_it_is_read(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(RuntimeError, match="not started"):
        async with store.read():
            pass
    await store.stop()


async def test_a_write_waits_for_another_process(store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "insula.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO Change (at, what) VALUES (1, 'other')")

        async def add() -> None:
            async with store.write() as connection:
                await connection.execute(insert(Change), {"at": 2, "what": "mine"})

        adding = asyncio.create_task(add())
        await asyncio.to_thread(other.execute, "COMMIT")
        await adding
    async with store.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(Change)) == 2
