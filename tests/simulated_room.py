"""A small physical room: daylight, a blind, a lamp, and a sensor that reports as sensors do. Without a bus."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from insula.building.decide import decide
from insula.building.rules import CompiledRules
from insula.building.state import RoomState
from insula.messages import Command, Reading
from tests.a_room import BLIND, LAMP, MINUTE, PLACE, RADIATOR, SENSOR, reading

REPORT_MS = 4 * MINUTE
STEP_MS = 1_000


@dataclass
class Sensor:
    """Reports a change of at least 5 lux or 10 % (humidity: 1 %), ``late_ms`` after it, and each 4 minutes."""

    late_ms: int = 1_500
    periodic: bool = False
    told: dict[str, tuple[float, int]] = field(default_factory=dict)
    doubts: dict[str, int] = field(default_factory=dict)

    def reports(self, point: str, true: float, now: int) -> bool:
        value, at = self.told.get(point, (-1e9, -REPORT_MS))
        threshold = max(5.0, 0.1 * value) if point == "illuminance" else 1.0
        if now - at < REPORT_MS:
            if self.periodic or abs(true - value) < threshold:
                self.doubts.pop(point, None)
                return False
            if now - self.doubts.setdefault(point, now) < self.late_ms:
                return False
        self.doubts.pop(point, None)
        self.told[point] = (true, now)
        return True


@dataclass
class SimulatedRoom:
    """``sky``: lux at the sensor with the blind open, by the moment. Commands that the rules give are carried out."""

    rules: CompiledRules
    now: int
    sky: Callable[[int], float]
    people: Callable[[int], bool] = lambda _: True
    humidity: Callable[[int], float] = lambda _: 40.0
    lamp_lux: float = 300.0
    blind: float = 100.0
    lamp: float = 0.0
    sensor: Sensor = field(default_factory=Sensor)
    state: RoomState = field(default_factory=lambda: RoomState(1))
    moves: list[tuple[int, str, float]] = field(default_factory=list)
    _goal: float | None = None
    _wake_at: int = 0

    def luminance(self) -> float:
        return self.daylight() + self.lamp_lux * self.lamp / 100

    def daylight(self) -> float:
        return self.sky(self.now) * (0.02 + 0.98 * self.blind / 100)

    def run(self, until: int) -> None:
        while self.now < until:
            self.now += STEP_MS
            self._travel()
            for one in self._readings():
                if self.state.take(one, self.now):
                    self._decide(one.id)
            if self._wake_at <= self.now:
                self._decide(f"time:{self._wake_at}")

    def restart(self, learned: float | None) -> None:
        """The controller forgets all but what is on ``state``, and hears of each value again."""
        fresh = RoomState(1)
        fresh.light.lux_per_percent = learned
        fresh.set_devices(self.state.devices.values())
        known = [one for by_device in self.state.readings.values() for one in by_device.values()]
        self.state = fresh
        for one in known:
            self.state.take(one, self.now)
        self._decide("restart")

    def set_lamp(self, level: float) -> None:
        """By hand."""
        self.lamp = level
        self.state.take(reading("level", level, self.now), self.now)

    def moves_of(self, point: str) -> list[float]:
        return [value for _, moved, value in self.moves if moved == point]

    def _travel(self) -> None:
        if self._goal is not None:
            way = 100 / 30 * STEP_MS / 1000
            self.blind += max(-way, min(way, self._goal - self.blind))

    def _readings(self) -> Iterator[Reading]:
        truth = {
            "motion": float(self.people(self.now)),
            "humidity": self.humidity(self.now),
            "illuminance": float(round(self.luminance())),
        }
        for point, true in truth.items():
            if self.sensor.reports(point, true, self.now):
                yield reading(point, true, self.now, device_id=SENSOR)
        for point, device_id, value in (("position", BLIND, self.blind), ("level", LAMP, self.lamp)):
            old = self.state.last(device_id, point)
            if old is None or (old.value != value and (point == "level" or value == self._goal)):
                yield reading(point, value, self.now, device_id=device_id)
            elif self.now - old.measured_at >= 20 * MINUTE:
                yield reading(point, value, self.now, device_id=device_id, changed_at=old.changed_at)
        if self.state.last(RADIATOR, "valve") is None:
            yield reading("valve", 10, self.now, device_id=RADIATOR)

    def _decide(self, cause: str) -> None:
        if not self.state.settled(self.rules.roles, self.now):
            self._wake_at = self.state.settled_at
            return
        verdict = decide(self.rules, self.state, self.now, PLACE)
        self._wake_at = verdict.changes_at or 0
        self.state.held = verdict.held
        for wish in verdict.due:
            command = Command(
                id=f"{cause}/{wish.point}",
                at=self.now,
                device_id=wish.device.device_id,
                gateway_id=wish.device.gateway_id,
                point=wish.point,
                value=wish.value,
                expires_at=self.now + 30_000,
            )
            self.state.commanded(command, self.now)
            self.state.target(command.device_id, command.point).carried_out()
            self.moves.append((self.now, wish.point, wish.value))
            self._carry_out(wish.point, wish.value)

    def _carry_out(self, point: str, value: float) -> None:
        if point == "level":
            self.lamp = value
        elif point == "position":
            self._goal = value
