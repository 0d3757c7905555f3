"""One tunnel of the KNXnet/IP interface: frames out in order, acknowledged and paced, and both sequence counters.

Source: KNX Standard 3/8/4 (tunnelling), 2.6: on UDP the next frame waits for the acknowledgement of the last, for 1 s;
it is repeated once, and then the connection is given up. On TCP there is none, and sequence counters are not checked.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from xknx.knxip import TunnellingAck, TunnellingRequest
from xknx.knxip.error_code import ErrorCode
from xknx.telegram import IndividualAddress

from insula.simulator.knx_frames import frame

ATTEMPTS = 2
QUEUE_LIMIT = 20_000
"""Frames that may wait for a client that does not read; then its tunnel is given up."""


class Line(Protocol):
    """The way to a client. ``tcp``: nothing gets lost on it, so there is no acknowledgement."""

    tcp: bool

    def control(self, data: bytes) -> None:
        """To the client's control endpoint."""

    def data(self, data: bytes) -> None:
        """To the client's data endpoint."""

    async def ready(self) -> None:
        """Until the client takes more."""


class Pace:
    """A token bucket on the loop's own (real) time: ``burst`` frames at once, then ``per_s``.

    A client that was busy for a while finds all that came meanwhile at once, and xknx cannot take more than about
    900 frames in one go: the defaults let it be busy for 0.7 s. A KNX line carries 50 telegrams/s.
    """

    def __init__(self, per_s: float = 1000.0, burst: int = 100) -> None:
        self.per_s, self.burst = per_s, burst
        self._tokens = float(burst)
        self._at = 0.0

    async def take(self) -> None:
        while not self._refill():
            await asyncio.sleep(self.burst / 4 / self.per_s)
        self._tokens -= 1

    def _refill(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.per_s)
        self._at = now
        return self._tokens >= 1


class Channel:
    """A tunnel; ``heard`` is when its client last sent something (loop's time), ``address`` its individual address."""

    def __init__(
        self, number: int, address: IndividualAddress, line: Line, *, pace: Pace, ack_timeout_s: float = 1.0
    ) -> None:
        self.number, self.address, self.line = number, address, line
        self.heard = 0.0
        self._pace, self._ack_timeout_s = pace, ack_timeout_s
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._expected = 0
        self._sequence = 0
        self._ack: asyncio.Future[None] | None = None

    @property
    def overflowing(self) -> bool:
        return self._queue.qsize() > QUEUE_LIMIT

    def put(self, cemi: bytes) -> None:
        """Queue a cEMI frame for the client."""
        self._queue.put_nowait(cemi)

    async def run(self, on_lost: Callable[["Channel"], None]) -> None:
        """Send what is queued, in order; calls ``on_lost`` when the client acknowledges no more, and ends."""
        while True:
            cemi = await self._queue.get()
            await self._pace.take()
            await self.line.ready()
            if not await self._send(frame(TunnellingRequest(self.number, self._sequence, cemi))):
                on_lost(self)
                return
            self._sequence = (self._sequence + 1) & 0xFF

    async def _send(self, data: bytes) -> bool:
        if self.line.tcp:
            self.line.data(data)
            return True
        for _ in range(ATTEMPTS):
            if await self._acknowledged(data):
                return True
        return False

    async def _acknowledged(self, data: bytes) -> bool:
        self._ack = asyncio.get_running_loop().create_future()
        self.line.data(data)
        try:
            async with asyncio.timeout(self._ack_timeout_s):
                await self._ack
        except TimeoutError:
            return False
        finally:
            self._ack = None
        return True

    def acknowledge(self, ack: TunnellingAck) -> None:
        """The client's acknowledgement; one of another frame, or of an error, does not count."""
        mine = ack.sequence_counter == self._sequence and ack.status_code is ErrorCode.E_NO_ERROR
        if mine and self._ack is not None and not self._ack.done():
            self._ack.set_result(None)

    def accept(self, request: TunnellingRequest) -> bool:
        """Whether this frame of the client is new; on UDP it is acknowledged, also when it is a repetition.

        One out of order is not acknowledged: its sender repeats it, and then reconnects.
        """
        if self.line.tcp:
            return True
        counter = request.sequence_counter
        new = counter == self._expected
        if new or counter == (self._expected - 1) & 0xFF:
            self.line.data(frame(TunnellingAck(self.number, counter, ErrorCode.E_NO_ERROR)))
        if new:
            self._expected = (self._expected + 1) & 0xFF
        return new
