"""Every row of a point in one tier, in order of time, however many there are."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from sqlalchemy import Table, select

from insula.store.engine import Store
from insula.store.history import TierName
from insula.store.log import reason_of
from insula.store.tables import Log, LogDays, LogFiveMinutes, LogHours

AT_ONCE = 5000
"""Rows of one read: the database is let go between two of them."""
WINDOW = ("mean", "minimum", "maximum", "last", "known")
TABLES: Mapping[TierName, Table] = {"raw": Log, "five_minutes": LogFiveMinutes, "hours": LogHours, "days": LogDays}
COLUMNS: Mapping[TierName, tuple[str, ...]] = {
    "raw": ("value",),
    "five_minutes": WINDOW,
    "hours": WINDOW,
    "days": WINDOW,
}


async def read_rows(
    store: Store, device: int, role: str, tier: TierName, start: int, end: int
) -> AsyncIterator[list[tuple[Any, ...]]]:
    """Time (ms, building's clock) and the tier's columns, ``start <= time < end``, some thousand rows at once."""
    table = TABLES[tier].c
    time = table.timestamp if tier == "raw" else table.start
    columns = [getattr(table, name) for name in COLUMNS[tier]]
    query = select(time, *columns).where(table.device == device, table.reason == reason_of(role), time < end)
    while True:
        async with store.read() as connection:
            rows = await connection.execute(query.where(time >= start).order_by(time).limit(AT_ONCE))
            found = [tuple(row) for row in rows]
        if found:
            yield found
        if len(found) < AT_ONCE:
            return
        start = found[-1][0] + 1
