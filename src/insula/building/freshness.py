"""How old a value may be before it counts for nothing (DESIGN: measured or link, a column of the points table)."""

from insula.messages import Reading
from insula.points import ROLES, role

_FRESH_MS = {name: int(meaning.fresh_s * 1000) for name, meaning in ROLES.items()}
_BY_LINK = frozenset(name for name, meaning in ROLES.items() if meaning.freshness == "link")


def fresh_since(reading: Reading) -> int:
    """What the age of a reading counts from (ms): when it was measured, or its device's last sign of life."""
    if reading.point in _BY_LINK and reading.seen_at > reading.measured_at:
        return reading.seen_at
    return reading.measured_at


def fresh_until(reading: Reading) -> int:
    """The building's time (ms) from which this reading is no longer fresh; 0 if it is not fresh at all."""
    if reading.quality != "good":
        return 0
    return fresh_since(reading) + _FRESH_MS[reading.point]


def is_fresh(reading: Reading, now: int) -> bool:
    return now < fresh_until(reading)


def why_stale(reading: Reading, now: int) -> str:
    """Why the reading is not fresh, for a person; empty if it is."""
    if is_fresh(reading, now):
        return ""
    minutes = max(0, now - reading.measured_at) // 60_000
    if reading.quality == "stale":
        return f"device {reading.device_id} is not connected; it last reported {minutes} min ago"
    if reading.quality == "uncertain" and role(reading.point).in_range(reading.value):
        return f"device {reading.device_id} was away; what it said {minutes} min ago may be over"
    if reading.quality == "uncertain":
        return f"device {reading.device_id} reported {reading.value:g} {role(reading.point).unit}, out of range"
    return f"device {reading.device_id} last reported {minutes} min ago"
