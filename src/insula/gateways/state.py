"""What a gateway knows while it runs. Nothing of it is stored: it comes back from the bus and the devices."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from insula.gateways.gate import Gate
from insula.gateways.pending import Target
from insula.gateways.repeats import Repeats
from insula.gateways.values import LastValues
from insula.messages import DeviceRecord, Origin, new_id

CAUSE_MS: Final = 120_000
"""A device that reports within 2 minutes of a command reports because of it: no blind travels for longer."""


class Causes:
    """Which command, or which press at the wall, a report confirms: the last of the same target (ms, real time)."""

    def __init__(self) -> None:
        self._sent: dict[Target, tuple[str, int]] = {}
        self._pressed: dict[Target, tuple[Origin, int, str]] = {}

    def sent(self, target: Target, command_id: str, real: int) -> None:
        self._sent[target] = (command_id, real)

    def press(self, target: Target, hand: Origin, real: int) -> Origin:
        """The hand's origin with the id of this press as its cause: what the device reports because of one press tells
        the same one. Each press is an origin of its own (port.py)."""
        before, at, pressed = self._pressed.get(target, (hand, 0, ""))
        press_id = pressed if before is hand and real - at <= CAUSE_MS and pressed else new_id()
        self._pressed[target] = (hand, real, press_id)
        self._sent[target] = (press_id, real)
        return replace(hand, cause=press_id)

    def of(self, target: Target, real: int) -> str:
        """The command's id, or empty."""
        command_id, at = self._sent.get(target, ("", 0))
        return command_id if real - at <= CAUSE_MS else ""


@dataclass
class GatewayState:
    """``why`` says what is wrong while the gate is not connected."""

    values: LastValues
    gate: Gate = field(default_factory=Gate)
    repeats: Repeats = field(default_factory=Repeats)
    causes: Causes = field(default_factory=Causes)
    counters: Counter[str] = field(default_factory=Counter)
    why: str = "connecting"
    connected_at: int = 0
    """Of the link as it is, or was last (ms, building's clock)."""
    down_since: int = 0
    """Of a link that is down (ms, real time)."""

    def keep(self, devices: Sequence[DeviceRecord]) -> None:
        """These are the gateway's devices now."""
        self.values.keep(devices)
        self.repeats.keep(devices)
        self.gate.keep({device.device_id for device in devices})
