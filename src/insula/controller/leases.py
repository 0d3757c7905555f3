"""Who holds a device, after something was done by hand. Pure."""

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
        command_id=command_id,
    )
