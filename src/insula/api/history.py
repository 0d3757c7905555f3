"""``GET /history``: a point's values over any time, from the tier that fits."""

from typing import Annotated, Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter

from insula.api.access import need, needs
from insula.api.asking import Asked
from insula.api.errors import NotFound, RequestError
from insula.api.times import From, To, moment
from insula.bus.channel import Channel
from insula.clock import Clock
from insula.points import ROLES
from insula.store.engine import Store
from insula.store.history import series

DAY_MS = 86_400_000
Points = Annotated[int, QueryParameter(ge=1, le=10_000, description="about so many windows at most")]


def history_route(channel: Channel, store: Store, clock: Clock) -> HTTPRouteHandler:
    @get("/history", summary="A point's values over a time", tags=["history"], opt=needs("rooms"))
    async def history(
        request: Asked,
        device: FromQuery[int],
        point: FromQuery[str],
        begin: From = "",
        end: To = "",
        points: Points = 500,
    ) -> dict[str, Any]:
        """By default the last 24 hours. ``tier``: from which table; each window starts at ``start`` (ms) and has the
        mean, minimum, maximum and last of ``known`` ms."""
        if point not in ROLES:
            raise RequestError(f"no point {point!r}; there are: {', '.join(ROLES)}")
        missing = f"device {device} has no point {point}"
        if not channel.devices.has(device, point):
            raise NotFound(missing)
        need(request, "see", channel.devices.room_of(device), missing)
        until = moment(end, clock.now())
        since = moment(begin, until - DAY_MS)
        async with store.read() as connection:
            found = await series(connection, [device], point, since, until, points)
        windows = [
            {
                "start": one.start,
                "mean": one.mean,
                "minimum": one.minimum,
                "maximum": one.maximum,
                "last": one.last,
                "known": one.known,
            }
            for one in found.rollups
        ]
        return {"device_id": device, "point": point, "unit": ROLES[point].unit, "tier": found.tier, "windows": windows}

    return history
