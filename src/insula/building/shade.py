"""What a room's blinds do to its light, so that a blind does not undo its own move: one that closes against the glare
makes the room dark, and "dark: open" would open it again.

Each move is an experiment: lux before, lux after. The share of the light that closed blinds let through follows from it
(light in proportion to the opening, as a blind without slats gives it), and from that share the light that a further
move would make. Clouds may pass meanwhile: what was learned once forbids nothing for longer than ``REST_MS``, and the
longer the more often it was confirmed.

Times are ms of the building's clock, luminance is in lux without the lamps, positions in percent (100 = open).
"""

from dataclasses import dataclass

SETTLE_MS = 60_000
"""So long after a blind's last sign of moving, the luminance may still be that of on the way: it needs up to a minute
from end to end, and sensors that report changes have shown it by then."""
REST_MS = 30 * 60_000
"""A move that would be undone at once waits so long after the last one; twice as long each time that another move
showed the same share, within ``ALIKE``, to ``LONGEST_REST_MS``."""
LONGEST_REST_MS = 8 * 3_600_000
ALIKE = 1.5
LEAST_CHANGE = 20.0
"""Percent: smaller moves teach nothing."""
DARK_LUX = 10.0
"""Where there is no more light than this before and after, there is nothing to learn."""
LEAST_SHARE = 0.001


@dataclass(slots=True)
class Shade:
    """``closed_share``: of the daylight, that closed blinds let through (None: not learned yet). ``moved_at``: when a
    blind was last told to move, or said that it had."""

    closed_share: float | None = None
    moved_at: int = -LONGEST_REST_MS
    rest_ms: int = REST_MS
    _from: tuple[float, float] | None = None

    def settles_at(self) -> int:
        """From then on the luminance is that of where the blinds are."""
        return self.moved_at + SETTLE_MS

    def rests_until(self) -> int:
        return self.moved_at + self.rest_ms

    def moves(self, position: float | None, daylight: float | None, at: int) -> None:
        """A blind begins to move, or goes on; ``position``: where the room's blinds are, on average."""
        if at >= self.settles_at():
            self._from = None if position is None or daylight is None else (position, daylight)
        self.moved_at = at

    def light(self, position: float | None, daylight: float | None, at: int) -> None:
        """This was measured with the blinds there."""
        if self._from is None or position is None or daylight is None or at < self.settles_at():
            return
        (before, lux), self._from = self._from, None
        if abs(position - before) < LEAST_CHANGE or max(lux, daylight) <= DARK_LUX:
            return
        ratio, start, end = daylight / max(lux, 1.0), before / 100, position / 100
        scale = ratio * (1 - start) - (1 - end)
        if scale:
            self._learn(min(1.0, max(LEAST_SHARE, (end - ratio * start) / scale)))

    def _learn(self, share: float) -> None:
        known = self.closed_share
        alike = known is not None and known / ALIKE <= share <= known * ALIKE
        self.rest_ms = min(LONGEST_REST_MS, 2 * self.rest_ms) if alike else REST_MS
        self.closed_share = share

    def after(self, daylight: float, position: float, value: float) -> float | None:
        """The light that a move from ``position`` to ``value`` would make; None: not known yet."""
        if self.closed_share is None:
            return None
        return daylight * self._share(value) / self._share(position)

    def _share(self, position: float) -> float:
        closed = self.closed_share or LEAST_SHARE
        return closed + (1 - closed) * position / 100
