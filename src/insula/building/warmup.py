"""How long a room needs to become warm: learned from each time that it did.

What it gains in an hour depends on the weather and on the boiler, which are today much as they were yesterday. Times
are ms of the building's clock.
"""

from dataclasses import dataclass

GAIN_K_H = 1.0
"""Of a room of which nothing is known."""
LEAST_K_H, MOST_K_H = 0.25, 4.0
LEAST_RISE_K = 1.5
"""A smaller one teaches nothing: it is over before the radiator is warm."""
WARM_K = 0.3
"""So near its wish a room is warm."""
NEW_SHARE = 0.5
"""Of the last time in what is expected of the next."""
LONGEST_MS = 12 * 3_600_000
STAY_MS = 3_600_000
"""Once begun it is not given up for less: the room may gain faster than was thought."""


@dataclass(slots=True)
class WarmUp:
    """``gain``: K an hour on the whole way to the wish; None: not learned yet."""

    gain: float | None = None
    _wish: float | None = None
    _from: tuple[float, int] | None = None

    def see(self, wish: float | None, temperature: float | None, now: int) -> None:
        """The room is so warm, and is to be so (°C)."""
        if wish is None or temperature is None:
            self._wish, self._from = None, None
            return
        if wish != self._wish:
            self._wish = wish
            self._from = (temperature, now) if wish - temperature >= LEAST_RISE_K else None
        if self._from is not None and temperature >= wish - WARM_K:
            (cold, began), self._from = self._from, None
            gain = (temperature - cold) / max(1, now - began) * 3_600_000
            self.gain = self._gain + NEW_SHARE * (min(MOST_K_H, max(LEAST_K_H, gain)) - self._gain)

    @property
    def _gain(self) -> float:
        return GAIN_K_H if self.gain is None else self.gain

    def needed_ms(self, wish: float, temperature: float, begun: bool) -> int:
        """How long before the moment at which the room is to have its wish it begins to be warmed."""
        needed = max(0.0, wish - temperature) / self._gain * 3_600_000
        return min(LONGEST_MS, round(needed) + (STAY_MS if begun else 0))
