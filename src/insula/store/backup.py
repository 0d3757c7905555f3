"""A backup: one zip file with a file of JSON lines a table, and a manifest with the sum of each.

Values are plain (text, numbers, true and false, bytes in base64), so that a backup of SQLite goes into MariaDB and the
reverse. Nothing is held in memory but a few thousand rows.
"""

import os
import zipfile
import zlib
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import msgspec
from sqlalchemy import LargeBinary, Table, delete, func, insert, select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.errors import InputError
from insula.store.engine import Store
from insula.store.tables import Guest, Nonce, Position, Presence, Setting, State, metadata
from insula.store.upgrade import HEAD

FORMAT = 1
MANIFEST = "manifest.json"
ROWS_AT_ONCE = 5000
BYTES_AT_ONCE = 200_000

LEFT_OUT = (Position, Presence, Nonce, Guest)
"""How far readers of a bus got: in another installation it means nothing, and would make them skip. Who begins at the
oldest record instead adds no row twice. And who is where now: it is to be forgotten."""
OF_PROCESSES = (State, Setting, Position)
"""What the parts write by themselves, before there is a building: it does not make a database one in use."""

Progress = Callable[[str, int, int], None]
"""Called with a table's name, the rows done and the rows it has."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One table: its columns in the order of each line's values, and the sum of its lines."""

    table: str
    columns: tuple[str, ...]
    rows: int
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.table}.jsonl"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``schema``: the newest migration of the database; ``at``: when it was made (ms, real time)."""

    format: int
    schema: str
    at: int
    tables: tuple[Entry, ...]

    @property
    def rows(self) -> int:
        return sum(entry.rows for entry in self.tables)


# --- out


async def backup(store: Store, file: Path, at: int, progress: Progress) -> Manifest:
    """Write all that the database holds at one moment to ``file``, while others go on writing.

    The file is there once it is whole; one that was there before is kept until then.
    """
    partial = file.with_name(f"{file.name}.part")
    try:
        with (
            _faults(file),
            _private(partial) as raw,
            zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive,
        ):
            async with store.read() as connection:
                tables = [table for table in metadata.sorted_tables if table not in LEFT_OUT]
                with _faults(file):
                    entries = [await _dump(connection, table, archive, progress) for table in tables]
            manifest = Manifest(format=FORMAT, schema=HEAD, at=at, tables=tuple(entries))
            archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        with _faults(file):
            partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    """A new file that only its owner may read, on the disk when it is closed."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


async def _dump(connection: AsyncConnection, table: Table, archive: zipfile.ZipFile, progress: Progress) -> Entry:
    total = await connection.scalar(select(func.count()).select_from(table)) or 0
    columns = tuple(str(column.name) for column in table.columns)
    digest, done = sha256(), 0
    with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as out:
        async for rows in _rows(connection, table):
            lines = _encoder.encode_lines(rows)
            digest.update(lines)
            out.write(lines)
            done += len(rows)
            progress(table.name, done, total)
    return Entry(table=str(table.name), columns=columns, rows=done, sha256=digest.hexdigest())


_encoder = msgspec.json.Encoder()


async def _rows(connection: AsyncConnection, table: Table) -> AsyncIterator[list[tuple[Any, ...]]]:
    """In the order of the primary key, so that equal tables make equal files."""
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=ROWS_AT_ONCE)
    async with connection.stream(query) as found:
        async for rows in found.partitions():
            yield [tuple(row) for row in rows]


# --- in


async def restore(store: Store, file: Path, progress: Progress) -> Manifest:
    """Put a backup into an empty database, in one transaction: all of it, or nothing.

    Raises InputError: no backup, damaged, of a newer Insula, or the database is not empty.
    """
    with _faults(file), zipfile.ZipFile(file) as archive:
        manifest = _manifest(archive, file)
        async with store.write() as connection:
            await _require_empty(connection)
            for table in OF_PROCESSES:
                await connection.execute(delete(table))
            with _faults(file):
                for entry in manifest.tables:
                    await _load(connection, entry, archive, progress)
    return manifest


@contextmanager
def _faults(file: Path) -> Iterator[None]:
    """What a file that is damaged, or cannot be opened, makes others raise, as InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError) as error:
        raise InputError(f"{file}: no backup of Insula, or a damaged one ({error})") from error
    except (IntegrityError, DataError) as error:
        raise InputError(f"{file}: its rows do not fit together ({error.orig})") from error


def _manifest(archive: zipfile.ZipFile, file: Path) -> Manifest:
    manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
    if manifest.format > FORMAT or manifest.schema > HEAD:
        raise InputError(
            f"{file}: made by a newer version of Insula (schema {manifest.schema}, this one has {HEAD}); update first"
        )
    return manifest


async def _require_empty(connection: AsyncConnection) -> None:
    for table in metadata.sorted_tables:
        if table not in OF_PROCESSES and (await connection.execute(select(table).limit(1))).first() is not None:
            raise InputError(f"the database is not empty (table {table.name} has rows): restore into a new one")


async def _load(connection: AsyncConnection, entry: Entry, archive: zipfile.ZipFile, progress: Progress) -> None:
    table = metadata.tables[entry.table]
    binary = [isinstance(table.columns[name].type, LargeBinary) for name in entry.columns]
    done = 0
    for rows in _lines(entry, archive):
        if any(binary):
            rows = [[b64decode(value) if of else value for of, value in zip(binary, row, strict=True)] for row in rows]
        values: Sequence[Mapping[str, Any]] = [dict(zip(entry.columns, row, strict=True)) for row in rows]
        await connection.execute(insert(table), values)
        done += len(rows)
        progress(entry.table, done, entry.rows)


_decoder = msgspec.json.Decoder(list[Any])


def _lines(entry: Entry, archive: zipfile.ZipFile) -> Iterator[list[list[Any]]]:
    """Raises ValueError after the last, when they are not the ones that were written."""
    digest, count, rest = sha256(), 0, b""
    with archive.open(entry.file) as file:
        while block := file.read(BYTES_AT_ONCE):
            digest.update(block)
            whole, newline, rest = (rest + block).rpartition(b"\n")
            rows = _decoder.decode_lines(whole + newline)
            count += len(rows)
            if rows:
                yield rows
    if rest or (count, digest.hexdigest()) != (entry.rows, entry.sha256):
        raise ValueError(f"{entry.file} is not what was written: wrong sum")
