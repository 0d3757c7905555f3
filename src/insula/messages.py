"""The typed messages: one definition each, for the bus, HTTP and the documents.

Times are whole milliseconds since 1970-01-01 UTC. ``at`` (real time) is when the message was sent; ``measured_at``
and ``changed_at`` follow the building's clock. The forms on the wire are in ``bus/codec.py``.
"""

from collections.abc import Mapping
from typing import Annotated, Literal
from uuid import uuid4

import msgspec

Protocol = Literal["knx", "zwave"]
Quality = Literal["good", "uncertain", "stale"]
Outcome = Literal["done", "refused", "expired", "failed"]
Mode = Literal["observe", "active"]
"""``observe``: the rules decide and report, and nothing that they wish is written; ``active``: it is."""
AlertKind = Literal["away", "battery", "unconfirmed", "load"]
"""``away``: a device, a gateway or a part that is not there, or not well; ``battery``: low; ``unconfirmed``: a command
was done, but the device never showed it; ``load``: the field bus has nearly all the telegrams that it can carry."""
AlertStep = Literal["raised", "acknowledged", "cleared"]
Severity = Literal["info", "warning", "critical"]
CommandClass = Literal["safety", "service", "occupant", "schedule", "comfort", "energy"]
GatewayOption = str | int | float | bool
Text = Annotated[str, msgspec.Meta(max_length=255)]
"""What others send and we send on: a message about a message must not be larger than the bus takes."""
OriginKind = Literal["user", "guest", "rule", "switch", "device", "simulator", "system", "unknown"]

RANK: dict[str, int] = {
    name: rank for rank, name in enumerate(("energy", "comfort", "schedule", "occupant", "service", "safety"))
}
"""The higher wins: safety > service > occupant > schedule > comfort > energy."""

COMMAND_LIFE_MS = 30_000
"""How long a command may wait to be carried out, when its sender does not say (real time)."""


def new_id() -> str:
    return uuid4().hex


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Fields not listed may be added by anyone and are passed over. None can be part of a cycle (hence ``gc``)."""


class Origin(Message, frozen=True, kw_only=True):
    """Who made a message, and the id of what caused it.

    ``kind`` ``device``: it measured or reported by itself; ``switch``: somebody at the wall (``name`` is the KNX
    individual address); ``guest``: who came with a room's code (``name`` is the number of the visit); ``unknown``: a
    program of 2020, which sends none of this: a person, by hand.
    """

    kind: OriginKind = "unknown"
    name: Text = ""
    cause: Text = ""

    @property
    def by_hand(self) -> bool:
        return self.kind in ("user", "guest", "switch", "unknown")


class Reading(Message, frozen=True, kw_only=True):
    """A fact: this point of this device has this value (in the unit of its role, points.py).

    A re-send repeats ``id``, ``measured_at`` and ``changed_at``, and renews ``at`` alone.
    """

    id: str = msgspec.field(default_factory=new_id)
    at: int
    device_id: int
    gateway_id: str
    point: str
    value: float
    measured_at: int
    changed_at: int
    seen_at: int = 0
    """The device's last sign of life (building's clock): roles of freshness ``link`` age from it. 0: as measured_at."""
    quality: Quality = "good"
    origin: Origin = Origin(kind="device")
    resend: bool = False
    """Nothing new in it: it may be dropped before anything else when a reader is slow."""


class Command(Message, frozen=True, kw_only=True):
    """A wish with one addressee: bring this point of this device to this value. Answered by one CommandResult."""

    id: str = msgspec.field(default_factory=new_id)
    at: int
    device_id: int
    gateway_id: str
    point: str
    value: float
    class_: CommandClass = msgspec.field(default="occupant", name="class")
    expires_at: int
    origin: Origin = Origin()


class CommandResult(Message, frozen=True, kw_only=True):
    """What became of a command. ``done``: the field bus took it; that it arrived is a later Reading."""

    id: str = msgspec.field(default_factory=new_id)
    at: int
    command: Command
    outcome: Outcome
    reason: str = ""


class Decision(Message, frozen=True, kw_only=True):
    """The controller's explanation of a command it sent: the rule, the values it saw, the rules that lost.

    ``observed``: the room is only observed: there is no command, this is what it would have been. ``shadow``: neither
    is there one, as the rule is of a set that is only tried beside the one in force.
    """

    id: str = msgspec.field(default_factory=new_id)
    at: int
    decided_at: int = 0
    """The building's time at which it was decided."""
    room_id: int
    device_id: int
    point: str
    value: float
    rule: str
    version: str
    command_id: str
    trigger: str
    """Id of the reading, or the moment (``time:…``), that made the answer change."""
    because: Text = ""
    """The trigger in words: ``humidity of device 3 became 53.2``."""
    values: dict[str, float | str | bool] = {}
    lost: tuple[str, ...] = ()
    observed: bool = False
    shadow: bool = False


