"""``GET /history``: a point over any time, from the tier that fits; ``/history/export``: all of its values, as CSV."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream
from msgspec import Meta

from insula.api.access import need, needs
from insula.api.asking import Asked
from insula.api.errors import NotFound, RequestError
from insula.api.rooms import Rooms
from insula.api.times import From, To, moment
from insula.bus.channel import Channel
from insula.clock import Clock
from insula.points import ROLES
from insula.store.engine import Store
from insula.store.history import TierName, series
from insula.store.history_export import COLUMNS, read_rows

DAY_MS = 86_400_000
LONGEST_MS = 4000 * DAY_MS
Points = Annotated[int, QueryParameter(ge=1, le=10_000, description="about so many windows at most")]
Tier = Annotated[TierName, QueryParameter(description="`raw`: as measured; else windows of that width")]


class Window(msgspec.Struct, frozen=True):
    """``mean``: weighted by time; ``known``: for so many ms of the window there was a value."""

    start: Annotated[int, Meta(description="ms of the building's clock")]
    mean: float
    minimum: float
    maximum: float
    last: float
    known: int


class History(msgspec.Struct, frozen=True, kw_only=True):
    device_id: int | None = None
    room: Annotated[int | None, Meta(description="number: of its devices together")] = None
    point: str
    unit: str
    tier: Annotated[TierName, Meta(description="from which table")]
    windows: list[Window]


def history_routes(channel: Channel, rooms: Rooms, store: Store, clock: Clock) -> list[HTTPRouteHandler]:
    @get("/history", summary="A point's values over a time", tags=["history"], opt=needs("rooms"))
    async def history(
        request: Asked,
        point: FromQuery[str],
        device: FromQuery[int | None] = None,
        room: FromQuery[int | None] = None,
        begin: From = "",
        end: To = "",
        points: Points = 500,
    ) -> History:
        """Of a device (its id), or of a room's devices together (its number); by default of the last 24 hours."""
        if (device is None) == (room is None):
            raise RequestError("give a device or a room")
        devices = _of_room(request, room, point) if device is None else [_device(request, device, point)]
        since, until = _span(begin, end)
        async with store.read() as connection:
            found = await series(connection, devices, point, since, until, points)
        windows = [Window(one.start, one.mean, one.minimum, one.maximum, one.last, one.known) for one in found.rollups]
        return History(
            device_id=device, room=room, point=point, unit=ROLES[point].unit, tier=found.tier, windows=windows
        )

    @get(
        "/history/export",
        summary="All values of a point over a time, as CSV",
        tags=["history"],
        opt=needs("rooms"),
        media_type="text/csv",
    )
    async def export(
        request: Asked,
        device: FromQuery[int],
        point: FromQuery[str],
        begin: From = "",
        end: To = "",
        tier: Tier = "raw",
    ) -> Stream:
        """In order of time, as they are read: however many they are. ``time``: ISO 8601, UTC; then the columns of the
        tier."""
        of = _device(request, device, point)
        since, until = _span(begin, end)
        name = f"{point}-{of}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Stream(_lines(store, of, point, tier, since, until), media_type="text/csv", headers=headers)

    def _device(request: Asked, device: int, point: str) -> int:
        _known(point)
        missing = f"device {device} has no point {point}"
        if not channel.devices.has(device, point):
            raise NotFound(missing)
        need(request, "see", channel.devices.room_of(device), missing)
        return device

    def _of_room(request: Asked, number: int | None, point: str) -> list[int]:
        _known(point)
        devices = rooms.devices(rooms.find(request, number or 0))
        having = [device.device_id for device in devices if device.point(point)]
        if not having:
            raise NotFound(f"room {number} has nothing with a {point}")
        return having

    def _span(begin: str, end: str) -> tuple[int, int]:
        until = moment(end, clock.now())
        since = moment(begin, until - DAY_MS)
        if not since < until <= since + LONGEST_MS:
            raise RequestError("a time that ends after it begins, and not more than 4000 days later")
        return since, until

    return [history, export]


def _known(point: str) -> None:
    if point not in ROLES:
        raise RequestError(f"no point {point!r}; there are: {', '.join(ROLES)}")


async def _lines(store: Store, device: int, point: str, tier: TierName, since: int, until: int) -> AsyncIterator[bytes]:
    yield (",".join(("time", *COLUMNS[tier])) + "\n").encode()
    async for rows in read_rows(store, device, point, tier, since, until):
        yield "".join(_line(row) for row in rows).encode()


def _line(row: tuple[Any, ...]) -> str:
    at, *values = row
    time = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return ",".join((time, *(f"{value:.10g}" for value in values))) + "\n"
