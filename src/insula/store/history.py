"""A role's values over any time, from the tier that fits: Log for hours, its roll-ups for months and years."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.building.rollup import FIVE_MINUTES, HOUR_MS, MINUTE_MS, Even, LocalDays, Rollup, Windows, combine, roll_up
from insula.errors import InputError
from insula.store.log import reason_of
from insula.store.retention import kept_since
from insula.store.rollups import Tier, hold_ms, read_rollups, read_samples, tiers, zone_of
from insula.store.tables import Series

TierName = Literal["raw", "five_minutes", "hours", "days"]

SECOND_MS = 1000
EVEN: tuple[tuple[TierName, tuple[int, ...]], ...] = (
    ("raw", tuple(n * SECOND_MS for n in (1, 2, 5, 10, 20, 30, 60, 120))),
    ("five_minutes", tuple(n * MINUTE_MS for n in (5, 10, 15, 30))),
    ("hours", tuple(n * HOUR_MS for n in (1, 2, 3, 6, 12))),
)
DAYS = (1, 2, 7, 14, 28, 56, 112, 364)
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Buckets:
    """The answer: from which tier, cut how, and the windows in which there was a value, in order of time.

    The first may begin before the time that was asked for, the last end after it.
    """

    tier: TierName
    windows: Windows
    rollups: list[Rollup]


async def series(
    connection: AsyncConnection, device_ids: Sequence[int], role: str, start: int, end: int, points: int = 500
) -> Buckets:
    """Mean, minimum, maximum and last value of a role of these devices together, from ``start`` to ``end`` (ms,
    building's clock), in about ``points`` windows at most. Raises InputError."""
    if start >= end or points < 1:
        raise InputError("a time that ends after it starts, and at least one point")
    zone = await zone_of(connection)
    name, windows = choose(start, end, points, await kept_since(connection), zone)
    reading = _Reading(connection, device_ids, reason_of(role), end)
    begin = windows.window(start)[0]
    if name == "raw":
        parts = await reading.samples(dict.fromkeys(device_ids, begin), windows)
    else:
        parts = await _from_tiers(reading, tiers(zone), name, begin)
    return Buckets(name, windows, combine(sorted(parts, key=lambda part: part.start), windows))


def choose(start: int, end: int, points: int, kept: dict[str, int], zone: ZoneInfo) -> tuple[TierName, Windows]:
    """The narrowest windows that are few enough, in a tier that goes back to ``start`` (or as far as any does)."""
    names: tuple[TierName, ...] = get_args(TierName)
    furthest = max(start, min(kept.get(name, 0) for name in names))
    reaching = [name for name in names if kept.get(name, 0) <= furthest]
    for name, widths in EVEN:
        for width in widths:
            if name in reaching and (end - start) / width <= points:
                return name, Even(width)
    if "days" not in reaching:
        name = reaching[-1]
        return name, Even(dict(EVEN)[name][-1])
    fitting = (count for count in DAYS if (end - start) / (count * DAY_MS) <= points)
    return "days", LocalDays(zone, next(fitting, DAYS[-1]))


async def _from_tiers(reading: "_Reading", all_tiers: Sequence[Tier], name: TierName, begin: int) -> list[Rollup]:
    """What is finished from the tier; what is newer from the finer ones, and from Log."""
    upto = await reading.progress()
    chosen = next(tier for tier in all_tiers if tier.name == name)
    parts: list[Rollup] = []
    since = dict.fromkeys(reading.devices, begin)
    for tier in (chosen, *(finer for finer in all_tiers[:1] if finer is not chosen)):
        until = {device: max(since[device], tier.floor(upto.get(device, 0))) for device in reading.devices}
        parts += await reading.rollups(tier, since, until)
        since = until
    return parts + await reading.samples(since, FIVE_MINUTES)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One question: of some devices, one reason, until ``end``."""

    connection: AsyncConnection
    devices: Sequence[int]
    reason: str
    end: int

    async def progress(self) -> dict[int, int]:
        """Up to where each device's series is rolled up (ms)."""
        query = select(Series.c.device, Series.c.upto).where(
            Series.c.device.in_(self.devices), Series.c.reason == self.reason
        )
        return {row.device: row.upto for row in await self.connection.execute(query)}

    async def rollups(self, tier: Tier, since: dict[int, int], until: dict[int, int]) -> list[Rollup]:
        """Of each device the windows that start in its span (ms)."""
        parts: list[Rollup] = []
        for devices in self._alike({of: at for of, at in since.items() if at < min(until[of], self.end)}):
            start, end = min(since[of] for of in devices), min(self.end, max(until[of] for of in devices))
            found = await read_rollups(self.connection, tier.table, devices, self.reason, start, end)
            parts += [part for of, all_ in found.items() for part in all_ if since[of] <= part.start < until[of]]
        return parts

    async def samples(self, since: dict[int, int], windows: Windows) -> list[Rollup]:
        """What Log has of each device from its time (ms) on."""
        parts: list[Rollup] = []
        hold = hold_ms(self.reason)
        for devices in self._alike({of: at for of, at in since.items() if at < self.end}):
            start = min(since[of] for of in devices) - hold
            found = await read_samples(self.connection, devices, self.reason, start, self.end)
            for of, samples in found.items():
                parts += roll_up(samples, since[of], self.end, hold, windows)
        return parts

    def _alike(self, since: dict[int, int]) -> list[list[int]]:
        """Devices by about the same time: one query each; what one silent device lacks is not read of all others."""
        groups: list[list[int]] = []
        for device in sorted(since, key=lambda of: since[of]):
            if not groups or since[device] - since[groups[-1][0]] > HOUR_MS:
                groups.append([])
            groups[-1].append(device)
        return groups
