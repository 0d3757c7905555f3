"""What the controller has decided, on its way to the bus."""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from typing import Any

import structlog

from insula.bus.channel import Channel
from insula.bus.port import Outgoing
from insula.errors import InputError, Unavailable
from insula.messages import BusMessage, Command

log = structlog.get_logger("insula.controller")

MOST = 500
"""So many calls may wait for the bus; then deciding waits too."""


class Outbox:
    """Deciding does not wait until the bus has what was decided before: of a burst each message would wait for all the
    answers before its own. Commands go ahead of what explains them, which would hold them up at the broker."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._under_way: set[asyncio.Task[None]] = set()

    async def put(self, messages: Sequence[BusMessage]) -> None:
        """In order; returns when they are on their way."""
        if messages:
            await self._start(self._send(messages))

    async def forget(self, topic: str, key: str) -> None:
        """A tombstone."""
        await self._start(self._channel.forget(topic, key))

    async def _send(self, messages: Sequence[BusMessage]) -> None:
        for commands in (True, False):
            records = self._records(message for message in messages if isinstance(message, Command) is commands)
            if records:
                await self._channel.bus.publish(records)

    def _records(self, messages: Iterable[BusMessage]) -> list[Outgoing]:
        records = []
        for message in messages:
            try:
                records.append(self._channel.codec.encode(message))
            except InputError as error:  # the device was removed meanwhile
                log.warning("not published", why=str(error))
        return records

    async def _start(self, sending: Coroutine[Any, Any, None]) -> None:
        if len(self._under_way) >= MOST:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(_sent(sending))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.sleep(0)

    async def close(self) -> None:
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)


async def _sent(sending: Awaitable[None]) -> None:
    """What the bus does not take is not lost for good: a command is open until it expires, then decided anew."""
    try:
        await sending
    except (Unavailable, InputError) as error:
        log.warning("not published", why=str(error))
