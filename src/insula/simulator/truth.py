"""What is true in the simulated world, now and a while ago: so that a check can compare what Insula believed."""

from bisect import bisect_right
from collections.abc import Callable

import msgspec

from insula.simulator.physical import RoomWorld

RESOLUTION = {"occupied": 0.5, "temperature": 0.05, "humidity": 0.1, "luminance": 1.0, "daylight": 1.0, "co2": 5.0}
"""What is recorded, and the change of it that is worth a line; 0 is always exact."""


class BlindTruth(msgspec.Struct, frozen=True):
    """%, 100 = open."""

    position: float
    slat: float
    moving: bool


class RoomTruth(msgspec.Struct, frozen=True, kw_only=True):
    """A room as it truly is: °C, %, lux at the sensor (``daylight``: without the lamps), ppm. ``held``: the values
    that somebody set and that stay until set to null."""

    number: int
    people: int
    occupied: bool
    temperature: float
    humidity: float
    luminance: float
    daylight: float
    co2: float
    window_open: bool
    setpoint: float
    hvac_mode: int
    blinds: list[BlindTruth]
    valves: list[float]
    lamps: list[float]
    held: dict[str, float]


def room_truth(room: RoomWorld, held: dict[str, float]) -> RoomTruth:
    return RoomTruth(
        number=room.number,
        people=room.people,
        occupied=room.occupied,
        temperature=room.temperature,
        humidity=room.humidity,
        luminance=room.luminance,
        daylight=room.daylight,
        co2=room.co2,
        window_open=room.window_open,
        setpoint=room.setpoint,
        hvac_mode=room.hvac_mode,
        blinds=[BlindTruth(blind.position, blind.slat, blind.moving) for blind in room.blinds],
        valves=[valve.position for valve in room.valves],
        lamps=[lamp.level for lamp in room.lamps],
        held=dict(held),
    )


class TruthLog:
    """Each change of each room's values with its moment (ms, building's clock); at most ``limit`` changes a value
    are kept, the oldest go first. A value is true from its line to the next one."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._series: dict[tuple[int, str], tuple[list[int], list[float]]] = {}

    def record(self, moment: int, room: RoomWorld) -> None:
        for name, resolution in RESOLUTION.items():
            value = float(getattr(room, name))
            moments, values = self._series.setdefault((room.number, name), ([], []))
            if not values or abs(value - values[-1]) >= resolution or (value == 0) != (values[-1] == 0):
                moments.append(max(moment, moments[-1]) if moments else moment)
                values.append(value)
                if len(moments) > self._limit:
                    del moments[: self._limit // 10 + 1], values[: self._limit // 10 + 1]

    def between(self, room: int, name: str, begin: int, end: int) -> list[tuple[int, float]]:
        """``(moment, value)`` of all that was true at some moment in [begin, end], the one in force at begin first."""
        moments, values = self._series.get((room, name), ([], []))
        first, last = max(0, bisect_right(moments, begin) - 1), bisect_right(moments, end)
        return list(zip(moments[first:last], values[first:last], strict=True))

    def ever(self, room: int, name: str, begin: int, end: int, test: Callable[[float], bool]) -> bool:
        """Whether the test held at some moment in [begin, end]."""
        return any(test(value) for _, value in self.between(room, name, begin, end))

    def was(self, room: int, name: str, value: float, begin: int, end: int, tolerance: float | None = None) -> bool:
        """Whether the value was true at some moment in [begin, end], within the tolerance (None: the log's
        resolution). What lies between two lines in a row was true on the way."""
        width = RESOLUTION[name] if tolerance is None else tolerance
        values = [known for _, known in self.between(room, name, begin, end)]
        pairs = zip(values, values[1:] or values, strict=False)
        return any(min(pair) - width <= value <= max(pair) + width for pair in pairs)
