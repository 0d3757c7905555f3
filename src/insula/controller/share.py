"""Which rooms a controller decides for, among the controllers."""

from collections.abc import Iterator, Sequence

from insula.bus.channel import Channel, Reader
from insula.bus.port import Membership, Partition, Record
from insula.bus.topics import KNX, ZWAVE, partition_of
from insula.clock import Clock
from insula.controller.aside import Aside, Kept

BEFORE_MS = 12_000
"""What was said of a room so long before it was taken over is read (real time): every gateway tells all its values
each 5 s, and clocks may be 2 s apart."""


class Share:
    """Reads the partitions whose rooms are this controller's, and no others. A room is its own when it has read what
    was there as it took it over."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self.membership: Membership | None = None
        self._channel = channel
        self._clock = clock
        self._aside = Aside()
        self._owned: set[int] = set()
        self._reader: Reader

    async def open(self, name: str) -> Reader:
        """The reader of what is said of the rooms."""
        self._reader = await self._channel.read([KNX.name, ZWAVE.name], name=name, start="nowhere", slow="latest")
        return self._reader

    def owns(self, room_id: int) -> bool:
        return partition_of(KNX.name, room_id) in self._owned

    def certain(self) -> bool:
        """Asked again before each decision, lease and lesson: after it stood still, another may decide meanwhile."""
        return self.membership is not None and self.membership.certain()

    def keeps(self, record: Record) -> bool:
        """Whether it belongs to what is being taken over."""
        return self._aside.keep(record)

    async def take(self, partitions: Sequence[Partition]) -> None:
        places = _places(partitions)
        self._aside.expect(await self._reader.follow(places, self._clock.real() - BEFORE_MS))

    async def give(self, partitions: Sequence[Partition]) -> None:
        numbers = {number for _, number in partitions}
        self._owned -= numbers
        self._aside.drop(numbers)
        await self._reader.leave(_places(partitions))

    def taken(self) -> Iterator[tuple[int, list[Kept]]]:
        """The partitions whose rooms are its own from now on, each with what was said of them."""
        for number, kept in self._aside.come(self._reader.positions()):
            self._owned.add(number)
            yield number, kept


def _places(partitions: Sequence[Partition]) -> list[Partition]:
    return [(topic, number) for _, number in partitions for topic in (KNX.name, ZWAVE.name)]
