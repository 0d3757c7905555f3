"""Holding a temperature: the PI controller of a room whose radiators have valves and no thermostat. Pure.

In a room with a thermostat Insula writes its setpoint, or its mode, and leaves the valve to it. Constants suit rooms
with radiators: a few hundred watts, a time constant of a day or two, 10 minutes from valve to warmth.
"""

from dataclasses import dataclass

GAIN = 100.0
"""Percent of valve for each K below the wish: open from 1 K on. A room is slow beside its radiator and can take it."""
INTEGRAL_S = 4 * 3600.0
"""In so long a constant deviation moves the valve as much again as at once."""
DWELL_MS = 5 * 60_000
"""The least time between two moves for the same wish. A battery and a motor last years, a room takes hours."""
MOST_MOVE = 40.0
"""Percent that one move for the same wish is at most; a new wish (night, a window open, frost) is followed at once."""
LEAST_MOVE = 3.0
"""Percent: a smaller move is worth none."""
LAPSE_MS = 30 * 60_000
"""What was computed before is forgotten after so long: others have held the valve meanwhile."""
MODES = ((20.5, 1.0), (18.5, 2.0), (14.0, 3.0))
"""From so many °C on the mode of a thermostat that has no setpoint (DPT 20.102: comfort, standby, economy); below:"""
PROTECTION = 4.0


@dataclass(frozen=True, slots=True)
class Comfort:
    """``wish``: °C; ``output``: percent of valve; ``integral``: the part of it that stays when the deviation is gone;
    ``at``: when it was computed (ms). A restart needs none of it: it starts again from where the valve stands."""

    wish: float
    output: float
    integral: float
    at: int

    @property
    def next_at(self) -> int:
        return self.at + DWELL_MS


def hold(before: Comfort | None, wish: float, temperature: float, valve: float | None, now: int) -> Comfort:
    """The valve that brings the room to ``wish`` (°C). ``valve``: where it stands (percent), None: not known."""
    deviation = wish - temperature
    if before is None or now - before.at > LAPSE_MS or now < before.at:
        return _start(wish, deviation, valve, now)
    if wish == before.wish and now < before.next_at:
        return before
    seconds = (now - before.at) / 1000
    integral = _integral(before, deviation, seconds)
    reach = MOST_MOVE if wish == before.wish else 100.0
    output = _bounded(GAIN * deviation + integral, max(0.0, before.output - reach), min(100.0, before.output + reach))
    if abs(output - before.output) < LEAST_MOVE and 0 < output < 100:
        output = before.output
    return Comfort(wish, round(output), integral, now)


def mode_for(wish: float) -> float:
    """The mode (DPT 20.102) of a thermostat that has no setpoint."""
    return next((mode for least, mode in MODES if wish >= least), PROTECTION)


def _start(wish: float, deviation: float, valve: float | None, now: int) -> Comfort:
    """Without a jump: the valve stays where it is, unless that is too far open or shut for any past."""
    integral = 0.0 if valve is None else _bounded(valve - GAIN * deviation, 0, 100)
    return Comfort(wish, round(_bounded(GAIN * deviation + integral, 0, 100)), integral, now)


def _integral(before: Comfort, deviation: float, seconds: float) -> float:
    """Stands still while the valve can go no further that way (anti-windup)."""
    wanted = GAIN * deviation + before.integral
    if (wanted >= 100 and deviation > 0) or (wanted <= 0 and deviation < 0):
        return before.integral
    return _bounded(before.integral + GAIN * deviation * seconds / INTEGRAL_S, 0, 100)


def _bounded(value: float, low: float, high: float) -> float:
    return min(high, max(low, value))
