"""What each role of a virtual KNX device reads from the physical things, and does to them. One line each."""

from collections.abc import Callable
from dataclasses import dataclass, field

from insula.points import ROLES
from insula.simulator.physical import Blind, Lamp, RoomWorld, Valve

BLIND = frozenset({"position", "move", "stop", "slat"})
VALVE = frozenset({"valve"})
LAMP = frozenset({"switch", "level"})
ALARMS = frozenset(name for name, meaning in ROLES.items() if meaning.alarm)
LOCK = "lock_alarm"
FULL = 100.0


@dataclass(slots=True)
class Things:
    """What a device is wired to: its room, its own actuators (as many as its roles need) and its alarm objects."""

    room: RoomWorld
    blind: Blind = field(default_factory=Blind)
    valve: Valve = field(default_factory=Valve)
    lamp: Lamp = field(default_factory=Lamp)
    alarms: dict[str, bool] = field(default_factory=dict)

    @property
    def blocked(self) -> bool:
        return any(self.alarms.values())

    def install(self, roles: frozenset[str]) -> None:
        """Add the actuators that these roles need to the room."""
        if roles & BLIND:
            self.blind.slatted = "slat" in roles
            self.room.blinds.append(self.blind)
        if roles & VALVE:
            self.room.valves.append(self.valve)
        if roles & LAMP:
            self.room.lamps.append(self.lamp)

    def alarm(self, role: str, on: bool) -> None:
        """Wind and rain bring a blind up, a lock (above them) holds it; when all is over, it stays where it is."""
        self.alarms[role] = on
        if self.alarms.get(LOCK):
            self.blind.halt()
        elif self.blocked:
            self.blind.go(FULL)

    def step(self, seconds: float) -> None:
        self.blind.step(seconds)
        self.valve.step(seconds)


READ: dict[str, Callable[[Things], float]] = {
    "position": lambda things: things.blind.position,
    "slat": lambda things: things.blind.slat,
    "valve": lambda things: things.valve.position,
    "level": lambda things: things.lamp.level,
    "switch": lambda things: float(things.lamp.level > 0),
    "setpoint": lambda things: things.room.setpoint,
    "hvac_mode": lambda things: float(things.room.hvac_mode),
    "temperature": lambda things: things.room.temperature,
    "humidity": lambda things: things.room.humidity,
    "illuminance": lambda things: things.room.luminance,
    "co2": lambda things: things.room.co2,
    "motion": lambda things: float(things.room.occupied),
    "window": lambda things: float(things.room.window_open),
    "wind_alarm": lambda things: float(things.alarms.get("wind_alarm", False)),
    "rain_alarm": lambda things: float(things.alarms.get("rain_alarm", False)),
    "lock_alarm": lambda things: float(things.alarms.get("lock_alarm", False)),
}

CHANGE = {"temperature": 0.2, "humidity": 2.0, "illuminance": 25.0, "co2": 50.0}
"""The change of a value (its role's unit) that is worth a telegram; else any that shows on the bus is."""


def _set_slat(things: Things, value: float) -> None:
    things.blind.slat = value


def _switch(things: Things, value: float) -> None:
    things.lamp.set(FULL if value else 0.0)


def _set_setpoint(things: Things, value: float) -> None:
    things.room.setpoint = value


def _set_hvac_mode(things: Things, value: float) -> None:
    things.room.hvac_mode = int(value)


WRITE: dict[str, Callable[[Things, float], None]] = {
    "position": lambda things, value: things.blind.go(value),
    "move": lambda things, value: things.blind.go(FULL if value >= FULL / 2 else 0.0),
    "stop": lambda things, _: things.blind.halt(),
    "slat": _set_slat,
    "valve": lambda things, value: things.valve.set(value),
    "level": lambda things, value: things.lamp.set(value),
    "switch": _switch,
    "setpoint": _set_setpoint,
    "hvac_mode": _set_hvac_mode,
}
