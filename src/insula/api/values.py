"""The last reading of every point, from the bus: what reading routes answer from."""

from collections.abc import Callable, Iterator

from insula.building.freshness import why_stale
from insula.building.resends import Resends
from insula.bus.channel import Channel
from insula.bus.port import Record
from insula.clock import Clock
from insula.messages import Command, DeviceRecord, Reading
from insula.points import Role


class LastValues:
    """Kept by one task a process; ready after a full round of re-sends (5 s) or the stored last values. ``command``
    hears of each command that passes."""

    def __init__(self, channel: Channel, clock: Clock, command: Callable[[Command], None]) -> None:
        self._channel = channel
        self._clock = clock
        self._command = command
        self._resends = Resends()
        self._last: dict[tuple[int, str], Reading] = {}
        self.listeners: list[Callable[[Reading | None, Reading], None]] = []
        """Each hears of every reading that is kept, and of the one before it."""

    async def run(self) -> None:
        await self._channel.devices.complete()
        reader = await self._channel.read(["knx", "zwave"], name="api values", slow="latest", wanted=self._wanted)
        try:
            while True:
                for received in await reader.batch():
                    if isinstance(received.message, Reading):
                        self._keep(received.message)
                    elif isinstance(received.message, Command):
                        self._command(received.message)
        finally:
            await reader.close()

    def _keep(self, reading: Reading) -> None:
        place = reading.device_id, reading.point
        before, self._last[place] = self._last.get(place), reading
        self._resends.looked(reading, self._clock.now())
        for listener in self.listeners:
            listener(before, reading)

    def _wanted(self, record: Record) -> bool:
        return not self._resends.holds(record.headers, self._clock.now())

    def get(self, device_id: int, point: str) -> Reading | None:
        return self._last.get((device_id, point))

    def all_of(self, device: DeviceRecord) -> Iterator[Reading]:
        """The last reading of each of its points that has given one."""
        for point in device.points:
            reading = self._last.get((device.device_id, point.role))
            if reading is not None:
                yield reading

    def of(self, devices: list[DeviceRecord], point: str) -> Iterator[Reading]:
        """The readings of this point that those devices have given so far, fresh or not."""
        for device in devices:
            reading = self._last.get((device.device_id, point))
            if reading is not None:
                yield reading

    def mean(self, devices: list[DeviceRecord], role: Role, now: int) -> tuple[float | None, str]:
        """Of the fresh values (of a role averaged by ``any``: 1 if any is 1); None: there is none, and why."""
        stale = [(reading.value, why_stale(reading, now)) for reading in self.of(devices, role.name)]
        fresh = [value for value, why in stale if not why]
        if not fresh:
            return None, "; ".join(why for _, why in stale) or "it has not reported since the start"
        mean = max(fresh) if role.average == "any" else sum(fresh) / len(fresh)
        return role.clean(mean) if role.whole else round(mean, 3), ""
