"""A field bus without a wire: for tests, and for trying a building's rules on no hardware.

It passes the contract suite of field buses. What was sent is in ``sent``; its far side is driven by ``press``,
``cut``, ``restore``, ``refuse``, ``fail`` and ``block``.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from insula.errors import CommandError, Failed, Refused
from insula.gateways.port import Upward
from insula.messages import Command, DeviceRecord, Origin


class FakeFieldBus:
    """``telegrams_per_s`` 0: no limit. With ``echo`` a device reports what it was told to do, at once."""

    def __init__(self, *, telegrams_per_s: float = 0, burst: int = 1, concurrent: int = 1, echo: bool = False) -> None:
        self.telegrams_per_s = telegrams_per_s
        self.burst = burst
        self.carries_per_s = 0.0
        self.telegrams = 0
        self.concurrent = concurrent
        self.echo = echo
        self.sent: list[Command] = []
        self.served: list[tuple[DeviceRecord, ...]] = []
        self.values: dict[tuple[int, str], float] = {}
        self.most_at_once = 0
        self._up: Upward | None = None
        self._link = asyncio.Event()
        self._link.set()
        self._connected = False
        self._errors: deque[BaseException] = deque()
        self._gates: dict[int, asyncio.Event] = {}
        self._under_way = 0
        self._seen: asyncio.Queue[Command] = asyncio.Queue()

    # --- the port

    async def serve(self, devices: Sequence[DeviceRecord]) -> None:
        self.served.append(tuple(devices))

    def lead(self) -> None:
        """Every value is reported as it comes: there is nothing to read."""

    async def run(self, up: Upward) -> None:
        self._up = up
        try:
            await self._link.wait()
            if not self._connected:
                self._connect(up)
            await asyncio.Event().wait()
        finally:
            self._up, self._connected = None, False

    def _connect(self, up: Upward) -> None:
        self._connected = True
        up.connected()
        for (device_id, point), value in self.values.items():
            up.report(device_id, point, value)

    async def send(self, command: Command) -> None:
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            await self._take(command)
        finally:
            self._under_way -= 1

    async def _take(self, command: Command) -> None:
        self._check(command)
        if (gate := self._gates.get(command.device_id)) is not None:
            await gate.wait()
            self._check(command)
        if self._errors:
            raise self._errors.popleft()
        self.sent.append(command)
        self._seen.put_nowait(command)
        if self.echo:
            self.press(command.device_id, command.point, command.value)

    def _check(self, command: Command) -> None:
        if not self._connected:
            raise Refused("not connected")
        device = next((one for one in self.devices if one.device_id == command.device_id), None)
        if device is None or device.point(command.point) is None:
            raise Refused(f"no point {command.point} of device {command.device_id}")

    # --- the far side

    @property
    def devices(self) -> tuple[DeviceRecord, ...]:
        return self.served[-1] if self.served else ()

    async def see(self) -> Command:
        """Waits for the next command that was put on the bus."""
        return await self._seen.get()

    def press(self, device_id: int, point: str, value: float, *, origin: Origin | None = None) -> None:
        """A point has a new value; it is reported while connected, and again after each reconnect."""
        self.values[device_id, point] = value
        if self._up is not None and self._connected:
            self._up.report(device_id, point, value, origin=origin)

    def cut(self, why: str = "cable pulled") -> None:
        self._link.clear()
        if self._up is not None and self._connected:
            self._connected = False
            self._up.disconnected(why)

    def restore(self) -> None:
        self._link.set()
        if self._up is not None and not self._connected:
            self._connect(self._up)

    def refuse(self, why: str) -> None:
        """The next ``send`` is refused."""
        self._errors.append(Refused(why))

    def fail(self, why: str | BaseException) -> None:
        """The next ``send`` fails, or raises this."""
        self._errors.append(Failed(why) if isinstance(why, str) else why)

    def block(self, device_id: int) -> None:
        """Every ``send`` to this device waits until ``unblock``: a dead node."""
        self._gates[device_id] = asyncio.Event()

    def unblock(self, device_id: int, error: CommandError | None = None) -> None:
        if error is not None:
            self._errors.append(error)
        self._gates.pop(device_id).set()
