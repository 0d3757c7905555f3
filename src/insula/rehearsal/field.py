"""The devices of a simulated building without their buses: what they feel and do, at once and unfailingly."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from insula.messages import DeviceRecord
from insula.points import ROLES
from insula.simulator.knx_objects import CHANGE, READ, WRITE, Things
from insula.simulator.physical import Lamp, RoomWorld
from insula.simulator.zwave_network import Dimmer, Multisensor
from insula.simulator.zwave_nodes import BATTERY, HUMIDITY, ILLUMINANCE, LEVEL, MOTION, TEMPERATURE

POINTS = {
    TEMPERATURE: "temperature",
    HUMIDITY: "humidity",
    ILLUMINANCE: "illuminance",
    MOTION: "motion",
    LEVEL: "level",
    BATTERY: "battery",
}
"""What a Z-Wave node's values are points of."""
AGAIN_S = 300.0
"""What has not changed is told again so often, as gateways do from memory, or by asking a device at rest."""
DRIVEN = ("level", "switch", "position")

Tell = Callable[[int, str, float], None]
"""Called with the device, the point and the value that it reports."""


class SimulatedDevices:
    """Of one room: its KNX devices by their group objects, its Z-Wave nodes as the simulated network has them."""

    def __init__(self, room: RoomWorld, devices: list[DeviceRecord], tell: Tell) -> None:
        self._tell = tell
        self._since_again = 0.0
        self._nodes: dict[int, Multisensor | Dimmer] = {}
        self._knx: dict[int, KnxDevice] = {}
        for device in devices:
            if device.type == "knx":
                self._knx[device.device_id] = KnxDevice.of(device, room)
            elif any(point.role in DRIVEN for point in device.points):
                room.lamps.append(lamp := Lamp())
                self._nodes[device.device_id] = Dimmer(device.node_id or 0, lamp, told=-1)
            else:
                self._nodes[device.device_id] = Multisensor(device.node_id or 0, room)

    def step(self, seconds: float) -> None:
        for device_id, node in self._nodes.items():
            node.step(seconds, partial(self._report, device_id))
        self._since_again += seconds
        if self._since_again >= AGAIN_S:
            self._tell_again()
        for device_id, device in self._knx.items():
            for point, value in device.step(seconds):
                self._tell(device_id, point, value)

    def drive(self, device_id: int, point: str, value: float) -> None:
        node = self._nodes.get(device_id)
        if isinstance(node, Dimmer):
            node.take(value if point == "level" else 100.0 * value)
        elif device_id in self._knx:
            WRITE[point](self._knx[device_id].things, value)

    def _tell_again(self) -> None:
        """What nodes tell only when it changes."""
        self._since_again = 0.0
        for device_id, node in self._nodes.items():
            if isinstance(node, Dimmer):
                self._report(device_id, LEVEL, node.told)
            elif node.motion is not None:
                self._report(device_id, MOTION, node.motion)

    def _report(self, device_id: int, value_id: str, value: object) -> None:
        point = POINTS.get(value_id)
        if point is not None and isinstance(value, int | float):
            told = 100.0 if point == "level" and value == 99 else float(value)
            self._tell(device_id, point, told)


@dataclass
class KnxDevice:
    """Tells what changes, as its group objects do, and all of it each ``AGAIN_S``."""

    things: Things
    points: tuple[str, ...]
    told: dict[str, float] = field(default_factory=dict)
    since_told: float = AGAIN_S

    @classmethod
    def of(cls, device: DeviceRecord, room: RoomWorld) -> "KnxDevice":
        roles = frozenset(point.role for point in device.points)
        things = Things(room)
        things.install(roles)
        things.valve.watch_s = 0  # its gateway repeats what was commanded
        return cls(things, tuple(role for role in roles if role in READ))

    def step(self, seconds: float) -> Iterator[tuple[str, float]]:
        self.things.step(seconds)
        self.since_told += seconds
        due = self.since_told >= AGAIN_S
        if due:
            self.since_told = 0.0
        for point in self.points:
            value = ROLES[point].clean(READ[point](self.things))
            before = self.told.get(point)
            changed = before is None or (value != before and abs(value - before) >= CHANGE.get(point, 0))
            if (changed and not self._moving(point)) or due:
                self.told[point] = value
                yield point, value

    def _moving(self, point: str) -> bool:
        return point == "position" and self.things.blind.moving
