"""What the in-memory bus keeps of one partition: the last records, or the last of each key."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from insula.bus.port import Record, size_of

TOMBSTONES = 1000
"""So many removed keys are remembered by a compacted partition, the latest ones."""


class Log(Protocol):
    """Records by offset; ``end`` is the offset of the next one, ``begin`` the first that a reader may ask for."""

    end: int

    @property
    def begin(self) -> int: ...

    def append(self, record: Record) -> None: ...

    def since(self, offset: int) -> Sequence[Record]:
        """All that is kept from ``offset`` on, in order."""

    def offset_at(self, moment: int) -> int:
        """Of the first record that is kept and was produced at ``moment`` (ms, real time) or later."""

    def delete_before(self, offset: int) -> None: ...


class RetainedLog:
    """Keeps the last ``keep`` records, and no more of them than ``keep_bytes``."""

    def __init__(self, keep: int, keep_bytes: int) -> None:
        self.end = 0
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._records: deque[Record] = deque()
        self._bytes = 0

    @property
    def begin(self) -> int:
        return self._records[0].offset if self._records else self.end

    def append(self, record: Record) -> None:
        self._records.append(record)
        self._bytes += size_of(record)
        self.end = record.offset + 1
        while len(self._records) > self._keep or self._bytes > self._keep_bytes:
            self._drop_first()

    def since(self, offset: int) -> Sequence[Record]:
        return list(islice(self._records, max(0, offset - self.begin), None))

    def offset_at(self, moment: int) -> int:
        return _offset_at(self._records, moment, self.end)

    def delete_before(self, offset: int) -> None:
        while self._records and self._records[0].offset < offset:
            self._drop_first()

    def _drop_first(self) -> None:
        self._bytes -= size_of(self._records.popleft())


class CompactedLog:
    """Keeps the last record of each key, at its offset."""

    def __init__(self, tombstones: int = TOMBSTONES) -> None:
        self.begin = 0
        self.end = 0
        self._records: dict[str, Record] = {}
        self._removed: OrderedDict[str, None] = OrderedDict()
        self._tombstones = tombstones

    def append(self, record: Record) -> None:
        self._records.pop(record.key, None)
        self._records[record.key] = record
        self._removed.pop(record.key, None)
        if record.value is None:
            self._removed[record.key] = None
            if len(self._removed) > self._tombstones:
                oldest, _ = self._removed.popitem(last=False)
                del self._records[oldest]
        self.end = record.offset + 1

    def since(self, offset: int) -> Sequence[Record]:
        return [record for record in self._records.values() if record.offset >= offset]

    def offset_at(self, moment: int) -> int:
        return _offset_at(self._records.values(), moment, self.end)

    def delete_before(self, offset: int) -> None:
        self.begin = max(self.begin, min(offset, self.end))
        for record in [record for record in self._records.values() if record.offset < offset]:
            del self._records[record.key]
            self._removed.pop(record.key, None)


def _offset_at(records: Iterable[Record], moment: int, end: int) -> int:
    return next((record.offset for record in records if record.at >= moment), end)
