"""Which readings become rows of Log: what changed at once, what did not every few minutes."""

import msgspec

from insula.bus.port import Record
from insula.messages import Reading
from insula.points import ROLES
from insula.store.log import LogRow, reason_of

DAY_MS = 86_400_000


EACH = frozenset({"illuminance"})
"""Roles of which every measurement is taken, also one that says the same: how much of the light is a lamp's is found
by what is measured, and when (building/lamplight.py)."""


class Kept(msgspec.Struct, gc=False):
    """What was last taken of a point: when its value changed, when it was last seen to hold, when a reading of it
    was last looked at (ms), and when that one held."""

    changed_at: int
    held_at: int
    looked_at: int
    last_held_at: int


class Selection:
    """``every_s``: an unchanged value is taken again after so many seconds of the building's clock; 0: each time
    that the device said it again. What it said once is never taken twice, however often it is sent."""

    def __init__(self, every_s: float) -> None:
        self._every_ms = round(every_s * 1000)
        self.ahead = 0
        """Readings passed over, as they are measured more than a day ahead of the building's clock."""
        self._kept: dict[tuple[int, str], Kept] = {}

    def holds(self, record: Record, now: int) -> bool:
        """Whether this is a re-send in which there can be nothing to take: known without decoding it.

        What reports changes only may have been seen alive since, but not later than ``now``. Of what measures the
        same is said again; yet it is looked at every ``every_s``, should what it repeats never have come.
        """
        if record.headers.get("resend") != "1":
            return False
        device_id, _, point = record.headers.get("point", "").partition("/")
        kept = self._kept.get((int(device_id), point)) if device_id.isdecimal() else None
        if kept is None:
            return False
        since = kept.looked_at if ROLES[point].freshness == "measured" else kept.held_at
        return now < since + self._every_ms

    def row(self, reading: Reading, now: int) -> LogRow | None:
        """The row for this reading; None if it is not to be stored. Values out of range are not: they would spoil
        the means. ``now``: the building's time (ms)."""
        if reading.quality == "uncertain":
            return None
        held = held_at(reading)
        if held > now + DAY_MS:
            self.ahead += 1
            return None
        point = (reading.device_id, reading.point)
        kept = self._kept.get(point)
        if kept is None or reading.changed_at != kept.changed_at:
            at = reading.measured_at
        elif held <= kept.held_at or not self._worth_a_row(reading, held, kept, now):
            kept.looked_at, kept.last_held_at = now, held
            return None
        else:
            at = held
        self._kept[point] = Kept(reading.changed_at, at, now, at)
        return LogRow(at, reading.value, reason_of(reading.point), reading.device_id)

    def _worth_a_row(self, reading: Reading, held: int, kept: Kept, now: int) -> bool:
        """Whether a value that did not change is taken again. The last that was heard before a silence is: it ages
        from then on."""
        if reading.resend:
            silent = held == kept.last_held_at and now >= kept.looked_at + self._every_ms
            return silent or held - kept.held_at >= self._every_ms
        return reading.point in EACH or held - kept.held_at >= self._every_ms


def held_at(reading: Reading) -> int:
    """When the value was last known to hold: measured, or, of what reports changes only, a sign of life (ms)."""
    if ROLES[reading.point].freshness == "link" and reading.quality == "good":
        return max(reading.measured_at, reading.seen_at)
    return reading.measured_at
