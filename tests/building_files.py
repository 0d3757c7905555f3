"""What tests of the building file write: files with a few rooms."""

import pytest

from insula.building.file import parse_plan
from insula.errors import BuildingFileError

UUID = "b9407f30-f5f8-466e-aff9-25556b57fe6d"
GATEWAYS = """\
[[gateway]]
id = "knx"
type = "knx"
host = "127.0.0.1"
[[gateway]]
id = "zwave"
type = "zwave"
url = "ws://127.0.0.1:13000"
"""


def rooms(*lines: str, floor: int = 4, before: str = "") -> str:
    """A file with both gateways (lines 1-8), ``before``, then the floor; the first room is on the line after."""
    return f"{GATEWAYS}{before}[[floor]]\nnumber = {floor}\nrooms = [\n" + "".join(f"{x},\n" for x in lines) + "]\n"


FIRST_ROOM = 12
"""The line of the first room that ``rooms`` writes without anything before."""


def faults(text: str) -> list[tuple[int, str]]:
    with pytest.raises(BuildingFileError) as caught:
        parse_plan(text)
    return list(caught.value.faults)


def only_fault(text: str) -> tuple[int, str]:
    found = faults(text)
    assert len(found) == 1, found
    return found[0]
