"""How a device is, by the last readings of its points. Pure; times are ms of the building's clock."""

from collections.abc import Iterable
from dataclasses import dataclass

from insula.messages import DeviceRecord, Reading
from insula.points import ROLES

BATTERY_MS = 2 * 86_400_000
"""A battery's level is known for so long after the device's last sign of life, also of a dead one: a node that sleeps
wakes once a day."""
SILENT_MIN = "silent_min"
"""Option of a device: so many minutes without a sign of life are too long; 0: it may be silent for ever."""


def silent_after(device: DeviceRecord) -> int | None:
    """So long without a sign of life is too long (ms); None: never.

    What the device's options say, else the shortest freshness of its points: from then on rules and routes do without
    the value.
    """
    minutes = device.options.get(SILENT_MIN)
    if isinstance(minutes, int | float) and not isinstance(minutes, bool):
        return int(minutes * 60_000) if minutes > 0 else None
    reported = [role for point in device.points if (role := ROLES.get(point.role)) and role.target == role.name]
    return int(min(role.fresh_s for role in reported) * 1000) if reported else None


@dataclass(frozen=True, slots=True)
class Vitals:
    """``seen_at``: the last sign of life, None: none is known; ``dead``: its gateway gets no answer from it, or has
    lost its own link; ``battery``: %, None: not known, or of a device without one."""

    seen_at: int | None = None
    dead: bool = False
    battery: float | None = None

    def silent(self, device: DeviceRecord, now: int, since: int = 0) -> bool:
        """Whether it has been silent for too long. ``since``: what was before that does not count against it."""
        limit = silent_after(device)
        return limit is not None and now - max(self.seen_at or 0, since) >= limit


def vitals(readings: Iterable[Reading], now: int) -> Vitals:
    """Of one device, from the last reading of each of its points."""
    seen, dead, told_at, level = 0, True, 0, 0.0
    for reading in readings:
        seen = max(seen, reading.seen_at, reading.measured_at)
        dead = dead and reading.quality == "stale"
        if reading.point == "battery" and reading.quality != "uncertain":
            told_at, level = max(reading.measured_at, reading.seen_at), reading.value
    battery = level if told_at and now - told_at < BATTERY_MS else None
    return Vitals(seen, dead, battery) if seen else Vitals()
