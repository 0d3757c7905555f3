"""Which of the processes that serve a gateway drives it: one at a time, the others stand by, warm."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from insula.bus.port import Bus, Membership, Partition, Positions
from insula.bus.topics import STATE
from insula.clock import Clock

log = structlog.get_logger("insula.gateways")

AWAY_S: Final = 10.0
"""Who gives way stays out of the group for so long (real time): more than a session, in which another takes over."""


class Leadership:
    """Led by who has the one partition of topic ``state`` in the gateway's group. ``gained`` is told where commands
    begin to be its own: what was published before was somebody else's to carry out."""

    def __init__(
        self,
        gateway_id: str,
        topics: Sequence[str],
        bus: Bus,
        clock: Clock,
        *,
        gained: Callable[[Positions], Awaitable[None]],
        lost: Callable[[], None],
    ) -> None:
        self.leads = False
        self._gateway_id = gateway_id
        self._topics = topics
        self._bus = bus
        self._clock = clock
        self._gained = gained
        self._lost = lost
        self._membership: Membership | None = None

    def certain(self) -> bool:
        """Whether a telegram may be sent now. To be asked again before each."""
        return self.leads and self._membership is not None and self._membership.certain()

    async def open(self) -> None:
        """Returns when the group has said who leads, whichever it is."""
        self._membership = await self._bus.join(
            f"gateway-{self._gateway_id}", STATE.name, assigned=self._assigned, revoked=self._revoked
        )

    async def close(self) -> None:
        """The next one is told at once."""
        if self._membership is not None:
            await self._membership.close()

    async def give_way(self) -> None:
        """Let another drive. Returns when that has had its time, and this process stands by, or drives again."""
        self._stand_by()
        await self.close()
        await self._clock.real_sleep(AWAY_S)
        await self.open()

    async def _assigned(self, partitions: Sequence[Partition]) -> None:
        begin = await self._bus.end_positions(self._topics)
        self.leads = True
        log.info("drives its gateway", gateway=self._gateway_id)
        await self._gained(begin)

    async def _revoked(self, partitions: Sequence[Partition]) -> None:
        self._stand_by()

    def _stand_by(self) -> None:
        self.leads = False
        log.warning("stands by", gateway=self._gateway_id)
        self._lost()
