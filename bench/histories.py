"""10,000 random histories of a room, each lived twice by the real controller in virtual time: ``make chaos``."""

import random
import sys
import time

import structlog
from hypothesis import HealthCheck, Phase, given, seed, settings
from rich.console import Console
from rich.progress import Progress

from tests.histories.life import live
from tests.histories.steps import HISTORIES, History

COUNT = 10_000


def main() -> int:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # faults are what is asked for
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    start = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(2**32)
    console, lived, began = Console(), 0, time.monotonic()
    with Progress(console=console) as progress:
        bar = progress.add_task("histories", total=count)

        @seed(start)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(HISTORIES)
        def judged(history: History) -> None:
            nonlocal lived
            lived += 1
            progress.update(bar, completed=min(lived, count))
            commands, faults = live(history)
            assert not faults, "\n".join(faults)
            assert live(history)[0] == commands, "the same history gave other commands"

        try:
            judged()
        except AssertionError as error:
            console.print(f"[red]a history that must not be (seed {start}):")
            console.print("\n".join([str(error), *getattr(error, "__notes__", [])]), markup=False)
            return 1
    took = time.monotonic() - began
    console.print(f"{lived} histories with seed {start}, each twice, in {took:.0f} s: no fault")
    return 0 if lived >= count else 1


if __name__ == "__main__":
    sys.exit(main())
