"""``GET /statistics``: what a time was like in a room."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter
from msgspec import Meta

from insula.api.access import needs
from insula.api.asking import Asked
from insula.api.errors import RequestError
from insula.api.rooms import Rooms
from insula.api.times import From, To, moment
from insula.building.rollup import HOUR_MS, Rollup
from insula.building.room_statistics import Comfort, room_hours
from insula.clock import Clock
from insula.points import ROLES, Role
from insula.store.engine import Store
from insula.store.history import Buckets, series
from insula.store.results import count_done

DAY_MS = 86_400_000
LONGEST_MS = 4000 * DAY_MS
USUAL = Comfort()
WINDOWS = 1000
"""A time is looked at in about so many windows: hours are as exact as they are wide."""
Celsius = Annotated[float, QueryParameter(ge=-50, le=100, description="°C")]
Percent = Annotated[float, QueryParameter(ge=0, le=100, description="%: a valve above it heats")]


class PointStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Of the room's devices together. ``mean``: weighted by time; of a point that is 0 or 1: the share at 1."""

    point: str
    unit: str
    mean: float
    minimum: float
    maximum: float
    last: float
    known_h: Annotated[float, Meta(description="hours for which there was a value, summed over devices")]


class Moves(msgspec.Struct, frozen=True):
    """Commands that were carried out; those at the wall are not among them."""

    device_id: int
    by_rule: int
    by_hand: int


class RoomStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of a time, looked at in windows of ``window_ms``. ``valve_percent_h``: 50 % for 2 h are 100: the measure of
    heating that there is without a meter; ``empty_heated_h``: nobody was there, and the valves stood above `heated`."""

    room: int
    begin: int
    end: int
    window_ms: int
    points: list[PointStatistics]
    temperature_known_h: float
    comfort_h: Annotated[float, Meta(description="the temperature was from `low` to `high`")]
    occupied_h: float
    occupied_comfort_h: float
    empty_heated_h: float
    valve_percent_h: float
    lamp_percent_h: float
    moves: list[Moves]


def statistics_route(rooms: Rooms, store: Store, clock: Clock) -> HTTPRouteHandler:
    @get("/statistics", summary="What a time was like in a room", tags=["history"], opt=needs("rooms"))
    async def statistics(
        request: Asked,
        room: FromQuery[int],
        begin: From = "",
        end: To = "",
        low: Celsius = USUAL.low,
        high: Celsius = USUAL.high,
        heated: Percent = USUAL.heated,
    ) -> RoomStatistics:
        """Of a room (its number); by default of the last 24 hours."""
        devices = rooms.devices(rooms.find(request, room))
        until = moment(end, clock.now())
        since = moment(begin, until - DAY_MS)
        if not since < until <= since + LONGEST_MS:
            raise RequestError("a time that ends after it begins, and not more than 4000 days later")
        having: dict[str, list[int]] = {}
        for device in devices:
            for point in device.points:
                if point.role in ROLES and ROLES[point.role].average != "none":
                    having.setdefault(point.role, []).append(device.device_id)
        async with store.read() as connection:
            found = {role: await series(connection, of, role, since, until, WINDOWS) for role, of in having.items()}
            done = await count_done(connection, [device.device_id for device in devices], since, until)
        width = max((_width(one) for one in found.values()), default=0)
        hours = room_hours({role: one.rollups for role, one in found.items()}, width, Comfort(low, high, heated))
        named = {f"{name}_h": round(getattr(hours, name), 3) for name in hours.__slots__}
        return RoomStatistics(
            room=room,
            begin=since,
            end=until,
            window_ms=width,
            points=[_point(ROLES[role], one.rollups) for role, one in found.items() if one.rollups],
            moves=[Moves(device, *counts) for device, counts in sorted(done.items())],
            **named,
        )

    return statistics


def _width(found: Buckets) -> int:
    """ms of its windows; of days with a change of summer time among them, the longest."""
    ends = (found.windows.window(one.start) for one in found.rollups)
    return max((end - start for start, end in ends), default=0)


def _point(role: Role, windows: Sequence[Rollup]) -> PointStatistics:
    known = sum(one.known for one in windows)
    mean = sum(one.mean * one.known for one in windows) / known if known else windows[-1].mean
    return PointStatistics(
        point=role.name,
        unit=role.unit,
        mean=round(mean, 4),
        minimum=min(one.minimum for one in windows),
        maximum=max(one.maximum for one in windows),
        last=windows[-1].last,
        known_h=round(known / HOUR_MS, 3),
    )
