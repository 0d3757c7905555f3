"""``insula db upgrade``: the tables of the database."""

from cyclopts import App

from insula.cli import DataFolder, SettingsFile, _run, _say, _settings
from insula.clock import SystemClock
from insula.retry import once_there

db = App(name="db", help="The database's tables.")


@db.command
def upgrade(*, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """Make the tables, or bring those of an earlier version up to date. Waits for the database. SQLite has this done
    at each start; on MariaDB the parts wait until it is."""
    from insula.store.engine import Store

    loaded = _settings(settings, data=data)

    async def work() -> None:
        store = Store(loaded.database_url)
        before = await once_there("the database", store.upgrade, SystemClock())
        now = "made" if before is None else "up to date"
        _say(f"the tables are {now}" + (f"; they were of version {before}" if before else ""))

    _run(work())
