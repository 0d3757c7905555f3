"""How the members of a group of the in-memory bus divide the partitions of their topics."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from insula.bus.port import Assigned, Partition, Positions, Revoked
from insula.bus.topics import TOPICS


def ranges(partitions: int, members: int) -> list[range]:
    """The range assignor of Kafka: consecutive numbers for each member, the first ones get one more if it does not
    come out even. So the same numbers of ``knx`` and ``zwave`` go to the same member."""
    size, more = divmod(partitions, members)
    starts = [member * size + min(member, more) for member in range(members + 1)]
    return [range(start, end) for start, end in pairwise(starts)]


class Share:
    """What one member holds, and what it is to hold. ``settle`` brings the one to the other, telling the member.

    ``begin`` and ``end`` start and stop the flow of records; ``changed`` is called when there is something to settle.
    """

    def __init__(
        self,
        topics: Sequence[str],
        *,
        assigned: Assigned | None,
        revoked: Revoked | None,
        begin: Callable[[Sequence[Partition], Positions], None],
        end: Callable[[Sequence[Partition]], Positions],
        changed: Callable[[], None],
    ) -> None:
        self.topics = tuple(topics)
        self.wanted: frozenset[Partition] = frozenset()
        self.held: set[Partition] = set()
        self.unsettled = False
        self._assigned = assigned
        self._revoked = revoked
        self._begin = begin
        self._end = end
        self._changed = changed

    def notify(self) -> None:
        self.unsettled = True
        self._changed()

    async def settle(self, group: "Group") -> None:
        while self.unsettled:
            self.unsettled = False
            if lost := sorted(self.held - self.wanted):
                await self._give_up(lost, group)
            if gained := sorted(self.wanted - group.owners.keys()):
                await self._take(gained, group)

    async def _give_up(self, partitions: Sequence[Partition], group: "Group") -> None:
        self.held.difference_update(partitions)
        positions = self._end(partitions)
        try:
            if self._revoked is not None:
                await self._revoked(partitions)
        finally:
            group.release(self, partitions, positions)

    async def _take(self, partitions: Sequence[Partition], group: "Group") -> None:
        group.owners.update(dict.fromkeys(partitions, self))
        try:
            answer = await self._assigned(partitions) if self._assigned is not None else None
        except BaseException:
            group.release(self, partitions, {})
            raise
        if self in group.members:
            self.held.update(partitions)
            self._begin(partitions, {**group.positions_of(partitions), **(answer or {})})

    def leave(self, group: "Group") -> None:
        positions = self._end(sorted(self.held))
        self.held.clear()
        group.remove(self, positions)


class Group:
    """Its members in the order of joining; each partition has one owner at most, also while it changes hands."""

    def __init__(self) -> None:
        self.members: list[Share] = []
        self.owners: dict[Partition, Share] = {}
        self._positions: dict[Partition, int] = {}

    def add(self, share: Share) -> None:
        self.members.append(share)
        self._divide()

    def remove(self, share: Share, positions: Positions) -> None:
        self.members.remove(share)
        self.release(share, [place for place, owner in self.owners.items() if owner is share], positions)
        self._divide()

    def release(self, share: Share, partitions: Iterable[Partition], positions: Positions) -> None:
        """These are free now; whoever is to have them next is told."""
        self._positions.update(positions)
        for place in partitions:
            if self.owners.get(place) is share:
                del self.owners[place]
        for member in self.members:
            if not self.owners.keys() >= member.wanted:
                member.notify()

    def positions_of(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        """Where the former owners stopped."""
        return {place: self._positions[place] for place in partitions if place in self._positions}

    def _divide(self) -> None:
        wanted: dict[int, set[Partition]] = {id(member): set() for member in self.members}
        for topic in {topic for member in self.members for topic in member.topics}:
            sharers = [member for member in self.members if topic in member.topics]
            for member, numbers in zip(sharers, ranges(TOPICS[topic].partitions, len(sharers)), strict=True):
                wanted[id(member)].update((topic, number) for number in numbers)
        for member in self.members:
            if member.wanted != wanted[id(member)]:
                member.wanted = frozenset(wanted[id(member)])
                member.notify()
