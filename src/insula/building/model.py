"""A building as its file describes it, everything resolved: what import, simulator and gateways start from."""

import msgspec

from insula.messages import BuildingSettings, GatewayOption, Message, Mode, Point, Protocol, RuleSet


class GatewayPlan(Message, frozen=True, kw_only=True):
    """One interface. KNX options: ``connection`` (``tcp``, ``udp``, ``routing``), ``host``, ``port``, ``local_ip``,
    ``multicast``, ``telegrams_per_s`` (20), ``burst`` (5). Z-Wave options: ``url``. One a protocol is the default.
    """

    id: str
    type: Protocol
    default: bool = False
    options: dict[str, GatewayOption] = {}


class BeaconPlan(Message, frozen=True, kw_only=True):
    """An iBeacon: proximity UUID (lower case, hyphens), major and minor (0-65535) name it together."""

    uuid: str
    major: int
    minor: int


class DevicePlan(Message, frozen=True, kw_only=True):
    """A device. ``source`` is the identity by which a later import knows it again."""

    source: str
    type: Protocol
    gateway_id: str
    kind: str
    name: str = ""
    bloc: int | None = None
    floor: int | None = None
    node_id: int | None = None
    points: tuple[Point, ...] = ()
    options: dict[str, float | str | bool] = {}


class RoomPlan(Message, frozen=True, kw_only=True):
    """A room; ``number`` is unique in the building. ``hand_hold_s``, ``empty_hold_s``: None: as the building's;
    ``mode``: None: as it is now, or as the building's."""

    number: int
    floor: int
    name: str = ""
    tags: tuple[str, ...] = ()
    mode: Mode | None = None
    hand_hold_s: float | None = None
    empty_hold_s: float | None = None
    beacons: tuple[BeaconPlan, ...] = ()
    devices: tuple[DevicePlan, ...] = ()


class BuildingPlan(Message, frozen=True, kw_only=True):
    """``rules``: those of the file that the settings name; None if they name a set that comes with Insula. ``mode``:
    of rooms that have none of their own; None: as it is now."""

    site: str
    mode: Mode | None = None
    settings: BuildingSettings = msgspec.field(default_factory=BuildingSettings)
    rules: RuleSet | None = None
    gateways: tuple[GatewayPlan, ...] = ()
    rooms: tuple[RoomPlan, ...] = ()
