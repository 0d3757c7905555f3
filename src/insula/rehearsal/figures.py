"""What a set of rules did to rooms over a time: the figures that two sets are compared by. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

MINUTE_S, HOUR_S = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """``dark``: lux at the room's sensor, lamp included, up to which a room is dark (that of the set ``default``);
    ``cold``: °C under which it is cold (EN 16798-1, category II: offices from 20 °C in winter)."""

    dark: float = 20.0
    cold: float = 20.0


USUAL = Limits()


@dataclass(slots=True)
class Figures:
    """Of one set of rules. ``moves``: by blind's device id, how often the rules drove it. ``valve_open_h``: hours in
    which a valve was open at all, summed over valves; ``valve_percent_h``: the same weighted by how far (50 % for 2 h
    are 100 % h): the estimate of heating energy. ``heat_kwh``: what the radiators gave, where a physical model says
    so. Minutes are summed over rooms, each while somebody is there."""

    moves: Counter[int] = field(default_factory=Counter)
    commands: int = 0
    valve_open_h: float = 0.0
    valve_percent_h: float = 0.0
    lamp_percent_h: float = 0.0
    occupied_min: float = 0.0
    dark_min: float = 0.0
    cold_min: float = 0.0
    heat_kwh: float | None = None

    def pass_time(
        self, seconds: float, *, occupied: bool, dark: bool, cold: bool, valves: Sequence[float], lamps: Sequence[float]
    ) -> None:
        """So long a room was so: valves and lamps in percent."""
        hours = seconds / HOUR_S
        if valves:
            self.valve_open_h += hours * sum(1 for valve in valves if valve > 0)
            self.valve_percent_h += hours * sum(valves)
        if lamps:
            self.lamp_percent_h += hours * sum(lamps)
        if occupied:
            minutes = seconds / MINUTE_S
            self.occupied_min += minutes
            self.dark_min += minutes * dark
            self.cold_min += minutes * cold

    def commanded(self, device_id: int, drives: str) -> None:
        """The rules drove a device; ``drives``: the role of it that changes."""
        self.commands += 1
        if drives == "position":
            self.moves[device_id] += 1

    def heated(self, watts: float, seconds: float) -> None:
        self.heat_kwh = (self.heat_kwh or 0.0) + watts * seconds / HOUR_S / 1000

    def add(self, other: "Figures") -> None:
        self.moves.update(other.moves)
        for name in ("commands", "valve_open_h", "valve_percent_h", "lamp_percent_h"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("occupied_min", "dark_min", "cold_min"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.heat_kwh is not None:
            self.heat_kwh = (self.heat_kwh or 0.0) + other.heat_kwh

    def as_json(self) -> dict[str, Any]:
        found = {
            "blind_moves": self.moves.total(),
            "moves_per_blind": {str(device): count for device, count in sorted(self.moves.items())},
            "commands": self.commands,
            "valve_open_h": round(self.valve_open_h, 2),
            "valve_percent_h": round(self.valve_percent_h, 1),
            "lamp_percent_h": round(self.lamp_percent_h, 1),
            "occupied_min": round(self.occupied_min, 1),
            "occupied_and_dark_min": round(self.dark_min, 1),
            "occupied_and_cold_min": round(self.cold_min, 1),
        }
        return found if self.heat_kwh is None else {**found, "heat_kwh": round(self.heat_kwh, 2)}


def total(some: Iterable[Figures]) -> Figures:
    """Of all rooms."""
    found = Figures()
    for one in some:
        found.add(one)
    return found
