"""A result, a decision or an alert, with what its table needs beside it: the building's time and the room."""

from insula.bus.devices import DeviceIndex
from insula.clock import Clock
from insula.errors import UnknownDevice
from insula.messages import AlertEvent, CommandResult, Decision
from insula.store.alerts import AlertIn
from insula.store.events import DecisionIn, EventIn, ResultIn


def event_row(message: CommandResult | Decision | AlertEvent, devices: DeviceIndex, clock: Clock) -> EventIn:
    if isinstance(message, AlertEvent):
        return AlertIn(message)
    if isinstance(message, Decision):
        return DecisionIn(message, message.decided_at or clock.building(message.at))
    return ResultIn(message, clock.building(message.command.at), _room(message.command.device_id, devices))


def _room(device_id: int, devices: DeviceIndex) -> int | None:
    try:
        return devices.get(device_id).room_id
    except UnknownDevice:  # removed since
        return None
