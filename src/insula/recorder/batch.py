"""What was read and is not yet written, with how far it reaches: one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from insula.bus.port import Partition
from insula.store.events import EventIn
from insula.store.log import LogRow


@dataclass
class Batch:
    """``state``: the last value of each key, None for a tombstone; ``positions``: after what is in here."""

    rows: list[LogRow] = field(default_factory=list)
    state: dict[str, bytes | None] = field(default_factory=dict)
    positions: dict[Partition, int] = field(default_factory=dict)
    events: list[EventIn] = field(default_factory=list)

    def reaches(self, positions: Mapping[Partition, int]) -> None:
        self.positions.update(positions)

    def then(self, later: "Batch") -> "Batch":
        """This one and a later one, as one."""
        return Batch(
            [*self.rows, *later.rows],
            {**self.state, **later.state},
            {**self.positions, **later.positions},
            [*self.events, *later.events],
        )
