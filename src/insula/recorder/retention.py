"""Deletes what is past its time, in steps so small that the recorder hardly waits for its turn to write."""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Table

from insula.building.rollup import LocalDays
from insula.clock import Clock
from insula.recorder.steps import whole
from insula.store.engine import Store
from insula.store.retention import (
    DAY_MS,
    EVENTS,
    KEPT,
    RAW,
    Kept,
    Oldest,
    delete_events,
    delete_rows,
    keep_since,
    oldest_rows,
)
from insula.store.rollups import LONGEST_HOLD_MS, zone_of

PAUSE_S = 0.02
"""Between two steps, in real time: others write in it."""
SERIES_A_STEP = 10
EVENTS_A_STEP = 1000


class Retention:
    """``days``: by tier (raw, five_minutes, hours, days) for how many days it is kept; 0: for ever.

    It cuts at midnight of the building's place, so there is something to do once a day.
    """

    def __init__(self, store: Store, clock: Clock, days: Mapping[str, int]) -> None:
        self._store = store
        self._clock = clock
        self._days = days
        self._done: dict[str, int] = {}
        self.counters: Counter[str] = Counter()
        """``deleted``: rows."""

    async def trim(self) -> None:
        cuts = await self._cuts()
        if cuts == self._done:
            return
        await whole(self._announce(cuts))
        for kept in KEPT:
            if kept.name in cuts:
                await self._trim_series(kept, cuts[kept.name])
        for table in EVENTS:
            if RAW.name in cuts:
                await self._trim_events(table, cuts[RAW.name])
        self._done = cuts

    async def _cuts(self) -> dict[str, int]:
        async with self._store.read() as connection:
            place = LocalDays(await zone_of(connection))
        now = self._clock.now()
        return {name: place.window(now - days * DAY_MS)[0] for name, days in self._days.items() if days}

    async def _announce(self, cuts: Mapping[str, int]) -> None:
        async with self._store.write() as connection:
            await keep_since(connection, cuts, [kept.name for kept in KEPT])

    async def _trim_series(self, kept: Kept, cut: int) -> None:
        while True:
            async with self._store.read() as connection:
                found = await oldest_rows(connection, kept, cut)
            cuts = {(one.device, one.reason): until for one in found if (until := _until(one, kept, cut)) > one.oldest}
            if not cuts:
                return
            series = list(cuts)
            for first in range(0, len(series), SERIES_A_STEP):
                step = {key: cuts[key] for key in series[first : first + SERIES_A_STEP]}
                await whole(self._delete(kept, step))
                await self._clock.real_sleep(PAUSE_S)

    async def _delete(self, kept: Kept, cuts: Mapping[tuple[int, str], int]) -> None:
        async with self._store.write() as connection:
            self.counters["deleted"] += await delete_rows(connection, kept, cuts)

    async def _trim_events(self, table: Table, cut: int) -> None:
        while await whole(self._delete_events(table, cut)):
            await self._clock.real_sleep(PAUSE_S)

    async def _delete_events(self, table: Table, cut: int) -> int:
        async with self._store.write() as connection:
            count = await delete_events(connection, table, cut, EVENTS_A_STEP)
        self.counters["deleted"] += count
        return count


def _until(one: Oldest, kept: Kept, cut: int) -> int:
    """How far to delete now (ms): a step, and of Log nothing that a roll-up still needs."""
    until = min(cut, one.oldest + kept.step_ms)
    return min(until, one.upto - LONGEST_HOLD_MS) if kept is RAW else until
