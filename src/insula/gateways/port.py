"""A gateway's two sides: a field bus below, and the Insula bus above (run.py).

One contract suite (tests/contracts) runs over KNX, Z-Wave and the fake.
"""

from collections.abc import Sequence
from typing import Protocol

from insula.messages import Command, DeviceRecord, Origin


class Upward(Protocol):
    """What a field bus tells the runner. Called from the event loop; never blocks."""

    def may_send(self) -> bool:
        """Whether this process drives the field bus now. A field bus asks before each telegram of its own (reading a
        state, a ping); before those of ``send`` the runner has asked."""

    def connected(self) -> None:
        """The link is up; the field bus will now report, or read, its points' values."""

    def disconnected(self, why: str) -> None:
        """The link is down: every value of this gateway is now of quality ``stale``."""

    def report(
        self,
        device_id: int,
        point: str,
        value: float,
        *,
        origin: Origin | None = None,
        measured_at: int | None = None,
    ) -> None:
        """A point has this value, in the unit of its role (points.py). Insula's percent: 100 = open.
        ``origin`` None: the device itself; a wall switch gives its own, one object a press. ``measured_at`` (building's
        clock; None: just now): a value that the field bus remembers, and the device's last sign of life, which is no
        new one."""

    def alive(self, device_id: int) -> None:
        """A sign of life without a value."""

    def dead(self, device_id: int, why: str) -> None:
        """The device does not answer any more: its values are ``stale`` until it gives a sign of life."""

    def unknown(self, address: str) -> None:
        """A telegram, or a node, that fits no device: counted."""


class FieldBus(Protocol):
    """One KNX interface or one Z-Wave network."""

    telegrams_per_s: float
    """What the bus may be given, real time; 0 = no limit."""
    burst: int
    carries_per_s: float
    """Telegrams that the field bus can carry at most, everybody's; 0: they are not counted."""
    concurrent: int
    """How many ``send`` may be under way at once (KNX: 1, Z-Wave: 8); never two of one device."""

    @property
    def telegrams(self) -> int:
        """Seen on the field bus so far, ours among them."""

    async def serve(self, devices: Sequence[DeviceRecord]) -> None:
        """The devices of this gateway, all of them; called at start and after each change, connected or not."""

    def lead(self) -> None:
        """From now on this process drives the field bus: what may have changed unheard is to be read."""

    async def run(self, up: Upward) -> None:
        """Connect, for ever, with back-off; ends only when cancelled, and then closes the link within 2 s."""

    async def send(self, command: Command) -> None:
        """Put the command on the bus. Returns when the bus took it (KNX: L_DATA.con; Z-Wave: success). Raises
        Refused (not connected, no such point ...) or Failed (no confirmation). The runner has at most
        ``concurrent`` of these under way, and one for a device."""
