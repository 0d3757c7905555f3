"""What who stands by keeps for the day on which it drives the gateway: what it heard and the driver has not told."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from insula.gateways.values import Key
from insula.messages import Reading

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
