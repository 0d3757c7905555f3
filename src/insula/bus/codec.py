"""The wire forms: message <-> record. The names of 2020 live here alone."""

from insula.bus.devices import DeviceIndex
from insula.bus.port import Outgoing, Record
from insula.messages import BusMessage


class Codec:
    """Pure but for the index of devices, which gives messages their 2020 names and records their device."""

    def __init__(self, devices: DeviceIndex) -> None:
        self.devices = devices

    def encode(self, message: BusMessage) -> Outgoing:
        raise NotImplementedError

    def decode(self, record: Record) -> BusMessage | None:
        """None for a tombstone and for the marker ``end_read_db``. Raises Undecodable or UnknownDevice."""
        raise NotImplementedError
