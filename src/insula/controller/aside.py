"""Records of rooms that are being taken over: kept until all that was there has come, and then decoded at once."""

from collections.abc import Container, Iterator

import msgspec

from insula.bus.port import Positions, Record, reached


class Kept(msgspec.Struct, gc=False):
    """``since``: when the first record of the same point that is here was produced (ms, real time)."""

    record: Record
    since: int


class Aside:
    """By partition number, the same of each topic. Of each point the last record, at its own place in the order; all
    else. So nothing is decided by what was so a few seconds ago."""

    def __init__(self) -> None:
        self._kept: dict[int, dict[str, Kept]] = {}
        self._ends: dict[int, dict[tuple[str, int], int]] = {}

    def expect(self, ends: Positions) -> None:
        """The records of these partitions are kept until a reader has come so far."""
        for place, end in ends.items():
            self._kept.setdefault(place[1], {})
            self._ends.setdefault(place[1], {})[place] = end

    def keep(self, record: Record) -> bool:
        """Whether it is kept here."""
        kept = self._kept.get(record.partition)
        if kept is None:
            return False
        point = record.headers.get("point", record.place)
        older = kept.pop(point, None)
        kept[point] = Kept(record, record.at if older is None else older.since)
        return True

    def come(self, positions: Positions) -> Iterator[tuple[int, list[Kept]]]:
        """The partitions of which all has come, each with its records, in the order in which they came: they are no
        longer kept here."""
        for number in list(self._ends):
            ends = self._ends.get(number)  # meanwhile it may have been given to who asked before
            if ends is not None and reached(positions, ends):
                del self._ends[number]
                yield number, list(self._kept.pop(number).values())

    def drop(self, numbers: Container[int]) -> None:
        for number in [number for number in self._ends if number in numbers]:
            del self._ends[number], self._kept[number]
