"""Alerts over HTTP: those that are open, those of before, and a person's word that one was seen."""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from insula.api.access import acting, may, need, needs
from insula.api.asking import Asked
from insula.api.audit import Audit
from insula.api.board import StateBoard
from insula.api.errors import NotFound, RequestError
from insula.bus.channel import Channel
from insula.clock import Clock
from insula.errors import Unavailable
from insula.messages import Acknowledge, Alert, Origin, Text
from insula.store.alerts import Place, list_alerts
from insula.store.engine import Store

All = Annotated[bool, QueryParameter(description="also those that are over, the last raised first")]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="alerts a page")]
Before = Annotated[str, QueryParameter(description="`after` of the page before: the next one")]


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``by``: who has seen it, at the console."""

    by: Text = ""


class AlertBoard:
    """The alerts that are open, as topic ``state`` has them."""

    def __init__(self, board: StateBoard, channel: Channel, clock: Clock) -> None:
        self._board = board
        self._channel = channel
        self._clock = clock

    def open(self) -> list[Alert]:
        """The last raised first."""
        return sorted(self._board.alerts.values(), key=lambda alert: (-alert.raised_at, alert.key))

    def find(self, key: str) -> Alert | None:
        return self._board.alerts.get(key)

    def about(self, alert: Alert) -> dict[str, Any]:
        """For the audit: what it says, of which room and device."""
        room = self._board.rooms.get(alert.room_id or 0)
        of = {} if room is None else {"room": room.number}
        return {"text": alert.text, **of, **({} if alert.device_id is None else {"devices": [alert.device_id]})}

    async def acknowledge(self, key: str, by: str) -> Alert:
        """Returns when the part alerts has written it down. Raises NotFound, and Unavailable when it does not."""
        alert = self._board.alerts.get(key)
        if alert is None:
            raise NotFound(f"no open alert {key}")
        wish = Acknowledge(at=self._clock.real(), alert_id=alert.id, key=key, by=Origin(kind="user", name=by))
        await self._channel.send(wish)
        if not await self._board.until(lambda: self._answer(alert) is not None):
            raise Unavailable("the part alerts does not answer; nothing was acknowledged")
        return self._answer(alert) or alert

    def _answer(self, asked: Alert) -> Alert | None:
        """As it was acknowledged; also when it is over meanwhile. None: not yet."""
        alert = self._board.alerts.get(asked.key)
        if alert is None or alert.id != asked.id:
            return asked
        return alert if alert.acknowledged_at else None


def alert_routes(board: AlertBoard, store: Store, audit: Audit) -> list[HTTPRouteHandler]:
    @get("/alerts", summary="The alerts that are open; or all, page by page", tags=["operation"], opt=needs("rooms"))
    async def alerts(request: Asked, all: All = False, limit: Limit = 100, before: Before = "") -> dict[str, Any]:
        """Of the rooms that one may see; those of gateways and parts for who may see everything."""
        if not all:
            return {"alerts": [shown(one) for one in board.open() if may(request, "see", one.room_id)], "after": None}
        async with store.read() as connection:
            found = await list_alerts(connection, limit=limit, before=_place(before))
        after = f"{found[-1].raised_at},{found[-1].id}" if len(found) == limit else None
        return {"alerts": [shown(one) for one in found if may(request, "see", one.room_id)], "after": after}

    @post(
        "/alerts/{key:str}/acknowledge",
        summary="Say that an alert was seen",
        tags=["operation"],
        status_code=200,
        opt=needs("rooms"),
    )
    async def acknowledge(request: Asked, key: FromPath[str], data: JSONBody[Seen | None] = None) -> dict[str, Any]:
        missing = f"no open alert {key}"
        alert = board.find(key)
        if alert is None:
            raise NotFound(missing)
        need(request, "manage", alert.room_id, missing)
        by = data.by if data is not None else ""
        await audit.note(request, "alert acknowledged", key, by, **board.about(alert))
        return shown(await board.acknowledge(key, acting(request, by)))

    return [alerts, acknowledge]


def _place(before: str) -> Place | None:
    at, _, alert_id = before.partition(",")
    if not before:
        return None
    if not (at.isdecimal() and alert_id):
        raise RequestError(f"before: {before!r} is no place")
    return int(at), alert_id


def shown(alert: Alert) -> dict[str, Any]:
    """Times of what has not happened are left out."""
    fields: dict[str, Any] = msgspec.to_builtins(alert)
    times = ("acknowledged_at", "cleared_at")
    return {name: value for name, value in fields.items() if name != "told" and not (name in times and not value)}
