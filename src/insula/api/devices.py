"""The devices and their points: page by page, with what is wrong with them, who holds them, and their last values."""

from collections.abc import Callable
from typing import Annotated, Literal, get_args

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Meta

from insula.access.rights import Level
from insula.api.access import may, need, needs, sees_names
from insula.api.asking import Asked
from insula.api.board import StateBoard
from insula.api.device_health import DeviceHealth, Fault
from insula.api.errors import NotFound
from insula.api.latest import Latest, Value, cause_of
from insula.api.pages import Cursor, Limit, cut, place_of
from insula.bus.channel import Channel
from insula.clock import Clock
from insula.errors import Unavailable
from insula.messages import CommandClass, DeviceRecord, Protocol, Quality
from insula.points import ROLES

AnyFault = Annotated[
    Literal["any", "none"] | Fault | None, QueryParameter(description="that it has; `any`: at least one; `none`: none")
]
AnyQuality = Annotated[Quality | None, QueryParameter(description="of the last value of one of its points")]
Text = Annotated[str, QueryParameter(description="that its name or kind has in it", schema_extra={"maxLength": 200})]


class DevicePoint(msgspec.Struct, frozen=True, kw_only=True):
    """``low``, ``high``: what may be commanded; a reading outside of them is `uncertain`."""

    point: Annotated[str, Meta(examples=["position"])]
    unit: str
    low: float
    high: float
    whole: Annotated[bool, Meta(description="its values are whole numbers")]
    writable: Annotated[bool, Meta(description="whether it can be commanded")]
    alarm: Annotated[bool, Meta(description="while it is 1, the device refuses commands")]


class Holder(msgspec.Struct, frozen=True):
    """Who holds a device, and until when (ms, building's clock)."""

    kind: str
    name: str
    class_: Annotated[CommandClass, Meta(description="what ranks lower is refused")] = msgspec.field(name="class")
    since: int
    until: int


class Device(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    kind: Annotated[str, Meta(examples=["blind"])]
    protocol: Protocol
    gateway: str
    room: Annotated[int, Meta(description="its room's number")]
    points: list[DevicePoint]
    values: Annotated[list[Value], Meta(description="the last of each point that has given one")]
    faults: list[Fault]
    seen_at: Annotated[int | None, Meta(description="last sign of life, ms of the building's clock")]
    battery: Annotated[float | None, Meta(description="%; null: not known, or it has none")]
    held: Holder | None


class DevicePage(msgspec.Struct, frozen=True):
    items: list[Device]
    next: Annotated[str | None, Meta(description="`cursor` of the next page; null: this is the last")]


class DeviceValues(msgspec.Struct, frozen=True):
    device_id: int
    values: list[Value]


class Devices:
    """The devices in the rooms that somebody may see."""

    def __init__(self, channel: Channel, latest: Latest, health: DeviceHealth, board: StateBoard, clock: Clock) -> None:
        self._channel = channel
        self._latest = latest
        self._health = health
        self._board = board
        self._clock = clock

    def seen(self, request: Asked) -> list[DeviceRecord]:
        """Raises Unavailable while the building is not yet known."""
        if not self._channel.devices.known:
            raise Unavailable("the building's devices are not yet known: the directory tells them")
        return [device for device in self._channel.devices if may(request, "see", device.room_id)]

    def find(self, request: Asked, device_id: int, level: Level = "see") -> DeviceRecord:
        """Raises NotFound, Forbidden."""
        missing = f"no device {device_id}"
        room = self._channel.devices.room_of(device_id)
        need(request, level, room, missing)
        if room is None:
            raise NotFound(missing)
        return self._channel.devices.get(device_id)

    def faults(self) -> Callable[[DeviceRecord], list[Fault]]:
        return self._health.faults()

    def values(self, device: DeviceRecord, *, names: bool = True) -> list[Value]:
        return self._latest.of(device, names=names)

    def shown(self, device: DeviceRecord, faults: list[Fault], *, names: bool) -> Device:
        how = self._health.vitals(device)
        return Device(
            id=device.device_id,
            name=device.name or device.kind,
            kind=device.kind,
            protocol=device.type,
            gateway=device.gateway_id,
            room=device.room_number,
            points=points_of(device),
            values=self.values(device, names=names),
            faults=faults,
            seen_at=how.seen_at,
            battery=how.battery,
            held=self._held(device.device_id, names),
        )

    def _held(self, device_id: int, names: bool) -> Holder | None:
        lease = self._board.leases.get(device_id)
        if lease is None or lease.until <= self._clock.now():
            return None
        owner = cause_of(lease.owner, names=names)
        return Holder(owner.kind, owner.name, lease.class_, lease.since, lease.until)


def points_of(device: DeviceRecord) -> list[DevicePoint]:
    """Those whose role this program knows."""
    return [
        DevicePoint(
            point=role.name,
            unit=role.unit,
            low=role.low,
            high=role.high,
            whole=role.whole,
            writable=role.writable and (device.type != "knx" or bool(point.write)),
            alarm=role.alarm,
        )
        for point in device.points
        if (role := ROLES.get(point.role)) is not None
    ]


def device_routes(devices: Devices) -> list[HTTPRouteHandler]:
    @get("/devices", summary="The devices, page by page", tags=["devices"], opt=needs("rooms", guests=True))
    async def device_list(
        request: Asked,
        room: FromQuery[int | None] = None,
        kind: FromQuery[str] = "",
        protocol: FromQuery[Protocol | None] = None,
        gateway: FromQuery[str] = "",
        point: FromQuery[str] = "",
        text: Text = "",
        fault: AnyFault = None,
        quality: AnyQuality = None,
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> DevicePage:
        """In the rooms that one may see; by id. ``room``: its number; ``point``: that it has."""
        faults = devices.faults()

        def wanted(device: DeviceRecord) -> bool:
            return (
                room in (None, device.room_number)
                and kind in ("", device.kind)
                and protocol in (None, device.type)
                and gateway in ("", device.gateway_id)
                and (not point or device.point(point) is not None)
                and text.casefold() in f"{device.name} {device.kind}".casefold()
                and (fault is None or _has(fault, faults(device)))
                and (quality is None or any(value.quality == quality for value in devices.values(device)))
            )

        found = (device for device in devices.seen(request) if wanted(device))
        page, following = cut(found, lambda one: (one.device_id,), place_of(cursor, tuple[int]), limit)
        return DevicePage([devices.shown(one, faults(one), names=sees_names(request)) for one in page], following)

    @get("/devices/{device_id:int}", summary="A device", tags=["devices"], opt=needs("rooms", guests=True))
    async def device(request: Asked, device_id: FromPath[int]) -> Device:
        found = devices.find(request, device_id)
        return devices.shown(found, devices.faults()(found), names=sees_names(request))

    @get(
        "/devices/{device_id:int}/values",
        summary="A device's last values",
        tags=["devices"],
        opt=needs("rooms", guests=True),
    )
    async def values(request: Asked, device_id: FromPath[int]) -> DeviceValues:
        """From memory, as the bus told them last; with age, quality and cause."""
        return DeviceValues(device_id, devices.values(devices.find(request, device_id), names=sees_names(request)))

    return [device_list, device, values]


def _has(fault: str, faults: list[Fault]) -> bool:
    if fault in get_args(Fault):
        return fault in faults
    return bool(faults) == (fault == "any")
