"""Rolls Log up: each finished window once, its samples read once, with its mark of progress in one transaction.

A window is finished when its series has a sample that is 15 minutes newer than its end (a device's readings come in
order; 15 minutes are for those that do not): however far the recorder is behind, nothing is missed. A series that has
been silent for 8 days is finished up to the end of its last day.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from insula.building.rollup import FIVE_MINUTES, HOUR_MS, MINUTE_MS, combine, roll_up
from insula.clock import Clock
from insula.recorder.steps import whole
from insula.store.changes import latest_change
from insula.store.engine import Store
from insula.store.rollups import (
    Replacement,
    SeriesMoved,
    SeriesState,
    Tier,
    add_series,
    hold_ms,
    known_series,
    list_series,
    logged_series,
    move_series,
    read_rollups,
    read_samples,
    replace_rollups,
    tiers,
    zone_of,
)

LATE_MS = 15 * MINUTE_MS
SILENT_MS = 8 * 24 * HOUR_MS
STEP_MS = 24 * HOUR_MS
"""So much of a series, at most, in one transaction."""
CHUNK_MS = 5 * STEP_MS
"""So much of all series together: some thousand samples."""
CHUNK_SERIES = 500


@dataclass(frozen=True, slots=True)
class Work:
    """One series to be rolled up from ``start`` to ``end``; between ``upto`` and ``start`` there is nothing (ms).

    ``coarse``: by tier (hours, days) the span of the windows that are finished with it; start = end: none.
    """

    device: int
    reason: str
    upto: int
    start: int
    end: int
    coarse: tuple[tuple[int, int], ...]

    @property
    def since(self) -> int:
        """From here on its windows of five minutes are needed, stored or new."""
        return min([self.start, *(start for start, end in self.coarse if start < end)])


def due(series: SeriesState, now: int, coarser: Sequence[Tier]) -> Work | None:
    """What can be rolled up of this series now; None: nothing that is finished. ``coarser``: hours and days."""
    if series.first is None or series.newest is None:
        return None
    start = max(series.upto, FIVE_MINUTES.window(series.first)[0])
    if now - series.newest > SILENT_MS:
        goal = coarser[-1].windows.window(series.newest + hold_ms(series.reason))[1]
    else:
        goal = FIVE_MINUTES.window(series.newest - LATE_MS)[0]
    end = min(goal, start + STEP_MS)
    if end <= start:
        return None
    coarse = tuple((tier.floor(series.upto or start), tier.floor(end)) for tier in coarser)
    return Work(series.device, series.reason, series.upto, start, end, coarse)


def chunks(work: Iterable[Work]) -> Iterator[list[Work]]:
    """Series of one reason and about the same time, so that one query reads the samples of all."""
    ordered = sorted(work, key=lambda one: (one.reason, one.start, one.device))
    for _, same in groupby(ordered, key=lambda one: one.reason):
        chunk: list[Work] = []
        length = 0
        for one in same:
            length += one.end - one.since
            full = length > CHUNK_MS or len(chunk) == CHUNK_SERIES
            if chunk and (full or one.start - chunk[0].start > STEP_MS):
                yield chunk
                chunk, length = [], one.end - one.since
            chunk.append(one)
        yield chunk


class Roller:
    """Several may run at once: each step of a series is stored by one of them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._change = -1
        self.counters: Counter[str] = Counter()
        """``windows`` stored, ``behind_s``: of the series that is furthest from being rolled up."""

    async def roll(self) -> None:
        """All that is finished, in small steps."""
        await whole(self._find_series())
        while work := await whole(self._due()):
            for chunk in chunks(work):
                await whole(self._roll(chunk))

    async def _find_series(self) -> None:
        async with self._store.read() as connection:
            change = await latest_change(connection)
            if change == self._change:
                return
            keys = await known_series(connection)
            if self._change < 0:
                keys |= await logged_series(connection)
        async with self._store.write() as connection:
            await add_series(connection, keys)
        self._change = change

    async def _due(self) -> list[Work]:
        now = self._clock.now()
        async with self._store.read() as connection:
            coarser = tiers(await zone_of(connection))[1:]
            work = [one async for series in list_series(connection, now) if (one := due(series, now, coarser))]
        self.counters["behind_s"] = max((now - one.start for one in work), default=0) // 1000
        return work

    async def _roll(self, chunk: Sequence[Work]) -> None:
        reason = chunk[0].reason
        made = await self._made(chunk, reason)
        try:
            async with self._store.write() as connection:
                await move_series(connection, reason, {one.device: (one.upto, one.end) for one in chunk})
                for tier, replacements in made:
                    await replace_rollups(connection, tier.table, reason, replacements)
        except SeriesMoved:
            self.counters["elsewhere"] += len(chunk)
            return
        self.counters["windows"] += sum(len(one.rollups) for _, replacements in made for one in replacements)

    async def _made(self, chunk: Sequence[Work], reason: str) -> list[tuple[Tier, list[Replacement]]]:
        """The new windows of each tier. Reading and adding up hold no lock."""
        hold, devices = hold_ms(reason), [one.device for one in chunk]
        starts, end = [one.start for one in chunk], max(one.end for one in chunk)
        async with self._store.read() as connection:
            five, *coarser = tiers(await zone_of(connection))
            samples = await read_samples(connection, devices, reason, min(starts) - hold, end)
            since = min(one.since for one in chunk)
            stored = await read_rollups(connection, five.table, devices, reason, since, max(starts))
        made: list[tuple[Tier, list[Replacement]]] = [(five, []), *((tier, []) for tier in coarser)]
        for one in chunk:
            fine = roll_up(samples.get(one.device, ()), one.start, one.end, hold, five.windows)
            made[0][1].append(Replacement(one.device, one.start, one.end, fine))
            fine = [*(part for part in stored.get(one.device, ()) if part.start < one.start), *fine]
            for (tier, replacements), (begin, until) in zip(made[1:], one.coarse, strict=True):
                if begin < until:
                    parts = (part for part in fine if begin <= part.start < until)
                    replacements.append(Replacement(one.device, begin, until, combine(parts, tier.windows)))
        return made
