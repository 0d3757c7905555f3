"""What a reader has not yet taken, and what goes first when that becomes too much."""

from collections import OrderedDict, deque
from collections.abc import Collection
from typing import Protocol

import msgspec

from insula.bus.port import Partition, Record


class Backlog(Protocol):
    def __len__(self) -> int: ...

    def push(self, record: Record) -> None: ...

    def take(self, limit: int) -> list[Record]:
        """The oldest ``limit`` records, which are then gone from here."""

    def shed(self) -> int:
        """Drop what a slow reader can do without; how many records that was."""

    def discard(self, partitions: Collection[Partition]) -> None:
        """Forget the records of these partitions."""


class Lossless:
    """Every record; sheds unchanged re-sends."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque()

    def __len__(self) -> int:
        return len(self._records)

    def push(self, record: Record) -> None:
        self._records.append(record)

    def take(self, limit: int) -> list[Record]:
        if len(self._records) <= limit:
            taken = list(self._records)
            self._records.clear()
            return taken
        return [self._records.popleft() for _ in range(limit)]

    def shed(self) -> int:
        before = len(self._records)
        self._records = deque(record for record in self._records if not is_resend(record))
        return before - len(self._records)

    def discard(self, partitions: Collection[Partition]) -> None:
        self._records = deque(r for r in self._records if (r.topic, r.partition) not in partitions)


class Latest:
    """Of the records of one point only the newest, at its own place in the order; all others."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def push(self, record: Record) -> None:
        point = record.headers.get("point")
        if point is None:
            self._records[record.place] = record
            return
        older = self._records.pop(point, None)
        if older is not None and is_resend(record) and not is_resend(older):
            record = _as_news(record)
        self._records[point] = record

    def take(self, limit: int) -> list[Record]:
        if len(self._records) <= limit:
            taken = list(self._records.values())
            self._records.clear()
            return taken
        return [self._records.popitem(last=False)[1] for _ in range(limit)]

    def shed(self) -> int:
        return 0

    def discard(self, partitions: Collection[Partition]) -> None:
        for key, record in list(self._records.items()):
            if (record.topic, record.partition) in partitions:
                del self._records[key]


def is_resend(record: Record) -> bool:
    return record.headers.get("resend") == "1"


def _as_news(record: Record) -> Record:
    headers = {name: value for name, value in record.headers.items() if name != "resend"}
    return msgspec.structs.replace(record, headers=headers)
