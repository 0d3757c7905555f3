"""What a gateway has to say to the bus, in order, without making the one who says it wait."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from insula.bus.channel import Channel
from insula.clock import Clock
from insula.errors import InputError, Unavailable
from insula.messages import BusMessage, Reading

log = structlog.get_logger("insula.gateways")

LIMIT: Final = 100_000
"""Messages kept while the bus is away. Past it readings are dropped: they come again with the next re-send."""
LOT: Final = 200
"""Messages published at once: some 2 ms of encoding, between which a command gets its turn."""
RETRY_S: Final = 1.0


class Outbox:
    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._messages: deque[BusMessage] = deque()
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self.dropped = 0

    def put(self, *messages: BusMessage) -> None:
        for message in messages:
            if len(self._messages) >= LIMIT and isinstance(message, Reading):
                self.dropped += 1
                continue
            self._messages.append(message)
        if self._messages:
            self._empty.clear()
            self._news.set()

    async def idle(self) -> None:
        """Waits until the bus has everything."""
        await self._empty.wait()

    async def run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._messages:
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

    async def _publish_one_by_one(self, lot: Sequence[BusMessage], error: InputError) -> None:
        if len(lot) == 1:
            log.warning("message not published", why=str(error), message=lot[0])
            return
        for message in lot:
            await self._publish([message])
