"""The physical things in a simulated room: what actuators move and sensors feel. No protocol here.

Percent as everywhere in Insula: blind 100 = open. Durations are seconds of the building's clock.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Blind:
    """A motor that takes ``travel_s`` from end to end."""

    position: float = 100.0
    slat: float = 100.0
    travel_s: float = 30.0
    target: float = 100.0
    slatted: bool = False
    """Without slats it lets nothing through where it is down, whatever ``slat`` says."""

    @property
    def moving(self) -> bool:
        return self.position != self.target

    def go(self, target: float) -> None:
        self.target = min(100.0, max(0.0, target))

    def halt(self) -> None:
        self.target = self.position

    def step(self, seconds: float) -> None:
        way = 100.0 * seconds / self.travel_s
        if self.target > self.position:
            self.position = min(self.target, self.position + way)
        else:
            self.position = max(self.target, self.position - way)


@dataclass(slots=True)
class Valve:
    """A heating actuator: goes to ``emergency`` when nobody addressed it for ``watch_s`` (0: it never does)."""

    position: float = 0.0
    emergency: float = 50.0
    watch_s: float = 1800.0
    unheard_s: float = 0.0

    def set(self, position: float) -> None:
        self.position = min(100.0, max(0.0, position))
        self.unheard_s = 0.0

    def step(self, seconds: float) -> None:
        self.unheard_s += seconds
        if self.watch_s and self.unheard_s > self.watch_s:
            self.position = self.emergency


@dataclass(slots=True)
class Lamp:
    level: float = 0.0

    def set(self, level: float) -> None:
        self.level = min(100.0, max(0.0, level))


@dataclass(slots=True)
class RoomWorld:
    """One room as it truly is. ``luminance`` is at the sensor, lamp and blind included; ``daylight`` its part without
    the lamp. Units: °C, %, lux, ppm; ``radiator`` is its warmth, 0 to 1, following the valve."""

    number: int
    people: int = 0
    temperature: float = 20.0
    humidity: float = 45.0
    luminance: float = 0.0
    daylight: float = 0.0
    radiator: float = 0.0
    co2: float = 450.0
    window_open: bool = False
    setpoint: float = 21.0
    """Of the room's own thermostat, if it has one."""
    hvac_mode: int = 1
    blinds: list[Blind] = field(default_factory=list)
    valves: list[Valve] = field(default_factory=list)
    lamps: list[Lamp] = field(default_factory=list)

    @property
    def occupied(self) -> bool:
        return self.people > 0
