"""Which states are to be read from the bus, and when. An answer comes as any status does, and ends the asking."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
from xknx.telegram import GroupAddress

from insula.clock import Clock
from insula.errors import CommandError
from insula.gateways.knx.addresses import StatusAddress
from insula.gateways.knx.link import Link
from insula.gateways.knx.translate import to_read

log = structlog.get_logger("insula.knx")

RETRY_S = (5.0, 30.0, 300.0)
"""From a read that nobody answered to the next; the last for ever. After a power cut a device may boot later than we
do."""
CONFIRM_S = 5.0
"""So long a status may take after a command, before it is read: an actuator that already is where it was sent to
says nothing by itself."""


@dataclass(frozen=True, slots=True)
class Due:
    """``at``: when to read (ms, real time); ``tries``: how often that was in vain."""

    at: int
    tries: int = 0


class StateReader:
    """``pause_s``: the least time between two reads. ``run`` reads, one address at a time, while it ``may_read``: who
    stands by only listens."""

    def __init__(self, link: Link, clock: Clock, pause_s: float, may_read: Callable[[], bool]) -> None:
        self._link = link
        self._clock = clock
        self._pause_s = pause_s
        self._may_read = may_read
        self.asked = 0
        """Telegrams that were sent to read states."""
        self._due: dict[GroupAddress, Due] = {}
        self._asked: frozenset[StatusAddress] = frozenset()
        """On this connection."""
        self._changed = asyncio.Event()

    def ask(self, statuses: Sequence[StatusAddress]) -> None:
        """Read those not asked for on this connection; forget those that are no more."""
        known = {status.address for status in statuses}
        self._due = {address: due for address, due in self._due.items() if address in known}
        self._put((status.address for status in statuses if status not in self._asked), self._clock.real())
        self._asked = frozenset(statuses)

    def confirm(self, addresses: Iterable[GroupAddress]) -> None:
        """A command is under way that should change these: read those that say nothing for a while."""
        self._put(addresses, self._clock.real() + round(CONFIRM_S * 1000))

    def heard(self, address: GroupAddress) -> None:
        self._due.pop(address, None)

    def forget(self) -> None:
        """The connection is lost."""
        self._due.clear()
        self._asked = frozenset()

    def ask_again(self, statuses: Sequence[StatusAddress]) -> None:
        """Read all of these, also those heard before."""
        self._asked = frozenset()
        self.ask(statuses)

    async def run(self) -> None:
        while True:
            address = await self._next()
            if self._may_read():
                await self._read(address)
            else:  # whoever drives reads it; it is read here when that has changed
                self._due.pop(address, None)
            await self._clock.real_sleep(self._pause_s)

    def _put(self, addresses: Iterable[GroupAddress], at: int) -> None:
        self._due.update((address, Due(at)) for address in addresses)
        self._changed.set()

    async def _next(self) -> GroupAddress:
        """The address that is due first, when it is due."""
        while True:
            self._changed.clear()
            if not self._due:
                await self._changed.wait()
                continue
            address, due = min(self._due.items(), key=lambda item: item[1].at)
            left_ms = due.at - self._clock.real()
            if left_ms <= 0:
                return address
            await self._change_within(left_ms / 1000)

    async def _change_within(self, seconds: float) -> None:
        waits = {
            asyncio.ensure_future(self._changed.wait()),
            asyncio.ensure_future(self._clock.real_sleep(seconds)),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _read(self, address: GroupAddress) -> None:
        tries = self._due[address].tries
        wait_s = RETRY_S[min(tries, len(RETRY_S) - 1)]
        # before it is sent: the answer may be here before the confirmation
        self._due[address] = Due(self._clock.real() + round(wait_s * 1000), tries + 1)
        try:
            await self._link.send(to_read(address))
            self.asked += 1
        except CommandError as error:
            if not tries:
                log.info("state not read", address=str(address), why=str(error))
