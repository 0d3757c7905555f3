"""The KNX group addresses of 2020, action/floor/bloc: what a blind or a radiator has when its file names none."""

from insula.errors import InputError
from insula.messages import Point

FLOORS = range(8)
"""A KNX middle group has 3 bits ..."""
BLOCS = range(256)
"""... and a sub-group 8."""

VALVE, MOVE, STOP, POSITION, POSITION_STATUS = range(5)
"""The actions, each a main group: 5.001, 1.008, 1.007 (new here), 5.001, 5.001."""


def points_2020(kind: str, bloc: int, floor: int) -> tuple[Point, ...]:
    """The points of a ``blind`` or a ``radiator``; no points for any other kind.

    A radiator has no status object: its valve is read back at the address it is written to.
    Raises InputError where the scheme has no such address: floor 0-7, bloc 0-255, and 0/0/0 is no address.
    """
    if floor not in FLOORS or bloc not in BLOCS:
        raise InputError(f"floor {floor}, bloc {bloc}: the addresses of 2020 end at floor 7, bloc 255")

    def address(action: int) -> str:
        return f"{action}/{floor}/{bloc}"

    if kind == "blind":
        return (
            Point(role="position", write=address(POSITION), status=address(POSITION_STATUS)),
            Point(role="move", write=address(MOVE)),
            Point(role="stop", write=address(STOP)),
        )
    if kind == "radiator":
        if floor == bloc == 0:
            raise InputError("a radiator on floor 0, bloc 0 has no address of 2020: 0/0/0 is KNX's broadcast")
        return (Point(role="valve", write=address(VALVE), status=address(VALVE)),)
    return ()
