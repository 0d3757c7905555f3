"""The Common Expression Language, without the command line that its library brings along."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

COMMAND_LINE = "cel.cli"


@contextmanager
def _without_command_line() -> Iterator[None]:
    """It would load what draws on a terminal: 9 MB and 0.1 s in each process."""
    spared = COMMAND_LINE not in sys.modules
    sys.modules.setdefault(COMMAND_LINE, ModuleType(COMMAND_LINE))
    try:
        yield
    finally:
        if spared:
            del sys.modules[COMMAND_LINE]


with _without_command_line():
    from cel import Context, compile

__all__ = ["Context", "compile"]
