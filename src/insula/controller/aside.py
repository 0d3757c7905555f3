"""Readings of the rooms that other controllers decide for: the last record of each point, undecoded until needed."""

from collections.abc import Container, Iterator

import msgspec

from insula.building.state import SETTLE_MS
from insula.bus.port import Record
from insula.bus.topics import KNX, partition_of


class Kept(msgspec.Struct, gc=False):
    """``since``: when the point was first heard of while it was kept here (ms, building's clock)."""

    record: Record
    since: int


class Aside:
    """So a controller that takes a room over knows it at once, and until then it costs next to nothing."""

    def __init__(self) -> None:
        self._rooms: dict[str, dict[str, Kept]] = {}

    def __len__(self) -> int:
        """Rooms of which something is kept."""
        return len(self._rooms)

    def keep(self, record: Record, ours: Container[int], now: int) -> bool:
        """Whether the record is kept here: it is of a point, and its room's partition is not among ``ours``; or older
        ones of the room wait here still. A record without headers, as programs of 2020 send them, is not."""
        point, room = record.headers.get("point"), record.headers.get("room")
        if point is None or room is None:
            return False
        kept = self._rooms.get(room)
        if kept is None:
            if not room.isdecimal() or partition_of(KNX.name, int(room)) in ours:
                return False
            kept = self._rooms[room] = {}
        older = kept.pop(point, None)
        kept[point] = Kept(record, now if older is None else older.since)
        return True

    def rooms(self, partitions: Container[int]) -> Iterator[tuple[int, list[Record], int]]:
        """The rooms of these partitions, one after the other: its id, its records in the order in which they came, and
        when what is known of it has settled (ms). What was given is no longer kept here."""
        for room in [room for room in self._rooms if partition_of(KNX.name, int(room)) in partitions]:
            kept = self._rooms.pop(room, {}).values()
            settled_at = max((one.since for one in kept), default=0) + SETTLE_MS
            yield int(room), [one.record for one in kept], settled_at
