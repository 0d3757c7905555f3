"""The simulated field buses of a building, and what can go wrong with them."""

from collections.abc import Mapping

from insula.building.model import BuildingPlan, DevicePlan
from insula.errors import InputError
from insula.messages import Protocol
from insula.simulator.faults import (
    Alarm,
    AnyFault,
    DeviceFails,
    DeviceFault,
    DeviceWorks,
    GatewayFault,
    Lock,
    NodeAlive,
    NodeDead,
    RainAlarm,
    SensorDies,
    SensorReports,
    SensorRevives,
    TunnelCut,
    TunnelRestored,
    WallSwitch,
    WindAlarm,
    ZwaveCut,
    ZwaveRestored,
)
from insula.simulator.knx_devices import VirtualKnxBus
from insula.simulator.knx_interface import KnxInterface
from insula.simulator.zwave_network import MOTION_DETECTED
from insula.simulator.zwave_nodes import BATTERY, HUMIDITY, ILLUMINANCE, MOTION, MOTION_STATUS, TEMPERATURE
from insula.simulator.zwave_server import ZwaveServer

ALARM_ROLES: dict[type[Alarm], str] = {WindAlarm: "wind_alarm", RainAlarm: "rain_alarm", Lock: "lock_alarm"}
ENDS: dict[type, type] = {
    SensorRevives: SensorDies,
    NodeAlive: NodeDead,
    TunnelRestored: TunnelCut,
    ZwaveRestored: ZwaveCut,
    DeviceWorks: DeviceFails,
}
"""What ends what."""


class Field:
    """KNX buses and Z-Wave networks by the id of their gateway."""

    def __init__(
        self,
        plan: BuildingPlan,
        interfaces: Mapping[str, KnxInterface],
        buses: Mapping[str, VirtualKnxBus],
        servers: Mapping[str, ZwaveServer],
    ) -> None:
        self._plan = plan
        self._interfaces = interfaces
        self._buses = buses
        self._servers = servers
        self._active: dict[object, AnyFault] = {}

    @property
    def active(self) -> list[AnyFault]:
        """The faults that last until something ends them, oldest first."""
        return list(self._active.values())

    def inject(self, fault: AnyFault) -> None:
        """Make it happen. InputError if the building has no such gateway, node, room, device or point."""
        if isinstance(fault, GatewayFault):
            self._gateway_fault(fault)
        elif isinstance(fault, Alarm):
            self._alarm(fault)
        elif isinstance(fault, WallSwitch):
            bus, device = self._device(fault, fault.point)
            bus.press(fault.room, device.source, fault.point, fault.value, fault.address)
        else:
            bus, device = self._device(fault)
            bus.fail(fault.room, device.source, dead=isinstance(fault, DeviceFails))
        self._remember(fault)

    def _gateway_fault(self, fault: GatewayFault) -> None:
        match fault:
            case TunnelCut():
                self._interface(fault.gateway).cut()
            case TunnelRestored():
                self._interface(fault.gateway).restore()
            case ZwaveCut():
                self._server(fault.gateway).cut()
            case ZwaveRestored():
                self._server(fault.gateway).restore()
            case SensorDies():
                self._server(fault.gateway).silence(fault.node_id)
            case SensorReports():
                for value_id, value in _told(fault):
                    self._server(fault.gateway).report(fault.node_id, value_id, value)
            case NodeDead():
                self._server(fault.gateway).kill_node(fault.node_id)
            case SensorRevives() | NodeAlive():
                self._server(fault.gateway).revive_node(fault.node_id)

    def _alarm(self, fault: Alarm) -> None:
        """Every device of the room that has such an alarm object."""
        role = ALARM_ROLES[type(fault)]
        devices = [device for device in self._devices(fault.room) if _has(device, role)]
        if not devices:
            raise InputError(f"room {fault.room} has no device with a {role}")
        for device in devices:
            self._bus(device.gateway_id).alarm(fault.room, device.source, role, float(fault.active))

    def _device(self, fault: DeviceFault, role: str = "") -> tuple[VirtualKnxBus, DevicePlan]:
        """The first KNX device of the room that is meant, with such a point."""
        for device in self._devices(fault.room):
            meant = fault.source in ("", device.source) and fault.kind in ("", device.kind)
            if meant and (not role or _has(device, role)):
                return self._bus(device.gateway_id), device
        meant_by = " ".join(word for word in (fault.kind, fault.source, role and f"with a {role}") if word)
        raise InputError(f"room {fault.room} has no such KNX device: {meant_by or 'any'}")

    def _devices(self, number: int) -> list[DevicePlan]:
        for room in self._plan.rooms:
            if room.number == number:
                return [device for device in room.devices if device.type == "knx"]
        raise InputError(f"no room {number} in the building")

    def _bus(self, gateway_id: str) -> VirtualKnxBus:
        return self._buses[self._gateway(gateway_id, "knx")]

    def _interface(self, gateway_id: str) -> KnxInterface:
        return self._interfaces[self._gateway(gateway_id, "knx")]

    def _server(self, gateway_id: str) -> ZwaveServer:
        return self._servers[self._gateway(gateway_id, "zwave")]

    def _gateway(self, gateway_id: str, protocol: Protocol) -> str:
        """The gateway's id; of the protocol's default gateway if empty."""
        gateways = [gateway for gateway in self._plan.gateways if gateway.type == protocol]
        for gateway in sorted(gateways, key=lambda gateway: not gateway.default):
            if gateway_id in ("", gateway.id):
                return gateway.id
        raise InputError(f"no {protocol} gateway {gateway_id}".rstrip())

    def _remember(self, fault: AnyFault) -> None:
        """A fault with an end is kept under its target, as the one that it starts or ends."""
        kind = ENDS.get(type(fault), type(fault))
        if isinstance(fault, WallSwitch | SensorReports):
            return
        key = (kind, *(getattr(fault, name) for name in fault.__struct_fields__ if name != "active"))
        self._active.pop(key, None)
        if type(fault) not in ENDS and getattr(fault, "active", True):
            self._active[key] = fault


def _told(fault: SensorReports) -> list[tuple[str, object]]:
    """What a multisensor sends: of motion two values, as the real one does."""
    if fault.point == "motion":
        moves = fault.value > 0
        return [(MOTION, moves), (MOTION_STATUS, MOTION_DETECTED if moves else 0)]
    measured = {"temperature": TEMPERATURE, "humidity": HUMIDITY, "illuminance": ILLUMINANCE, "battery": BATTERY}
    return [(measured[fault.point], fault.value)]


def _has(device: DevicePlan, role: str) -> bool:
    return any(point.role == role for point in device.points)
