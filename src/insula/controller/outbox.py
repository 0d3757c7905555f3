"""What the controller has decided, on its way to the bus."""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from typing import Any

import structlog

from insula.bus.channel import Channel
from insula.clock import Clock
from insula.errors import InputError, Unavailable
from insula.messages import BusMessage, Decision

log = structlog.get_logger("insula.controller")

MOST = 500
"""So many calls may wait for the bus; then deciding waits too."""

LATER_S = 0.005
"""What explains a command follows it after so long, when the gateway has it (real time)."""


class Outbox:
    """Deciding does not wait until the bus has what was decided before: of a burst each message would wait for all the
    answers before its own. Commands go ahead of what explains them, which would hold them up at the broker."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._later: list[BusMessage] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def put(self, messages: Sequence[BusMessage]) -> None:
        """In order; returns when they are on their way."""
        if messages:
            await self._start(self._send(messages))

    async def forget(self, topic: str, key: str) -> None:
        """A tombstone."""
        await self._start(self._channel.forget(topic, key))

    async def _send(self, messages: Sequence[BusMessage]) -> None:
        explained = [message for message in messages if isinstance(message, Decision)]
        await self._publish(message for message in messages if not isinstance(message, Decision))
        if explained:
            self._later += explained
            await self._clock.real_sleep(LATER_S)
            await self._explain()

    async def _explain(self) -> None:
        """All that waits, be it of other calls."""
        later, self._later = self._later, []
        await self._publish(later)

    async def _publish(self, messages: Iterable[BusMessage]) -> None:
        records = []
        for message in messages:
            try:
                records.append(self._channel.codec.encode(message))
            except InputError as error:  # the device was removed meanwhile
                log.warning("not published", why=str(error))
        if records:
            await self._channel.bus.publish(records)

    async def _start(self, sending: Coroutine[Any, Any, None]) -> None:
        if len(self._under_way) >= MOST:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(_sent(sending))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Commands that are sent are still explained."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)
        await _sent(self._explain())


async def _sent(sending: Awaitable[None]) -> None:
    """What the bus does not take is not lost for good: a command is open until it expires, then decided anew."""
    try:
        await sending
    except (Unavailable, InputError) as error:
        log.warning("not published", why=str(error))
