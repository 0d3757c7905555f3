"""One look at everything: what is known of each device, gateway and part, and what that does to the book."""

from collections.abc import Iterable, Iterator

from insula.alerts import conditions
from insula.alerts.book import Book, device_subject, gateway_subject, part_subject
from insula.alerts.conditions import DEVICE_KINDS, GATEWAY_KINDS, NOTHING_KNOWN, PART_KINDS, Limits, Link
from insula.alerts.known import Known
from insula.building.vitals import vitals
from insula.bus.channel import Reader
from insula.bus.health import taken_away
from insula.clock import Clock
from insula.messages import AlertEvent, DeviceRecord


class Inspection:
    """``points``: what decodes the readings that ``known`` keeps."""

    def __init__(self, known: Known, book: Book, points: Reader, clock: Clock, limits: Limits) -> None:
        self._known = known
        self._book = book
        self._points = points
        self._clock = clock
        self._limits = limits
        self._links: dict[str, Link] = {}

    def gone(self, devices: Iterable[DeviceRecord]) -> Iterator[AlertEvent]:
        """Alerts of what is no part of the building any more."""
        there = {device_subject(device_id) for device_id in self._known.keep(devices)}
        there |= {gateway_subject(gateway_id) for gateway_id in self._known.gateways}
        there |= {part_subject(name) for name, _ in self._known.parts()}
        yield from self._book.gone(there, self._clock.now(), self._clock.real())

    def parts(self) -> Iterator[AlertEvent]:
        now, real = self._clock.now(), self._clock.real()
        for name, health in list(self._known.parts()):
            gone = taken_away(health, self._known.health.values(), real)
            found = {} if gone else conditions.of_part(name, health, real, self._limits)
            yield from self._book.judge(part_subject(name), PART_KINDS, found, now, real)

    def gateways(self, devices: Iterable[DeviceRecord]) -> Iterator[AlertEvent]:
        """Before the devices: they are looked at by how these are."""
        now, real = self._clock.now(), self._clock.real()
        serves = dict.fromkeys(self._known.gateways, 0)
        for device in devices:
            serves[device.gateway_id] = serves.get(device.gateway_id, 0) + 1
        self._links = {}
        for gateway_id in self._known.gateways:
            health = self._known.gateway_health(gateway_id)
            self._links[gateway_id] = conditions.link_of(health, now, real)
            found = conditions.of_gateway(gateway_id, serves[gateway_id], health, real, self._limits)
            subject = gateway_subject(gateway_id)
            yield from self._book.judge(subject, GATEWAY_KINDS, found, now, real, gateway_id=gateway_id)

    def device(self, device: DeviceRecord) -> Iterator[AlertEvent]:
        now, real = self._clock.now(), self._clock.real()
        subject = device_subject(device.device_id)
        link = self._links.get(device.gateway_id, Link())
        found = NOTHING_KNOWN if link.since is None else self._found(device, link, now)
        yield from self._book.judge(subject, DEVICE_KINDS, found, now, real, device=device)

    def _found(self, device: DeviceRecord, link: Link, now: int) -> conditions.Found:
        readings = self._known.readings(device.device_id, self._points)
        orders = self._known.orders.unanswered(device.device_id, readings)
        overdue = next((order for order in orders if self._known.orders.overdue(order, now)), None)
        how = vitals(readings.values(), now)
        return conditions.of_device(device, how, orders, overdue, link, now, self._limits.battery)
