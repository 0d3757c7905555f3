"""Whether the same rules decide the same again: recorded decisions against those made anew. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from insula.messages import Decision

TOLERANCE_MS = 2_000
"""So long (real time) a reading may have been on its way: Log says when it was measured, not when it was heard."""


@dataclass
class Reproduction:
    """``recorded``: how many decisions there were; ``missed``: those that were not made again; ``extra``: those that
    were made anew alone."""

    recorded: int = 0
    reproduced: int = 0
    missed: list[Decision] = field(default_factory=list)
    extra: list[Decision] = field(default_factory=list)

    def add(self, other: "Reproduction") -> None:
        self.recorded += other.recorded
        self.reproduced += other.reproduced
        self.missed += other.missed
        self.extra += other.extra


class Comparison:
    """Of one room. ``since``: what was decided before (ms) is compared, but not counted."""

    def __init__(self, recorded: Sequence[Decision], since: int, tolerance_ms: float) -> None:
        self.made: list[Decision] = []
        """All that was decided anew."""
        self._since = since
        self._tolerance_ms = tolerance_ms
        self._open = list(recorded)
        self._found = Reproduction(recorded=sum(one.decided_at >= since for one in recorded))

    def find(self, made: Decision) -> Decision | None:
        """The recorded decision that is made again here; None: there is none."""
        self.made.append(made)
        for place, one in enumerate(self._open):
            if one.decided_at > made.decided_at + self._tolerance_ms:
                break
            if abs(one.decided_at - made.decided_at) <= self._tolerance_ms and _same(one, made):
                del self._open[place]
                self._found.reproduced += one.decided_at >= self._since
                return one
        if made.decided_at >= self._since:
            self._found.extra.append(made)
        return None

    def result(self) -> Reproduction:
        self._found.missed = [one for one in self._open if one.decided_at >= self._since]
        return self._found


def _same(one: Decision, other: Decision) -> bool:
    """The same wish by the same rule, over the same others."""
    return (one.device_id, one.point, one.value, one.rule, one.version, one.lost, one.observed) == (
        other.device_id,
        other.point,
        other.value,
        other.rule,
        other.version,
        other.lost,
        other.observed,
    )
