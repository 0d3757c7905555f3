"""Who stands by at a gateway, and what it keeps for the day on which it drives: what the driver has not told."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from insula.bus.health import SILENT_MS, STANDBY, standby_name
from insula.bus.keys import health_key
from insula.gateways.values import Key
from insula.messages import Health, Reading

LIMIT: Final = 1000
"""Untold readings kept of one point: the newest. More than a driver can owe before it is replaced."""
OWED_MS: Final = 60_000
"""A driver that has not told a reading for so long (real time) did not hear it, and is none the worse: its link is."""


class Untold:
    """Own readings, a point each, until the driver tells the same. In the driver's place they are told."""

    def __init__(self) -> None:
        self._readings: dict[Key, deque[Reading]] = {}

    def add(self, readings: Iterable[Reading]) -> None:
        for reading in readings:
            key = (reading.device_id, reading.point)
            self._readings.setdefault(key, deque(maxlen=LIMIT)).append(reading)

    def told(self, reading: Reading) -> None:
        """The driver's. The two number the same telegram differently, and their clocks differ: what was heard in one
        order has the same values in the same order."""
        key = (reading.device_id, reading.point)
        kept = self._readings.get(key)
        if kept is None or all(one.value != reading.value for one in kept):
            return
        while kept and kept.popleft().value != reading.value:
            pass
        if not kept:
            del self._readings[key]

    def take(self, real: int) -> list[Reading]:
        """All that is owed, in the order in which it was heard; nothing is owed any more."""
        owed = [one for kept in self._readings.values() for one in kept if real - one.at <= OWED_MS]
        self._readings.clear()
        return sorted(owed, key=lambda reading: reading.at)


class Reserve:
    """The processes that stand by at a gateway, as the driver hears of them. ``keys``: what begins their keys."""

    def __init__(self, gateway_id: str, process: str) -> None:
        self.keys = health_key(STANDBY, standby_name(gateway_id, ""))
        self._own = standby_name(gateway_id, process)
        self._last: dict[str, Health] = {}

    def heard(self, health: Health) -> None:
        self._last[health.instance] = health

    def ready(self, real: int) -> bool:
        """Whether another has a link that is up (``real``: now, ms)."""
        others = (health for name, health in self._last.items() if name != self._own)
        return any(other.status == "ok" and real - other.at <= SILENT_MS for other in others)
