"""How many telegrams a field bus carries. Pure; times are ms, real."""

from collections import deque

OVER_MS = 60_000


class BusLoad:
    """The mean rate over the last minute, from counts of all telegrams so far."""

    def __init__(self) -> None:
        self._counts: deque[tuple[int, int]] = deque()

    def per_s(self, count: int, at: int) -> float:
        """Telegrams/s, now that ``count`` have been seen; 0 at first."""
        while self._counts and at - self._counts[0][0] > OVER_MS:
            self._counts.popleft()
        self._counts.append((at, count))
        first_at, first = self._counts[0]
        return max(0, count - first) / (at - first_at) * 1000 if at > first_at else 0.0
