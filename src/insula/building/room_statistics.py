"""What a time was like in a room: hours of presence and comfort, and how much was heated. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from insula.building.rollup import HOUR_MS, Rollup


@dataclass(frozen=True, slots=True)
class Comfort:
    """°C from ``low`` to ``high`` are comfortable (EN 16798-1, category II: offices, 20 to 26). A valve that stands
    above ``heated`` % heats: the rules leave it at 10 in an empty room."""

    low: float = 20.0
    high: float = 26.0
    heated: float = 10.0


@dataclass(frozen=True, slots=True)
class RoomHours:
    """Hours. ``occupied_comfort``: of those with somebody there, and a temperature that is known, the comfortable ones;
    ``valve_percent``: 50 % for 2 h are 100 (of several valves their mean): the measure of heating that there is without
    a meter; ``lamp_percent``: likewise; ``empty_heated``: nobody was there at any time of a window, and it was heated.
    """

    comfort: float = 0.0
    temperature_known: float = 0.0
    occupied: float = 0.0
    occupied_comfort: float = 0.0
    empty_heated: float = 0.0
    valve_percent: float = 0.0
    lamp_percent: float = 0.0


def room_hours(of: Mapping[str, Sequence[Rollup]], width_ms: int, limits: Comfort) -> RoomHours:
    """``of``: by role the windows of the room's devices together, all cut alike and at most ``width_ms`` wide."""
    at = {role: {one.start: one for one in windows} for role, windows in of.items()}
    temperature, motion, valve = (at.get(role, {}) for role in ("temperature", "motion", "valve"))
    good = {start for start, one in temperature.items() if limits.low <= one.mean <= limits.high}

    def hours(one: Rollup, share: float = 1.0) -> float:
        return min(one.known, width_ms) / HOUR_MS * share

    empty = {start for start, one in motion.items() if one.maximum < 1}
    return RoomHours(
        comfort=sum(hours(temperature[start]) for start in good),
        temperature_known=sum(hours(one) for one in temperature.values()),
        occupied=sum(hours(one, one.mean) for one in motion.values()),
        occupied_comfort=sum(hours(one, one.mean) for start, one in motion.items() if start in good),
        empty_heated=sum(hours(one) for start, one in valve.items() if start in empty and one.mean > limits.heated),
        valve_percent=sum(hours(one, one.mean) for one in valve.values()),
        lamp_percent=sum(hours(one, one.mean) for one in at.get("level", {}).values()),
    )
