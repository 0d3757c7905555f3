"""The last gate before the field bus: link, observed rooms, field alarms, leases, what was just done by hand. Pure."""

from collections.abc import Container

from insula.gateways import reasons
from insula.messages import RANK, BuildingSettings, Command, CommandClass, Lease, Mode, Origin


class Gate:
    """Says whether a command may be carried out now. Times are the building's (ms).

    Two things hold a device: the lease that the controller wrote, and the *hold* that the gateway itself puts on a
    device when it carries out something by hand, until the controller's lease for it arrives.
    """

    def __init__(self) -> None:
        self.settings = BuildingSettings()
        self.connected = False
        self._observed: set[int] = set()
        self._leases: dict[int, Lease] = {}
        self._holds: dict[int, Lease] = {}
        self._alarms: dict[int, set[str]] = {}

    def refusal(self, command: Command, now: int, room_id: int | None = None) -> str:
        """Why the command to a device of this room may not pass; empty if it may."""
        if not self.connected:
            return reasons.NOT_CONNECTED
        if command.origin.kind == "rule" and room_id in self._observed:
            return reasons.OBSERVING
        return self.alarm_of(command.device_id) or self._held(command, now)

    # --- rooms that are only observed: no rule writes there, people do

    def room(self, room_id: int, mode: Mode) -> None:
        if mode == "observe":
            self._observed.add(room_id)
        else:
            self._observed.discard(room_id)

    def observed(self, room_id: int) -> bool:
        return room_id in self._observed

    # --- leases

    def lease(self, lease: Lease) -> None:
        """The controller's lease. It ends the hold, unless that ranks higher: then its own lease is still to come."""
        self._leases[lease.device_id] = lease
        hold = self._holds.get(lease.device_id)
        if hold is not None and RANK[lease.class_] >= RANK[hold.class_]:
            del self._holds[lease.device_id]

    def release(self, device_id: int, now: int) -> None:
        """The controller ended the lease. The hold ends with it, but for one that is newer: when the lease had run
        out by itself, the controller may be tidying up before it has heard of what was just done by hand."""
        lease = self._leases.pop(device_id, None)
        if lease is None or lease.until > now:
            self._holds.pop(device_id, None)

    def hold(self, device_id: int, owner: Origin, class_: CommandClass, now: int, command_id: str = "") -> None:
        """Something was done by hand: nothing that ranks lower may undo it for ``hand_hold_s``."""
        hold, lease = self._holds.get(device_id), self._leases.get(device_id)
        if hold is not None and hold.until > now and RANK[hold.class_] > RANK[class_]:
            return
        if lease is not None and command_id and lease.command_id == command_id:  # it was quicker than a slow device
            return
        self._holds[device_id] = Lease(
            device_id=device_id,
            owner=owner,
            class_=class_,
            reason="by hand",
            since=now,
            until=now + round(self.settings.hand_hold_s * 1000),
            command_id=command_id,
        )

    def _held(self, command: Command, now: int) -> str:
        for lease in (self._leases.get(command.device_id), self._holds.get(command.device_id)):
            if lease is not None and lease.until > now and self._outranks(lease, command):
                return reasons.held(lease.owner, lease.until, now, self.settings.time_zone)
        return ""

    @staticmethod
    def _outranks(lease: Lease, command: Command) -> bool:
        """Equal rank passes, and so does the owner: they may always change their mind."""
        owner, origin = lease.owner, command.origin
        own = (owner.kind, owner.name) == (origin.kind, origin.name)
        return not own and RANK[command.class_] < RANK[lease.class_]

    # --- alarms of the field

    def alarm(self, device_id: int, point: str, on: bool) -> None:
        active = self._alarms.setdefault(device_id, set())
        if on:
            active.add(point)
        else:
            active.discard(point)

    def alarm_of(self, device_id: int) -> str:
        """The alarm that blocks the device, in words; empty if none does."""
        active = self._alarms.get(device_id)
        return reasons.alarm(max(active)) if active else ""  # wind before rain before lock

    def keep(self, device_ids: Container[int]) -> None:
        """Forget the alarms of devices that are gone."""
        self._alarms = {one: points for one, points in self._alarms.items() if one in device_ids}
