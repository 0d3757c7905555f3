"""``insula db upgrade``: the tables of the database."""

import asyncio
from typing import TYPE_CHECKING

import structlog
from cyclopts import App

from insula.cli import DataFolder, SettingsFile, _run, _say, _settings
from insula.errors import Unavailable

if TYPE_CHECKING:
    from insula.store.engine import Store

log = structlog.get_logger("insula")
db = App(name="db", help="The database's tables.")

WAIT_S = 2.0


@db.command
def upgrade(*, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """Make the tables, or bring those of an earlier version up to date. Waits for the database. SQLite has this done
    at each start; on MariaDB the parts wait until it is."""
    from insula.store.engine import Store

    loaded = _settings(settings, data=data)

    async def work() -> None:
        store = Store(loaded.database_url)
        before = await _upgraded(store)
        now = "made" if before is None else "up to date"
        _say(f"the tables are {now}" + (f"; they were of version {before}" if before else ""))

    _run(work())


async def _upgraded(store: "Store") -> str | None:
    while True:
        try:
            return await store.upgrade()
        except Unavailable as error:
            log.warning("waiting for the database", why=str(error))
            await asyncio.sleep(WAIT_S)
