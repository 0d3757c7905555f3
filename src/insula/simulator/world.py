"""The simulated building's physics: climate, light and people of every room, and what its devices do to them."""

import asyncio
from datetime import date
from typing import Protocol

from insula.building.model import BuildingPlan
from insula.clock import Clock
from insula.errors import InputError
from insula.simulator import climate, daylight
from insula.simulator.climate import Weather
from insula.simulator.people import USES, Timetable
from insula.simulator.physical import RoomWorld
from insula.simulator.truth import RoomTruth, TruthLog, room_truth

SUBSTEP_S = 10.0
"""A longer step is cut into such, so that a fast clock moves blinds and sensors as finely."""
TICK_REAL_S = 0.05
MINUTE_MS = 60_000

HELD = {
    "people": (0, 50),
    "temperature": (-20, 50),
    "humidity": (0, 100),
    "luminance": (0, 100_000),
    "daylight": (0, 100_000),
    "window_open": (0, 1),
}
"""What can be held, and its physical range."""


class Device(Protocol):
    """Moves with the world: a virtual bus and the actuators on it."""

    def step(self, seconds: float) -> None:
        """So many seconds of the building's clock have passed."""


class World:
    """Rooms by number. ``moment`` is the building's time up to which everything is computed."""

    def __init__(
        self,
        plan: BuildingPlan,
        clock: Clock,
        seed: int = 1,
        *,
        log: TruthLog | None = None,
        tick_s: float = 1.0,
        substep_s: float = SUBSTEP_S,
    ) -> None:
        self.plan = plan
        self.clock = clock
        self.rooms = {room.number: RoomWorld(number=room.number) for room in plan.rooms}
        self.held: dict[int, dict[str, float]] = {number: {} for number in self.rooms}
        self.devices: list[Device] = []
        self.log = log
        self.tick_s = tick_s
        self.substep_s = substep_s
        self.moment = clock.now()
        self.sun = 0.0
        """° over the horizon."""
        self.weather = Weather(0.0, 0.0, 0.0, 0.0)
        uses = {room.number: tag for room in plan.rooms for tag in room.tags if tag in USES}
        self._timetable = Timetable(seed, plan.settings.time_zone, uses)
        self._minute = -1
        self._local = date.min, 0

    async def run(self) -> None:
        """Keeps up with the clock: a step each ``tick_s`` of its time, at most one in 50 ms of real time."""
        while True:
            begun = self.clock.real()
            await self.clock.sleep(self.tick_s)
            if (left := TICK_REAL_S - (self.clock.real() - begun) / 1000) > 0:
                await self.clock.real_sleep(left)
            now = self.clock.now()
            while self.moment < now:
                self._advance(min(self.substep_s, (now - self.moment) / 1000))
                await asyncio.sleep(0)

    def step(self, seconds: float) -> None:
        """Go on by so many seconds of the building's clock; 0 only brings people and light up to date."""
        if seconds <= 0:
            self._advance(0.0)
        while seconds > 0:
            self._advance(min(self.substep_s, seconds))
            seconds -= self.substep_s

    def hold(self, number: int, **values: float | None) -> None:
        """Keep these values of a room as they are set, at once; None lets one go. InputError if there is no such
        room or value, or out of its physical range: then nothing is changed."""
        room = self._room(number)
        for name, value in values.items():
            if value is not None:
                _check(name, value)
        held = self.held[number]
        for name, value in values.items():
            if value is None:
                held.pop(name, None)
            else:
                held[name] = float(value)
        self._refresh(self.moment)
        room.window_open = room.window_open and "window_open" in held
        self._visit(room, held)
        self._sense(room, held, max(self.moment, self.clock.now()))
        for device in self.devices:
            device.step(0.0)

    def truth(self, number: int) -> RoomTruth:
        """A room as it truly is at this moment; InputError if there is none."""
        return room_truth(self._room(number), self.held[number])

    def _room(self, number: int) -> RoomWorld:
        try:
            return self.rooms[number]
        except KeyError:
            raise InputError(f"no room {number} in the building") from None

    def _advance(self, seconds: float) -> None:
        self.moment += round(seconds * 1000)
        self._refresh(self.moment)
        outside = self.weather
        for number, room in self.rooms.items():
            climate.step(room, outside, seconds)
            self._sense(room, self.held[number], self.moment)
        for device in self.devices:
            device.step(seconds)

    def _refresh(self, moment: int) -> None:
        """Sun, weather and people change by the minute."""
        if moment // MINUTE_MS == self._minute:
            return
        self._minute = moment // MINUTE_MS
        place = self.plan.settings
        self.sun = daylight.sun_height(moment, place.latitude, place.longitude)
        sky = daylight.sky_illuminance(self.sun)
        self.weather = climate.weather(moment, place.latitude, place.longitude, sky)
        self._local = self._timetable.local(moment)
        for number, room in self.rooms.items():
            self._visit(room, self.held[number])

    def _visit(self, room: RoomWorld, held: dict[str, float]) -> None:
        day, minute = self._local
        room.people = int(held["people"]) if "people" in held else self._timetable.people(room.number, day, minute)

    def _sense(self, room: RoomWorld, held: dict[str, float], moment: int) -> None:
        daylight.light(room, self.weather.illuminance)
        if held:
            _impose(room, held)
        if self.log is not None:
            self.log.record(moment, room)


def _check(name: str, value: float) -> None:
    if name not in HELD:
        raise InputError(f"{name} cannot be held; these can: {', '.join(HELD)}")
    low, high = HELD[name]
    if not low <= value <= high:
        raise InputError(f"{name} must be {low} to {high}, not {value}")


def _impose(room: RoomWorld, held: dict[str, float]) -> None:
    """Held daylight gets the lamps' light added; held luminance is the sensor's whole, lamps included."""
    room.temperature = held.get("temperature", room.temperature)
    room.humidity = held.get("humidity", room.humidity)
    room.window_open = bool(held.get("window_open", room.window_open))
    lamps = daylight.lamp_light(room)
    if "daylight" in held:
        room.daylight = held["daylight"]
        room.luminance = room.daylight + lamps
    if "luminance" in held:
        room.luminance = held["luminance"]
        room.daylight = max(0.0, room.luminance - lamps)
