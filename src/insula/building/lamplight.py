"""How much of a room's luminance is its own lamps', so that a lamp does not switch itself off by its own light.

Each change of the lamps' level is an experiment: lux before, lux after, per percent of level. A sensor answers late,
rounds, and reports only changes above a threshold; daylight drifts meanwhile, and blinds move. So the daylight found
here is never too much while a lamp is on: the largest effect seen counts, and a margin is taken off. A lamp then stays
on a little longer than it must, and never flaps.

Times are ms of the building's clock, luminance is in lux, levels in percent (summed over the room's lamps).
"""

from collections import deque
from dataclasses import dataclass

SETTLE_MS = 2_000
"""A reading sooner after a change than this may not show all of it."""
WINDOW_MS = 60_000
"""Sensors that report changes have shown a lamp's by then; until then the largest effect counts."""
BEFORE_MS = 1_000
"""A reading closer before a change that nobody announced may show it already."""
OLDEST_MS = 600_000
"""A reading older than this, from before the change, is nothing to compare with."""
ANNOUNCED_MS = 30_000
"""How long a command to a lamp makes the luminance doubtful, if its level does not come to change."""
LEAST_CHANGE = 20.0
"""Percent of level: smaller changes teach nothing."""
MOST_LUX_PER_PERCENT = 10.0
"""1,000 lux from lamps at 100 %: twice what EN 12464-1 asks of an office desk. More is not the lamp."""
MARGIN_SHARE, MARGIN_LUX = 0.1, 5.0
"""What sensors pass over in silence: changes under 10 % or 5 lux."""


DARK_LUX = 50.0
"""A change of level in the dark shows the lamp alone: daylight cannot have changed by more than there is."""


@dataclass(slots=True)
class _Step:
    """A change of level under way. ``before``: the lux at the old level, None if not known."""

    from_level: float
    before: float | None
    before_at: int
    began: int
    changed_at: int
    effect: float | None = None
    """The largest seen so far, lux a percent."""
    after: float = 0.0


class RoomLight:
    """The light of one room's lamps. ``daylight``: the luminance without them; None while that cannot be known."""

    def __init__(self, lux_per_percent: float | None = None) -> None:
        self.lux_per_percent = lux_per_percent
        self.daylight: float | None = None
        self.measured: float | None = None
        self._level: float | None = None
        self._recent: deque[tuple[int, float]] = deque(maxlen=6)
        self._announced = -ANNOUNCED_MS
        self._step: _Step | None = None
        self._guess: float | None = None
        self._opened_at = self._closed_at = -WINDOW_MS

    @property
    def lit(self) -> bool:
        return bool(self._level)

    def announce(self, at: int) -> None:
        """A command to a lamp of this room is on its way: what is measured from now on may be its light."""
        self._announced = at

    def level(self, level: float, at: int) -> None:
        """The lamps' level is this."""
        if level == self._level:
            return
        if self._level is None:
            self._level = level
            self._estimate()
            return
        if self._step is None or (self._step.effect is not None and at > self._step.changed_at + WINDOW_MS):
            self._learn()
            self._step = self._begin(at)
        self._step.changed_at = at
        self._step.effect = None
        self._level = level

    def blind(self, change: float, at: int) -> None:
        """A blind of this room moved by so many percent (positive: opened), and changed the light, as lamps do."""
        if change > 0:
            self._opened_at = at
        else:
            self._closed_at = at

    def lux(self, lux: float, at: int) -> None:
        """The room's sensor measured this."""
        if self._step is not None and self._step.effect is not None and at > self._step.changed_at + WINDOW_MS:
            self._learn()
        doubtful = at < self._announced + ANNOUNCED_MS and self._step is None
        self._recent.append((at, lux))
        self.measured = lux
        if self._step is not None:
            if at < self._step.changed_at + SETTLE_MS:
                return
            self._compare(self._step, lux, at)
        elif doubtful and self.daylight is not None:
            return
        self._estimate()

    def _begin(self, at: int) -> _Step:
        announced = at - ANNOUNCED_MS < self._announced <= at
        began = self._announced if announced else at
        self._announced = -ANNOUNCED_MS
        unchanged_until = began if announced else began - BEFORE_MS
        before_at, before = max(
            ((when, lux) for when, lux in self._recent if when <= unchanged_until), default=(0, None)
        )
        return _Step(self._level or 0.0, before, before_at, began, at)

    def _compare(self, step: _Step, lux: float, at: int) -> None:
        change = (self._level or 0.0) - step.from_level
        if step.before is None or abs(change) < LEAST_CHANGE or at - step.before_at > OLDEST_MS + WINDOW_MS:
            self._step = None
            return
        effect = min(MOST_LUX_PER_PERCENT, max(0.0, (lux - step.before) / change))
        step.effect = effect if step.effect is None else max(step.effect, effect)
        step.after = lux

    def _learn(self) -> None:
        """The step is over: what it showed counts from now on, more at once and less by and by."""
        step, self._step = self._step, None
        if step is None or step.effect is None or step.before is None or self._closed_during(step):
            return
        if self._opened_during(step) or min(step.before, step.after) > DARK_LUX:
            self._guess = step.effect
        elif self.lux_per_percent is None:
            self.lux_per_percent = step.effect
        else:
            self.lux_per_percent = max(step.effect, 0.7 * self.lux_per_percent + 0.3 * step.effect)

    def _opened_during(self, step: _Step) -> bool:
        return self._opened_at > step.began - WINDOW_MS

    def _closed_during(self, step: _Step) -> bool:
        return self._closed_at > step.began - WINDOW_MS

    def _estimate(self) -> None:
        if self.measured is None:
            return
        if not self._level:
            self.daylight = self.measured
            return
        effect = self._effect()
        if effect is None:
            least = self.measured - MOST_LUX_PER_PERCENT * self._level
            self.daylight = least if least > 0 else None
            return
        share = effect * self._level
        self.daylight = max(0.0, self.measured - share - max(MARGIN_SHARE * share, MARGIN_LUX))

    def _effect(self) -> float | None:
        """Lux a percent, as far as known: learned, and the present step's if that is more."""
        step = self._step
        shown = None if step is None or self._closed_during(step) else step.effect
        if self.lux_per_percent is None:
            return self._guess if shown is None else shown
        if shown is None or step is None or self._opened_during(step):
            return self.lux_per_percent
        return max(self.lux_per_percent, shown)
