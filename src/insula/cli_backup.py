"""``insula backup FILE`` and ``insula restore FILE``."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from insula.cli import DataFolder, SettingsFile, _run, _say, _store
from insula.store.backup import Progress


def backup(file: Path, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """All that the database holds, as one file; Insula may go on running."""
    from insula.store.backup import backup

    async def work() -> None:
        async with _store(settings, data) as store:
            with _bars() as progress:
                made = await backup(store, file, time.time_ns() // 1_000_000, progress)
        _say(f"{file}: {made.rows} rows of {len(made.tables)} tables, {file.stat().st_size / 1e6:.1f} MB")

    _run(work())


def restore(file: Path, *, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """Put a backup into an empty database, of either kind; all of it, or nothing."""
    from insula.store.backup import restore

    async def work() -> None:
        async with _store(settings, data) as store:
            with _bars() as progress:
                made = await restore(store, file, progress)
        _say(f"{file}: {made.rows} rows of {len(made.tables)} tables restored")

    _run(work())


@contextmanager
def _bars() -> Iterator[Progress]:
    """One bar a table, on standard error; gone when all is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(table: str, done: int, total: int) -> None:
            if table not in tasks:
                tasks[table] = bars.add_task(table, total=total)
            bars.update(tasks[table], completed=done)

        yield progress
