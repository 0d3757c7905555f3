"""Which readings become rows of Log: what changed at once, what did not every few minutes."""

from typing import NamedTuple

from insula.messages import Reading
from insula.points import role
from insula.store.log import LogRow, reason_of

DAY_MS = 86_400_000


class Kept(NamedTuple):
    """What was last taken of a point: when its value changed, and when it was last seen to hold (ms)."""

    changed_at: int
    held_at: int


class Selection:
    """``every_s``: an unchanged value is taken again after so many seconds of the building's clock; 0: each time
    that the device said it again. What it said once is never taken twice, however often it is sent."""

    def __init__(self, every_s: float) -> None:
        self._every_ms = round(every_s * 1000)
        self.ahead = 0
        """Readings passed over, as they are measured more than a day ahead of the building's clock."""
        self._kept: dict[tuple[int, str], Kept] = {}

    def row(self, reading: Reading, now: int) -> LogRow | None:
        """The row for this reading; None if it is not to be stored. Values out of range are not: they would spoil
        the means. ``now``: the building's time (ms)."""
        if reading.quality == "uncertain":
            return None
        if held_at(reading) > now + DAY_MS:
            self.ahead += 1
            return None
        point = (reading.device_id, reading.point)
        kept = self._kept.get(point)
        if kept is None or reading.changed_at != kept.changed_at:
            at = reading.measured_at
        else:
            at = held_at(reading)
            if at <= kept.held_at or at - kept.held_at < self._every_ms:
                return None
        self._kept[point] = Kept(reading.changed_at, at)
        return LogRow(at, reading.value, reason_of(reading.point), reading.device_id)


def held_at(reading: Reading) -> int:
    """When the value was last known to hold: measured, or, of what reports changes only, a sign of life (ms)."""
    if role(reading.point).freshness == "link" and reading.quality == "good":
        return max(reading.measured_at, reading.seen_at)
    return reading.measured_at
