"""What can go wrong, and what people at the wall do: the faults of the simulated building, one type each."""

from typing import Annotated, Literal

import msgspec

NodeId = Annotated[int, msgspec.Meta(ge=1, le=4000)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag_field="fault", forbid_unknown_fields=True):
    """``fault`` names the type."""


class GatewayFault(Fault, frozen=True, kw_only=True):
    """``gateway``: its id in the building file; without one, the default gateway of the protocol."""

    gateway: str = ""


class SensorDies(GatewayFault, frozen=True, kw_only=True, tag="sensor_dies"):
    """The node falls silent; the controller does not notice."""

    node_id: NodeId


class SensorRevives(GatewayFault, frozen=True, kw_only=True, tag="sensor_revives"):
    node_id: NodeId


class SensorReports(GatewayFault, frozen=True, kw_only=True, tag="sensor_reports"):
    """A multisensor sends this report now, whatever is true: ``point`` is ``motion`` (0 or 1), ``temperature`` (°C),
    ``humidity`` (%), ``illuminance`` (lux) or ``battery`` (%)."""

    node_id: NodeId
    point: Literal["motion", "temperature", "humidity", "illuminance", "battery"]
    value: Annotated[float, msgspec.Meta(ge=-50, le=200_000)]


class NodeDead(GatewayFault, frozen=True, kw_only=True, tag="node_dead"):
    """The controller marks the node dead."""

    node_id: NodeId


class NodeAlive(GatewayFault, frozen=True, kw_only=True, tag="node_alive"):
    node_id: NodeId


class TunnelCut(GatewayFault, frozen=True, kw_only=True, tag="tunnel_cut"):
    """The KNX interface's cable: every tunnel is gone and nobody gets an answer."""


class TunnelRestored(GatewayFault, frozen=True, kw_only=True, tag="tunnel_restored"):
    pass


class ZwaveCut(GatewayFault, frozen=True, kw_only=True, tag="zwave_cut"):
    """The Z-Wave server's connections are lost, new ones refused."""


class ZwaveRestored(GatewayFault, frozen=True, kw_only=True, tag="zwave_restored"):
    pass


class DeviceFault(Fault, frozen=True, kw_only=True):
    """``kind``: which of the room's KNX devices (``blind``, ``radiator`` ...; the first); ``source``: that very one."""

    room: int
    kind: str = ""
    source: str = ""


class DeviceFails(DeviceFault, frozen=True, kw_only=True, tag="device_fails"):
    """A KNX device neither sends nor obeys any more."""


class DeviceWorks(DeviceFault, frozen=True, kw_only=True, tag="device_works"):
    pass


class WallSwitch(DeviceFault, frozen=True, kw_only=True, tag="wall_switch"):
    """Somebody presses a switch: ``value`` is Insula's (100 = open), ``address`` the switch's individual address."""

    point: str
    value: Annotated[float, msgspec.Meta(ge=-50, le=200_000)]
    address: Annotated[str, msgspec.Meta(pattern=r"^\d{1,2}\.\d{1,2}\.\d{1,3}$")] = "1.1.200"


class Alarm(Fault, frozen=True, kw_only=True):
    """An alarm object of the room's blinds: while active, it has them."""

    room: int
    active: bool = True


class WindAlarm(Alarm, frozen=True, kw_only=True, tag="wind_alarm"):
    pass


class RainAlarm(Alarm, frozen=True, kw_only=True, tag="rain_alarm"):
    pass


class Lock(Alarm, frozen=True, kw_only=True, tag="lock"):
    pass


AnyFault = (
    SensorDies
    | SensorRevives
    | SensorReports
    | NodeDead
    | NodeAlive
    | TunnelCut
    | TunnelRestored
    | ZwaveCut
    | ZwaveRestored
    | DeviceFails
    | DeviceWorks
    | WallSwitch
    | WindAlarm
    | RainAlarm
    | Lock
)