class PassedOn(Message, frozen=True, kw_only=True):
    """A reading that a program of 2020 put on another partition than its room's: from the controller that read it
    there, for the one that decides for the room."""

    reading: Reading


class LeaseEnd(Message, frozen=True, kw_only=True):
    """Somebody asks that nobody hold this device any more; the controller that decides for its room ends the lease,
    and the lease's tombstone on topic ``state`` is the answer."""

    id: str = msgspec.field(default_factory=new_id)
    at: int
    device_id: int
    origin: Origin = Origin(kind="user")


class Point(Message, frozen=True, kw_only=True):
    """One point of a device: its role and its address at the gateway.

    KNX: group addresses ``write``, ``status`` and any number of ``listen``, with a datapoint type (empty: the
    role's default). Z-Wave: ``write`` and ``status`` are value ids without the node (``38-0-targetValue``);
    empty: found by role.
    """

    role: str
    dpt: str = ""
    write: str = ""
    status: str = ""
    listen: tuple[str, ...] = ()
    inverted: bool | None = None
    """None: as the role says (points.py)."""


class DeviceRecord(Message, frozen=True, kw_only=True):
    """A device as every part knows it (topic ``db``)."""

    device_id: int
    room_id: int
    room_number: int
    type: Protocol
    gateway_id: str
    kind: str
    """``blind``, ``radiator``, ``lamp``, ``sensor`` ...; with ``bloc`` and ``floor`` a KNX device's name of 2020."""
    bloc: int | None = None
    floor: int | None = None
    node_id: int | None = None
    name: str = ""
    points: tuple[Point, ...] = ()
    default_gateway: bool = True
    """Its gateway is the default one of its protocol: only then do the 2020 keys serve it."""
    options: dict[str, float | str | bool] = {}
    """Per-device settings: ``repeat_s`` (cyclic repetition of a valve, building's clock; 0 = never) ..."""

    def point(self, role: str) -> Point | None:
        return next((point for point in self.points if point.role == role), None)


class Lease(Message, frozen=True, kw_only=True):
    """Who holds a device, and until when (building's clock). The gateway refuses what ranks lower.

    ``used_at``: when it was last driven by hand, from which on its room must be empty for the lease to end early; 0: as
    ``since``.
    """

    device_id: int
    owner: Origin
    class_: CommandClass = msgspec.field(default="occupant", name="class")
    reason: str = ""
    since: int
    until: int
    used_at: int = 0
    command_id: str = ""


class Rule(Message, frozen=True, kw_only=True):
    """One automatic rule: when ``when`` (CEL, over the room's named values) is true, ``target`` wishes ``value``.

    ``target`` is ``kind.point`` (``blind.position``), or ``room.temperature``: ``value`` is then °C that Insula holds.
    ``otherwise``: the wish when the condition is known to be false. Of the rules that drive one thing the first with a
    wish wins, by class, then in their order. A condition with a stale or unknown value that matters has no answer:
    neither it nor the rules after it wish anything. ``scope``: ``floor:2``, ``room:12``, ``tag:office``; empty: the
    building. ``hours`` (``Mo-Fr 07:00-19:00``, local time; empty: always): at others the rule is passed over.
    ``early``: of a ``room.temperature``, before its hours by as long as the room needs to have it when they begin.
    ``dwell_s``: the least time between two moves; ``hysteresis``: docs/how-to/write-rules.md.
    """

    name: str
    when: str
    target: str
    value: float
    otherwise: float | None = None
    class_: CommandClass = msgspec.field(default="comfort", name="class")
    dwell_s: float = 0
    hysteresis: float = 0
    scope: str = ""
    hours: str = ""
    early: bool = False


class RuleSet(Message, frozen=True, kw_only=True):
    """A named, versioned list of rules; key ``rules/<scope>`` on topic ``state``, scope ``building`` for all rooms."""

    name: str
    version: str
    rules: tuple[Rule, ...]


class ShadowRules(Message, frozen=True, kw_only=True):
    """Rules that are decided beside those in force, and only reported; key ``shadow/building`` on topic ``state``."""

    ruleset: RuleSet


