"""The simulated building's Z-Wave nodes: multisensors that feel their room, dimmers that light it.

All durations are seconds of the building's clock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from insula.building.model import BuildingPlan, DevicePlan
from insula.simulator.physical import Lamp, RoomWorld
from insula.simulator.zwave_nodes import (
    BATTERY,
    HUMIDITY,
    ILLUMINANCE,
    LEVEL,
    MOTION,
    MOTION_STATUS,
    TARGET,
    TEMPERATURE,
    VirtualNode,
    make_node,
)
from insula.simulator.zwave_server import MAX_LEVEL, ZwaveServer

CYCLE_S = 240.0
"""A multisensor tells everything again so often."""
CLEAR_S = 240.0
"""Motion is over when nobody moved for so long: the ZW100's factory setting (its parameter 3)."""
BATTERY_S = 86_400.0
RAMP_S = 1.0
"""A dimmer from 0 to 100 %."""
MOTION_DETECTED = 8

Report = Callable[[str, object], None]


def _by(step: float) -> Callable[[float, float], bool]:
    return lambda old, new: abs(new - old) > step - 1e-6


def _lux_moved(old: float, new: float) -> bool:
    return abs(new - old) >= max(5.0, old / 10)


MEASURED: Mapping[str, tuple[Callable[[RoomWorld], float], Callable[[float, float], bool]]] = {
    TEMPERATURE: (lambda room: round(room.temperature, 1), _by(0.2)),
    HUMIDITY: (lambda room: float(round(room.humidity)), _by(1)),
    ILLUMINANCE: (lambda room: float(round(room.luminance)), _lux_moved),
}
"""What a multisensor measures, and when it has changed enough to be told."""


@dataclass(slots=True)
class Multisensor:
    """Reports changes, and everything each ``CYCLE_S``."""

    node_id: int
    room: RoomWorld
    told: dict[str, float] = field(default_factory=dict)
    since_cycle: float = CYCLE_S
    since_battery: float = BATTERY_S
    since_people: float = CLEAR_S
    motion: bool | None = None

    def step(self, seconds: float, report: Report) -> None:
        self.since_cycle += seconds
        self.since_battery += seconds
        before = self.motion
        self.feel(seconds)
        if self.motion != before:
            report(MOTION, self.motion)
            report(MOTION_STATUS, MOTION_DETECTED if self.motion else 0)
        due = self.since_cycle >= CYCLE_S
        for value_id, (feel, changed) in MEASURED.items():
            now = feel(self.room)
            if due or changed(self.told.get(value_id, float("inf")), now):
                self.told[value_id] = now
                report(value_id, now)
        if due:
            self.since_cycle = 0.0
        if self.since_battery >= BATTERY_S:
            self.since_battery = 0.0
            report(BATTERY, 95)

    def feel(self, seconds: float) -> None:
        """Whether somebody moves: also while nobody hears it, and then nobody is ever told."""
        self.since_people = 0.0 if self.room.people > 0 else self.since_people + seconds
        self.motion = self.since_people < CLEAR_S


@dataclass(slots=True)
class Dimmer:
    """Takes ``RAMP_S`` for its whole range, and then reports where it is."""

    node_id: int
    lamp: Lamp
    target: float | None = None
    told: int = 0

    def take(self, level: float) -> None:
        self.target = 100.0 if level >= MAX_LEVEL else max(0.0, float(level))

    def step(self, seconds: float, report: Report) -> None:
        if self.target is not None:
            way = 100.0 * seconds / RAMP_S
            self.lamp.set(min(self.lamp.level + way, max(self.lamp.level - way, self.target)))
            if self.lamp.level != self.target:
                return
            self.target = None
            self._tell(report)
        elif self.level() != self.told:  # somebody at the wall
            self._tell(report)

    def level(self) -> int:
        return min(MAX_LEVEL, round(self.lamp.level))

    def _tell(self, report: Report) -> None:
        self.told = self.level()
        report(LEVEL, self.told)


class VirtualZwaveNetwork:
    """The nodes that the plan gives to one gateway, added to ``server``; dimmers put a lamp into their room."""

    def __init__(
        self, server: ZwaveServer, rooms: Mapping[int, RoomWorld], plan: BuildingPlan, gateway_id: str
    ) -> None:
        self.server = server
        self.devices: dict[int, Multisensor | Dimmer] = {}
        for room in plan.rooms:
            for device in room.devices:
                if device.type == "zwave" and device.gateway_id == gateway_id and device.node_id is not None:
                    self._add(device, device.node_id, rooms[room.number])
        server.on_set.append(self._take)
        server.on_poll.append(self._answer)

    def _add(self, device: DevicePlan, node_id: int, room: RoomWorld) -> None:
        if any(point.role in ("level", "position", "switch") for point in device.points):
            lamp = Lamp()
            room.lamps.append(lamp)
            self.devices[node_id] = Dimmer(node_id, lamp)
            self._put("dimmer", node_id, device.name, {LEVEL: 0, TARGET: 0})
        else:
            sensor = self.devices[node_id] = Multisensor(node_id, room)
            self._put("multisensor", node_id, device.name, {})
            sensor.step(0.0, partial(self._set, node_id))

    def _put(self, name: str, node_id: int, label: str, values: Mapping[str, object]) -> None:
        self.server.add(make_node(name, node_id, label))
        for value_id, value in values.items():
            self._set(node_id, value_id, value)

    def _set(self, node_id: int, value_id: str, value: object) -> None:
        self.server.nodes[node_id].values[value_id]["value"] = value

    def step(self, seconds: float) -> None:
        """So many seconds have passed; 0: only what changed is told."""
        for node_id, device in self.devices.items():
            node = self.server.nodes.get(node_id)
            if node is not None and node.silent and isinstance(device, Multisensor):
                device.feel(seconds)
            elif node is not None and not node.silent:
                device.step(seconds, partial(self.server.report, node_id))

    # --- faults: see ZwaveServer

    def silence(self, node_id: int, silent: bool = True) -> None:
        self.server.silence(node_id, silent)

    def kill_node(self, node_id: int) -> None:
        self.server.kill_node(node_id)

    def revive_node(self, node_id: int) -> None:
        self.server.revive_node(node_id)

    def drop_clients(self) -> None:
        self.server.drop_clients()

    def cut(self) -> None:
        self.server.cut()

    def restore(self) -> None:
        self.server.restore()

    def _answer(self, node: VirtualNode, value_id: str) -> None:
        device = self.devices.get(node.node_id)
        if isinstance(device, Multisensor) and value_id in (MOTION, MOTION_STATUS):
            moves = bool(device.motion)
            self._set(node.node_id, value_id, moves if value_id == MOTION else MOTION_DETECTED if moves else 0)
        elif isinstance(device, Dimmer) and value_id == LEVEL:
            self._set(node.node_id, value_id, device.level())

    def _take(self, node: VirtualNode, value_id: str, value: object) -> None:
        device = self.devices.get(node.node_id)
        if isinstance(device, Dimmer) and value_id == TARGET and isinstance(value, int | float):
            device.take(value)
