"""Who holds a device after something was done by hand, and until when. Pure."""

from insula.building.state import RoomState
from insula.messages import RANK, Command, CommandClass, Lease, Origin, Reading
from insula.points import ROLES


def after_command(command: Command, held: Lease | None, now: int, hold_s: float) -> Lease | None:
    """The lease that a carried-out command brings; None: it is no one's hand, or who holds it ranks higher."""
    if not command.origin.by_hand:
        return None
    return _lease(command.device_id, command.origin, command.class_, command.id, held, now, hold_s)


def after_reading(
    reading: Reading, before: Reading | None, held: Lease | None, now: int, hold_s: float
) -> Lease | None:
    """The lease that somebody at a wall switch gets, from when it was pressed; a re-send presses nothing."""
    if reading.origin.kind != "switch" or not ROLES[reading.point].writable:
        return None
    if before is not None and (before.id == reading.id or before.measured_at > reading.measured_at):
        return None
    lease = _lease(reading.device_id, reading.origin, "occupant", "", held, reading.measured_at, hold_s)
    return lease if lease is not None and lease.until > now else None


def ends_at(lease: Lease, empty_since: int | None, empty_hold_s: float) -> int:
    """When the lease ends (ms, building's clock): at its time, or when its room has been empty for ``empty_hold_s``
    since it was last used. ``empty_since``: None: the room is not known to be empty."""
    if empty_since is None:
        return lease.until
    return min(lease.until, max(empty_since, lease.used_at or lease.since) + round(empty_hold_s * 1000))


def ends(room: RoomState, now: int, empty_hold_s: float) -> dict[int, int]:
    """By device of the room, when its lease ends as things are (ms)."""
    empty = empty_since(room, now) if room.leases else None
    return {device_id: ends_at(lease, empty, empty_hold_s) for device_id, lease in room.leases.items()}


def empty_since(room: RoomState, now: int) -> int | None:
    """Since when nobody has been in the room, by all its motion sensors; None: somebody is, or it is not known."""
    sensors = [device_id for device_id, device in room.devices.items() if device.point("motion") is not None]
    readings = [room.last(device_id, "motion") for device_id in sensors if room.is_fresh(device_id, "motion", now)]
    empty = [reading.changed_at for reading in readings if reading is not None and not reading.value]
    return max(empty) if empty and len(empty) == len(sensors) else None


def _lease(
    device_id: int, owner: Origin, class_: CommandClass, command_id: str, held: Lease | None, now: int, hold_s: float
) -> Lease | None:
    until = now + round(hold_s * 1000)
    active = held if held is not None and held.until > now else None
    if active is not None and (RANK[active.class_] > RANK[class_] or active.until >= until):
        return None
    return Lease(
        device_id=device_id,
        owner=owner,
        class_=class_,
        reason="by hand",
        since=active.since if active is not None else now,
        until=until,
        used_at=now,
        command_id=command_id,
    )
