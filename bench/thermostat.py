"""The room thermostat that Insula's rules are measured against: a PI controller with a fixed timetable."""

from collections import Counter
from dataclasses import dataclass, field

from insula.building.hours import Hours, parse_hours
from insula.building.place import Place
from insula.simulator.physical import RoomWorld

DAY, NIGHT = 21.0, 17.0
"""°C."""
TIMETABLE = "Mo-Fr 05:30-18:00"
GAIN = 150.0
"""Percent of valve for each K."""
INTEGRAL_S = 3 * 3600.0
PERIOD_MS = 60_000
"""It measures and moves once a minute."""


def timetable(text: str = TIMETABLE) -> Hours:
    hours = parse_hours(text)
    assert hours is not None
    return hours


@dataclass
class Thermostat:
    """Feels the room to 0.1 K; its integral stands still while the valve is at an end."""

    room: RoomWorld
    place: Place
    hours: Hours = field(default_factory=timetable)
    moves: Counter[str] = field(default_factory=Counter)
    integral: float = 0.0
    next_at: int = 0

    def step(self, seconds: float, now: int) -> None:
        if now < self.next_at:
            return
        self.next_at = now + PERIOD_MS
        wish = DAY if self.hours.include(self.place.local(now)) else NIGHT
        deviation = wish - round(self.room.temperature, 1)
        output = GAIN * deviation + self.integral
        if (output < 100 or deviation < 0) and (output > 0 or deviation > 0):
            self.integral = min(100.0, max(0.0, self.integral + GAIN * deviation * PERIOD_MS / 1000 / INTEGRAL_S))
        valve = self.room.valves[0]
        wanted = float(round(min(100.0, max(0.0, output))))
        if wanted != valve.position:
            self.moves["valve"] += 1
            valve.set(wanted)
