"""What the part alerts knows: the last of each point, health, gateways, settings, commands that were done.

Readings are kept as they were on the bus, and decoded when they are looked at: they come again every 5 s.
"""

from collections.abc import Iterable, Mapping

from insula.alerts.orders import Orders
from insula.bus.channel import Reader, Received
from insula.bus.port import Record
from insula.messages import BuildingSettings, Command, CommandResult, DeviceRecord, GatewayRecord, Health, Reading

GATEWAY, HEALTH, SETTINGS = "gateway/", "health/", "settings/"
OF_GATEWAYS = "gateway/"
"""Health of gateways is ``health/gateway/<id>``."""


class Known:
    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.settings = BuildingSettings()
        self.gateways: dict[str, GatewayRecord] = {}
        self.health: dict[str, Health] = {}
        """By ``<part>/<instance>``."""
        self._last: dict[int, dict[str, Record | Reading]] = {}

    def state(self, received: Received) -> None:
        """From topic ``state``."""
        key = received.record.key
        match received.message:
            case GatewayRecord() as record:
                self.gateways[record.id] = record
            case Health() as health:
                self.health[key.removeprefix(HEALTH)] = health
            case BuildingSettings() as settings:
                self.settings = settings
            case None if key.startswith(GATEWAY):
                self.gateways.pop(key.removeprefix(GATEWAY), None)
            case None if key.startswith(HEALTH):
                self.health.pop(key.removeprefix(HEALTH), None)

    def gateway_health(self, gateway_id: str) -> Health | None:
        return self.health.get(OF_GATEWAYS + gateway_id)

    def parts(self) -> Iterable[tuple[str, Health]]:
        """All that say how they are, but for gateways."""
        return ((name, health) for name, health in self.health.items() if not name.startswith(OF_GATEWAYS))

    # --- points and commands

    def point(self, record: Record, reader: Reader) -> None:
        """From the topics of readings. Programs of 2020 do not say in a header which point it is."""
        device, _, role = record.headers.get("point", "").partition("/")
        if device.isdecimal() and role:
            self._last.setdefault(int(device), {})[role] = record
        elif (received := reader.decode(record)) is not None and isinstance(received.message, Reading):
            reading = received.message
            self._last.setdefault(reading.device_id, {})[reading.point] = reading

    def readings(self, device_id: int, reader: Reader) -> Mapping[str, Reading]:
        """The last reading of each of its points."""
        known = self._last.get(device_id, {})
        for role, one in tuple(known.items()):
            if isinstance(one, Record):
                received = reader.decode(one)
                if received is not None and isinstance(received.message, Reading):
                    known[role] = received.message
                else:
                    del known[role]
        return {role: one for role, one in known.items() if isinstance(one, Reading)}

    def result(self, result: CommandResult, device: DeviceRecord, now: int) -> None:
        if result.outcome == "done":
            self._done(result.command, device, now)

    def _done(self, command: Command, device: DeviceRecord, now: int) -> None:
        self.orders.done(command, {point.role for point in device.points}, now)

    def keep(self, devices: Iterable[DeviceRecord]) -> set[int]:
        """These are the devices now: what is known of others is forgotten. Their ids."""
        kept = {device.device_id for device in devices}
        for gone in self._last.keys() - kept:
            del self._last[gone]
            self.orders.forget(gone)
        return kept
