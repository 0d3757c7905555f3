"""What a gateway has to say to the bus, in order, without making the one who says it wait."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from insula.bus.channel import Channel
from insula.bus.health import STANDBY
from insula.clock import Clock
from insula.errors import InputError, Unavailable
from insula.gateways.standby import Untold
from insula.messages import BusMessage, CommandResult, Health, Reading

log = structlog.get_logger("insula.gateways")

LIMIT: Final = 100_000
"""Messages kept while the bus is away. Past it readings are dropped: they come again with the next re-send."""
LOT: Final = 200
"""Messages published at once: some 2 ms of encoding, between which a command gets its turn."""
RETRY_S: Final = 1.0
DOUBT_S: Final = 0.2
"""While it is not certain who drives the gateway, nothing is told; it is asked so often (real time)."""


class Outbox:
    """Who drives the gateway tells all of it, while that is ``certain``. Who stands by tells only of itself (results of
    what it did, its health), and keeps its readings until the one that drives has told the same."""

    def __init__(self, channel: Channel, clock: Clock, certain: Callable[[], bool] = lambda: True) -> None:
        self.untold = Untold()
        self._leads = True
        self._certain = certain
        self._channel = channel
        self._clock = clock
        self._messages: deque[BusMessage] = deque()
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self.dropped = 0

    def put(self, *messages: BusMessage) -> None:
        for message in messages:
            if self._keep(message):
                continue
            if len(self._messages) >= LIMIT and isinstance(message, Reading):
                self.dropped += 1
                continue
            self._messages.append(message)
        if self._messages:
            self._empty.clear()
            self._news.set()

    def lead(self) -> None:
        """This process speaks for the gateway now: also of what nobody has told."""
        self._leads = True
        self.put(*self.untold.take(self._clock.real()))

    def stand_by(self) -> None:
        self._leads = False
        waiting = list(self._messages)
        self._messages.clear()
        self.put(*waiting)

    def _keep(self, message: BusMessage) -> bool:
        """Whether it is not to be told now."""
        if self._leads or isinstance(message, CommandResult):
            return False
        if isinstance(message, Health) and message.part == STANDBY:
            return False
        if isinstance(message, Reading) and not message.resend:
            self.untold.add([message])
        return True

    async def idle(self) -> None:
        """Waits until the bus has everything."""
        await self._empty.wait()

    async def run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._messages:
                if self._leads and not self._certain():
                    await self._clock.real_sleep(DOUBT_S)
                    continue
                await self._publish([self._messages.popleft() for _ in range(min(LOT, len(self._messages)))])
            self._empty.set()

    async def _publish(self, lot: Sequence[BusMessage]) -> None:
        while True:
            try:
                await self._channel.send(*lot)
                return
            except InputError as error:  # a device that was just removed from the building, say
                await self._publish_one_by_one(lot, error)
                return
            except Unavailable as error:
                log.warning("bus away, trying again", why=str(error), messages=len(lot) + len(self._messages))
                await self._clock.real_sleep(RETRY_S)
                if not self._leads:
                    self.put(*lot)
                    return

    async def _publish_one_by_one(self, lot: Sequence[BusMessage], error: InputError) -> None:
        if len(lot) == 1:
            log.warning("message not published", why=str(error), message=lot[0])
            return
        for message in lot:
            await self._publish([message])
