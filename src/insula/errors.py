"""Every error that Insula raises on purpose.

InsulaError
├── InputError           what somebody gave us is wrong: says what, and where
│   ├── Undecodable      a record on the bus that is no message (counted, logged, skipped)
│   ├── RecordTooLarge   a record that the bus does not take
│   ├── UnknownDevice    a well-formed message that fits no device of the building
│   ├── BuildingFileError  one or more faults of a building file, each with its line
│   └── RuleError        one or more faults of a rule set, each with its line (0: not from a file)
├── CommandError         a command that was not carried out; becomes a CommandResult
│   ├── Refused          by a rule of ours: a lease, an alarm, a point that cannot be written
│   ├── Expired          its time was over before it could be sent
│   └── Failed           the field bus did not take it, or nobody knows whether it did
└── Unavailable          something we need is not there now; `retry` is True
"""

from collections.abc import Sequence
from typing import Literal


class InsulaError(Exception):
    """Root of the tree. ``retry`` says whether the same call may succeed later."""

    retry = False


class InputError(InsulaError):
    """Somebody's input is wrong; the message says what is wrong and where."""


class Undecodable(InputError):
    """A record that does not decode to a message."""


class RecordTooLarge(InputError):
    """A record of more bytes than the bus takes (bus/port.py)."""


class UnknownDevice(InputError):
    """A message that names no device of the building, or a point that the device lacks."""


class BuildingFileError(InputError):
    """A building file with faults; ``faults`` holds each as ``(line, text)``, line 1 first."""

    def __init__(self, faults: Sequence[tuple[int, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(f"line {line}: {text}" for line, text in self.faults))


class RuleError(InputError):
    """A rule set that cannot be used; ``faults`` holds each as ``(line, text)``, line 0 when it is from no file."""

    def __init__(self, faults: Sequence[tuple[int, str]], file: str = "rules") -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(f"{file}, line {line}: {text}" if line else text for line, text in self.faults))


class CommandError(InsulaError):
    """A command that was not carried out. ``str(error)`` is the result's reason."""

    outcome: Literal["refused", "expired", "failed"] = "failed"


class Refused(CommandError):
    outcome = "refused"


class Expired(CommandError):
    outcome = "expired"


class Failed(CommandError):
    """Not confirmed by the field bus: lost link, dead node, no acknowledgement."""

    outcome = "failed"
    retry = True


class Unavailable(InsulaError):
    """A server or interface that is needed is away; trying again later is right."""

    retry = True


def first_of(group: BaseException) -> BaseException:
    """What ended a TaskGroup: the first error in it, and in those in it; another error is itself."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
