"""Commands that were done, until the devices show it. Pure; times are ms of the building's clock."""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from insula.building.state import OFF_SHARE, near
from insula.messages import Alert, Command, Reading
from insula.points import ROLES


@dataclass(frozen=True, slots=True)
class Order:
    """``point``: where it is to be seen; ``done_at``: the field bus had taken it by then."""

    point: str
    value: float
    done_at: int

    def answered_by(self, reading: Reading, confirm_ms: int) -> bool:
        """Whether this reading of the point settles it: there, or moved since by a hand or by something later."""
        if reading.quality != "stale" and near(self.point, reading.value, self.value, OFF_SHARE):
            return True
        by_hand = reading.origin.by_hand and reading.measured_at > self.done_at
        return by_hand or reading.changed_at > self.done_at + confirm_ms


class Orders:
    """The last one of each target of each device. ``confirm_ms``: a device has so long to show it."""

    def __init__(self, confirm_ms: int) -> None:
        self._confirm_ms = confirm_ms
        self._open: dict[int, dict[str, Order]] = {}

    def done(self, command: Command, points: Container[str], now: int) -> None:
        """A command was done; ``points``: the roles that its device has."""
        role = ROLES.get(command.point)
        if role is None:
            return
        orders = self._open.setdefault(command.device_id, {})
        before = orders.pop(role.target, None)
        if before is not None and before.value == command.value:
            now = before.done_at  # the same once more, because it was not shown
        if role.name != "stop" and role.target in points:  # where a stopped blind is, nobody knows beforehand
            orders[role.target] = Order(role.target, command.value, now)

    def restore(self, alert: Alert) -> None:
        """What an open alert says was never shown."""
        if not alert.cleared_at and alert.device_id is not None and alert.value is not None and alert.point in ROLES:
            order = Order(alert.point, alert.value, alert.raised_at - self._confirm_ms)
            self._open.setdefault(alert.device_id, {}).setdefault(alert.point, order)

    def unanswered(self, device_id: int, readings: Mapping[str, Reading]) -> list[Order]:
        """Those of the device that its readings do not show; what they show is settled and forgotten."""
        orders = self._open.get(device_id)
        if not orders:
            return []
        for point, order in tuple(orders.items()):
            reading = readings.get(point)
            if reading is not None and order.answered_by(reading, self._confirm_ms):
                del orders[point]
        return list(orders.values())

    def overdue(self, order: Order, now: int) -> bool:
        return now - order.done_at >= self._confirm_ms

    def forget(self, device_id: int) -> None:
        self._open.pop(device_id, None)
