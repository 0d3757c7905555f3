"""A recorded room as it would have been under other rules: what they would have driven, and how it was then.

Recorded is what was measured; what the rules would have changed of it is reckoned only where it is known: where valves
and blinds stand, and the light, by what was learned of lamps and blinds. Temperatures stay as they were measured.
"""

from collections.abc import Iterable, Iterator

from insula.building.state import RoomState
from insula.controller.shadow import Shadow
from insula.messages import Decision
from insula.points import ROLES
from insula.rehearsal.figures import Figures, Limits

LUX_PER_PERCENT = 3.0
"""Of lamps of which nothing was learned yet: 300 lux from all of them at 100 %."""


SEEN = frozenset({"motion", "illuminance", "temperature"})
"""Readings of these change a figure; others only by what the rules make of them."""


class Imagined:
    """Integrates from one look to the next; what is not known counts as neither dark nor cold."""

    def __init__(self, shadow: Shadow, room: RoomState, begin: int, limits: Limits) -> None:
        self.shadow = shadow
        self.figures = Figures()
        self._room = room
        self._begin = begin
        self._limits = limits
        self._seen_at = begin
        self._occupied = self._dark = self._cold = False
        self._valves: tuple[float, ...] = ()
        self._lamps: tuple[float, ...] = ()

    def wish(self, decisions: Iterable[Decision]) -> None:
        """What the rules would have commanded."""
        for decision in decisions:
            if decision.decided_at >= self._begin:
                self.figures.commanded(decision.device_id, ROLES[decision.point].target)

    def see(self, now: int) -> None:
        """Since the last look the room was as it was found then; look again."""
        if now > self._seen_at:
            self.figures.pass_time(
                (now - self._seen_at) / 1000,
                occupied=self._occupied,
                dark=self._dark,
                cold=self._cold,
                valves=self._valves,
                lamps=self._lamps,
            )
            self._seen_at = now
        self._look(now)

    def _look(self, now: int) -> None:
        its = self.shadow.rooms.get(self._room.room_id) or self.shadow.follow(self._room)
        self._occupied = bool(its.mean("motion", now))
        self._valves = tuple(reading.value for reading in its.readings.get("valve", {}).values())
        self._lamps = tuple(_levels(its))
        self._dark = self._cold = False
        if self._occupied:
            daylight, temperature = its.daylight(now), its.mean("temperature", now)
            per_percent = its.light.lux_per_percent or LUX_PER_PERCENT
            self._dark = daylight is not None and daylight + per_percent * sum(self._lamps) <= self._limits.dark
            self._cold = temperature is not None and temperature < self._limits.cold


def _levels(room: RoomState) -> Iterator[float]:
    """Percent, of each lamp; one that can only be switched is at 0 or 100."""
    levels = room.readings.get("level", {})
    yield from (reading.value for reading in levels.values())
    for device_id, reading in room.readings.get("switch", {}).items():
        if device_id not in levels and room.devices[device_id].kind == "lamp":
            yield 100.0 * reading.value
