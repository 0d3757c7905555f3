"""Typed messages over the bus: what every part reads and sends through."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec
import structlog

from insula.bus.codec import Codec
from insula.bus.devices import DeviceIndex
from insula.bus.port import Assigned, Bus, Outgoing, Partition, Positions, Record, Revoked, Slow, Start, Subscription
from insula.bus.topics import END_OF_DEVICES as END_OF_DEVICES
from insula.errors import InputError
from insula.messages import BusMessage, DeviceRecord

log = structlog.get_logger("insula.bus")

LOGGED = 100
"""Places of skipped records that are remembered: as far as one reader may be behind another."""
KEY, WHY = 80, 200
"""Characters of a key and of a reason in the log: both may hold what a stranger sent."""


class Received(msgspec.Struct, frozen=True, gc=False):
    """A record with its message; None for a tombstone (a removed device, an ended lease) or the list's marker."""

    record: Record
    message: BusMessage | None


class Reader:
    """A subscription whose records come decoded. What does not decode is counted, logged and skipped."""

    def __init__(
        self, subscription: Subscription, channel: "Channel", wanted: Callable[[Record], bool] | None = None
    ) -> None:
        self._subscription = subscription
        self._channel = channel
        self._wanted = wanted
        self.undecodable = 0

    async def batch(self, limit: int = 1000) -> list[Received]:
        """Waits for at least one record; may be empty when none of them is wanted and decodes."""
        records: Iterable[Record] = await self._subscription.batch(limit)
        if self._wanted is not None:
            records = filter(self._wanted, records)
        return [received for record in records if (received := self.decode(record)) is not None]

    def decode(self, record: Record) -> Received | None:
        received = self._channel.decoded(record)
        if received is None:
            self.undecodable += 1
        return received

    async def records(self, limit: int = 1000) -> Sequence[Record]:
        """As ``batch``, all of them and undecoded: for who keeps records that it may have to decode later."""
        return await self._subscription.batch(limit)

    def positions(self) -> Positions:
        return self._subscription.positions()

    async def follow(self, partitions: Sequence[Partition], since: int) -> Positions:
        return await self._subscription.follow(partitions, since)

    async def leave(self, partitions: Sequence[Partition]) -> None:
        await self._subscription.leave(partitions)

    async def close(self) -> None:
        await self._subscription.close()


class Channel:
    """One process's way to the bus; its parts share it, and its index of devices."""

    def __init__(self, bus: Bus, devices: DeviceIndex) -> None:
        self.bus = bus
        self.devices = devices
        self.codec = Codec(devices)
        self.undecodable = 0
        """Records that its readers skipped; one that two of them read counts twice."""
        self._logged: deque[str] = deque(maxlen=LOGGED)

    def skipped(self, record: Record, error: InputError) -> None:
        """A reader could not use a record: each is counted, and logged once for all of them."""
        self.undecodable += 1
        if record.place not in self._logged:
            self._logged.append(record.place)
            log.warning("record skipped", place=record.place, key=record.key[:KEY], why=str(error)[:WHY])

    def decoded(self, record: Record) -> Received | None:
        """None for a record that cannot be used, which is counted and logged."""
        try:
            return Received(record, self.codec.decode(record))
        except InputError as error:
            self.skipped(record, error)
            return None

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
        wanted: Callable[[Record], bool] | None = None,
    ) -> Reader:
        """``wanted`` looks at a record before it is decoded: what it does not want costs nothing more."""
        subscription = await self.bus.subscribe(
            topics, name=name, start=start, slow=slow, group=group, assigned=assigned, revoked=revoked
        )
        return Reader(subscription, self, wanted)

    async def follow_devices(self) -> None:
        """Keep the index as topic ``db`` says, for ever: a full list replaces what was known before it."""
        reader = await self.read(["db"], name="devices", start="beginning")
        listed: set[int] = set()
        try:
            while True:
                for record in await reader.records():
                    self._apply_device(record, reader.decode(record), listed)
        finally:
            await reader.close()

    def _apply_device(self, record: Record, received: Received | None, listed: set[int]) -> None:
        """``listed``: the devices since the last marker. One whose new record does not decode stays as it was."""
        if record.key == END_OF_DEVICES:
            for device in self.devices:
                if device.device_id not in listed:
                    self.devices.remove(device.device_id)
            listed.clear()
            self.devices.completed()
        elif received is not None and isinstance(received.message, DeviceRecord):
            self.devices.put(received.message)
            listed.add(received.message.device_id)
        elif record.key.isdecimal() and record.value is None:
            self.devices.remove(int(record.key))
            listed.discard(int(record.key))
            self.devices.removed()
        elif record.key.isdecimal():
            listed.add(int(record.key))
