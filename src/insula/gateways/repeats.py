"""The cyclic repetition of valves: an actuator that hears nothing for long goes to its emergency position. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from insula.messages import DeviceRecord

REPEATED = "valve"
RADIATOR_REPEAT_S = 600.0
"""Default of a radiator's option ``repeat_s`` (building's clock). Actuators commonly wait 30 to 60 minutes."""


@dataclass(slots=True)
class _Valve:
    every_ms: int
    value: float | None = None
    commanded: bool = False
    due: int = 0


class Repeats:
    """What each valve was last told, or has last said, and when it is to be told again (building's time, ms)."""

    def __init__(self) -> None:
        self._valves: dict[int, _Valve] = {}

    def keep(self, devices: Iterable[DeviceRecord]) -> None:
        """These are the devices now."""
        known = self._valves
        self._valves = {}
        for device in devices:
            if (every_ms := _every_ms(device)) > 0:
                valve = self._valves[device.device_id] = known.get(device.device_id) or _Valve(every_ms)
                valve.every_ms = every_ms

    def told(self, device_id: int, point: str, value: float, now: int) -> None:
        """The valve was sent this value."""
        if point == REPEATED and (valve := self._valves.get(device_id)):
            valve.value, valve.commanded, valve.due = value, True, now + valve.every_ms

    def said(self, device_id: int, point: str, value: float, now: int, *, by_hand: bool) -> None:
        """The valve has this value. What we told it counts for more, unless somebody else has told it this: a valve
        reports the positions that it passes on its way."""
        if point != REPEATED or (valve := self._valves.get(device_id)) is None:
            return
        if by_hand or not valve.commanded:
            if valve.value is None:
                valve.due = now + valve.every_ms
            valve.value, valve.commanded = value, by_hand

    def due(self, now: int) -> list[tuple[int, float]]:
        """(device_id, value) of each valve whose time has come; the next time is one period from now."""
        due = []
        for device_id, valve in self._valves.items():
            if valve.value is not None and valve.due <= now:
                valve.due = now + valve.every_ms
                due.append((device_id, valve.value))
        return due


def _every_ms(device: DeviceRecord) -> int:
    if device.point(REPEATED) is None:
        return 0
    seconds = device.options.get("repeat_s", RADIATOR_REPEAT_S if device.kind == "radiator" else 0)
    return round(float(seconds) * 1000) if isinstance(seconds, int | float) else 0