class BuildingSettings(Message, frozen=True, kw_only=True):
    """What the building file says to every part; key ``settings/building`` on topic ``state``."""

    name: str = "building"
    time_zone: str = "UTC"
    latitude: float = 0.0
    longitude: float = 0.0
    rules: str = "default"
    hand_hold_s: float = 3600
    """How long what is done by hand holds its device (building's clock)."""
    empty_hold_s: float = 900
    """What is held by hand is let go when its room has been empty for so long (building's clock); 0: at once."""
    country: str = ""
    """ISO 3166-1 alpha-2, whose public holidays are ``holiday`` in rules; empty: there are none."""
    subdivision: str = ""
    """ISO 3166-2 without the country (``VD``): its own holidays too."""
    vacation_from: str = ""
    """The first and the last day of the vacation, ``2026-12-24``; empty: there is none."""
    vacation_to: str = ""


class RoomRecord(Message, frozen=True, kw_only=True):
    """A room; key ``room/<room_id>`` on topic ``state``. ``hand_hold_s``, ``empty_hold_s``: None: as the building's."""

    room_id: int
    number: int
    name: str = ""
    floor: int = 0
    building: str = ""
    tags: tuple[str, ...] = ()
    mode: Mode = "active"
    hand_hold_s: float | None = None
    empty_hold_s: float | None = None


class GatewayRecord(Message, frozen=True, kw_only=True):
    """A KNX interface or a Z-Wave network; key ``gateway/<id>`` on topic ``state``. Options: building/model.py."""

    id: str
    type: Protocol
    default: bool = False
    options: dict[str, GatewayOption] = {}


class RightsVersion(Message, frozen=True, kw_only=True):
    """Accounts, teams or rights have changed: whoever keeps some of them in memory reads them again. Key
    ``rights/building`` on topic ``state``."""

    version: int


class Learned(Message, frozen=True, kw_only=True):
    """What the controller learned of a room; None: not yet. ``lux_per_percent``: lux at the room's sensor a percent of
    lamp level; ``closed_share``: of the daylight, that closed blinds let through (0-1); ``gain_k_h``: how fast the
    room becomes warm (K an hour).

    Key ``learned/<room_id>`` on topic ``state``; so that a restart does not have to learn it again.
    """

    room_id: int
    lux_per_percent: float | None = None
    closed_share: float | None = None
    gain_k_h: float | None = None


class Health(Message, frozen=True, kw_only=True):
    """How a part is, every 5 s; key ``health/<part>/<instance>`` on topic ``state``. Of a gateway its driver tells it,
    with the gateway's name for ``instance``; each process that stands by, part ``standby``: ``<gateway>@<process>``."""

    part: str
    instance: str
    at: int
    status: Literal["ok", "degraded"] = "ok"
    why: str = ""
    counters: Mapping[str, float] = {}
    clock_offset_ms: int = 0
    """How far the clock of its host is ahead of the broker's; 0 with the bus in memory."""
    driven_by: str = ""
    """Of a gateway: the process that drives it."""


class Alert(Message, frozen=True, kw_only=True):
    """Something that a person should see to; key ``alert/<key>`` on topic ``state``, as long as it is open.

    ``key`` is the subject and the kind: there is one alert of it at a time. ``id`` is of this one time. Times are the
    building's; 0: not yet. ``told``: ``<channel>:raised`` or ``<channel>:cleared``, for what was sent to people.
    """

    id: str = msgspec.field(default_factory=new_id)
    key: Text
    kind: AlertKind
    severity: Severity
    text: Text
    """For a person: what is wrong, with which device and in which room."""
    gateway_id: str = ""
    device_id: int | None = None
    room_id: int | None = None
    point: str = ""
    value: float | None = None
    """``unconfirmed``: what was commanded, and never shown."""
    raised_at: int
    acknowledged_at: int = 0
    acknowledged_by: Text = ""
    cleared_at: int = 0
    told: tuple[str, ...] = ()


class AlertEvent(Message, frozen=True, kw_only=True):
    """What became of an alert, on topic ``events``; ``alert`` is as it was then."""

    id: str
    at: int
    what: AlertStep
    alert: Alert


class Acknowledge(Message, frozen=True, kw_only=True):
    """A person has seen this alert; the part ``alerts`` answers with an AlertEvent."""

    id: str = msgspec.field(default_factory=new_id)
    at: int
    alert_id: str
    key: Text
    by: Origin = Origin(kind="user")


StateValue = (
    Lease
    | RuleSet
    | ShadowRules
    | BuildingSettings
    | RightsVersion
    | RoomRecord
    | Learned
    | GatewayRecord
    | Health
    | Alert
)
Event = CommandResult | Decision | LeaseEnd | PassedOn | AlertEvent | Acknowledge
BusMessage = Reading | Command | DeviceRecord | Event | StateValue
