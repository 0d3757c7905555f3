"""Typed messages over the bus: what every part reads and sends through."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from insula.bus.codec import Codec
from insula.bus.devices import DeviceIndex
from insula.bus.port import Assigned, Bus, Outgoing, Positions, Record, Revoked, Slow, Start, Subscription
from insula.errors import InputError
from insula.messages import BusMessage, DeviceRecord

log = structlog.get_logger("insula.bus")

END_OF_DEVICES = "end_read_db"


@dataclass(frozen=True, slots=True)
class Received:
    """A record with its message; None for a tombstone (a removed device, an ended lease) or the list's marker."""

    record: Record
    message: BusMessage | None


class Reader:
    """A subscription whose records come decoded. What does not decode is counted, logged and skipped."""

    def __init__(self, subscription: Subscription, codec: Codec) -> None:
        self._subscription = subscription
        self._codec = codec
        self.undecodable = 0

    async def batch(self, limit: int = 1000) -> list[Received]:
        """Waits for at least one record; may be empty when none of them decodes."""
        received = []
        for record in await self._subscription.batch(limit):
            try:
                received.append(Received(record, self._codec.decode(record)))
            except InputError as error:
                self.undecodable += 1
                log.warning("record skipped", place=record.place, key=record.key, why=str(error))
        return received

    def positions(self) -> Positions:
        return self._subscription.positions()

    async def close(self) -> None:
        await self._subscription.close()


class Channel:
    """One process's way to the bus; its parts share it, and its index of devices."""

    def __init__(self, bus: Bus, devices: DeviceIndex) -> None:
        self.bus = bus
        self.devices = devices
        self.codec = Codec(devices)
        self.undecodable = 0

    async def send(self, *messages: BusMessage) -> None:
        """Publish, in order. Returns when the bus has them."""
        await self.bus.publish([self.codec.encode(message) for message in messages])

    async def forget(self, topic: str, key: str) -> None:
        """A tombstone: what this key said is no longer so."""
        await self.bus.publish([Outgoing(topic, key, None)])

    async def read(
        self,
        topics: Sequence[str],
        *,
        name: str,
        start: Start = "end",
        slow: Slow = "lossless",
        group: str | None = None,
        assigned: Assigned | None = None,
        revoked: Revoked | None = None,
    ) -> Reader:
        subscription = await self.bus.subscribe(
            topics, name=name, start=start, slow=slow, group=group, assigned=assigned, revoked=revoked
        )
        return Reader(subscription, self.codec)

    async def follow_devices(self) -> None:
        """Keep the index as topic ``db`` says, for ever: a full list replaces what was known before it."""
        reader = await self.read(["db"], name="devices", start="beginning")
        listed: set[int] = set()
        try:
            while True:
                for received in await reader.batch():
                    listed = self._apply_device(received, listed)
        finally:
            await reader.close()

    def _apply_device(self, received: Received, listed: set[int]) -> set[int]:
        key = received.record.key
        if isinstance(received.message, DeviceRecord):
            self.devices.put(received.message)
            return listed | {received.message.device_id}
        if key == END_OF_DEVICES:
            for device in self.devices:
                if device.device_id not in listed:
                    self.devices.remove(device.device_id)
            self.devices.completed()
            return set()
        if key.isdecimal():
            self.devices.remove(int(key))
            self.devices.completed()
        return listed
