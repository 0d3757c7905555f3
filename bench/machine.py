"""What the machine has to spare, and percentiles."""

import os
import time
from collections.abc import Sequence
from pathlib import Path


def _idle_ticks() -> float:
    return float(Path("/proc/stat").read_text().split("\n", 1)[0].split()[4])


def idle_cores(over_s: float = 1.0) -> float:
    """How many cores did nothing, on average, over so many seconds."""
    before = _idle_ticks()
    time.sleep(over_s)
    return round((_idle_ticks() - before) / os.sysconf("SC_CLK_TCK") / over_s, 2)


def percentile(values: Sequence[float], part: float) -> float:
    """The value that ``part`` (0-1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
