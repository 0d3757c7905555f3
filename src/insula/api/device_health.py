"""``GET /devices/health``: each device's last sign of life, its battery, and what is wrong with it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, get_args

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from insula.api.access import may, needs
from insula.api.alerts import AlertBoard
from insula.api.asking import Asked
from insula.api.health import HealthBoard
from insula.api.values import LastValues
from insula.building.vitals import Vitals, silent_after, vitals
from insula.bus.channel import Channel
from insula.clock import Clock
from insula.messages import AlertKind, DeviceRecord

Fault = Literal["gateway_away", "dead", "silent", "unconfirmed", "low_battery"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
ALERTS: dict[Fault, AlertKind] = {"unconfirmed": "unconfirmed", "low_battery": "battery"}
"""The faults that are told by an alert."""
LOT = 200
"""Devices looked at before other requests have their turn."""
Everything = Annotated[bool, QueryParameter(description="also those with which nothing is wrong")]


class DeviceHealth:
    """From the last values, how the gateways are, and the alerts that are open."""

    def __init__(
        self, channel: Channel, values: LastValues, health: HealthBoard, alerts: AlertBoard, clock: Clock
    ) -> None:
        self._channel = channel
        self._values = values
        self._health = health
        self._alerts = alerts
        self._clock = clock
        self._since = clock.now()

    async def report(self, visible: Callable[[int], bool], *, everything: bool) -> dict[str, Any]:
        """``visible``: whether a room may be seen. ``counts``: of all devices there, how many have each fault;
        ``shown``: those with one, or all."""
        rows = []
        for number, device in enumerate((one for one in self._channel.devices if visible(one.room_id)), 1):
            rows.append(self._row(device))
            if number % LOT == 0:
                await asyncio.sleep(0)
        self._add_alerts(rows)
        counts = {fault: sum(row[fault] for row in rows) for fault in FAULTS}
        shown = rows if everything else [row for row in rows if any(row[fault] for fault in FAULTS)]
        return {"devices": len(rows), "counts": counts, "shown": shown}

    def faults(self) -> Callable[[DeviceRecord], list[Fault]]:
        """Of a device what is wrong with it, with the alerts as they are now."""
        alerts = self._faulty()

        def of(device: DeviceRecord) -> list[Fault]:
            row = self._row(device) | {name: device.device_id in alerts[kind] for name, kind in ALERTS.items()}
            return [fault for fault in FAULTS if row[fault]]

        return of

    def vitals(self, device: DeviceRecord) -> Vitals:
        return vitals(self._values.all_of(device), self._clock.now())

    def _add_alerts(self, rows: list[dict[str, Any]]) -> None:
        alerts = self._faulty()
        for row in rows:
            row |= {name: row["device_id"] in alerts[kind] for name, kind in ALERTS.items()}

    def _faulty(self) -> dict[str, set[int | None]]:
        """By kind of alert, the devices that have one open."""
        found: dict[str, set[int | None]] = {kind: set() for kind in ALERTS.values()}
        for alert in self._alerts.open():
            found.setdefault(alert.kind, set()).add(alert.device_id)
        return found

    def _row(self, device: DeviceRecord) -> dict[str, Any]:
        now = self._clock.now()
        how = self.vitals(device)
        away = not self._health.well(f"gateway/{device.gateway_id}")
        return {
            "device_id": device.device_id,
            "name": device.name or device.kind,
            "room_number": device.room_number,
            "gateway_id": device.gateway_id,
            "seen_at": how.seen_at,
            "battery": how.battery,
            "gateway_away": away,
            "dead": how.dead and not away,
            "silent": self._silent(device, how, now),
        }

    def _silent(self, device: DeviceRecord, how: Vitals, now: int) -> bool:
        """One that was never heard of has time from our start on."""
        limit = silent_after(device)
        return limit is not None and now - (how.seen_at or self._since) >= limit


def device_health_route(health: DeviceHealth) -> HTTPRouteHandler:
    @get(
        "/devices/health",
        summary="Each device's last sign of life, and what is wrong with it",
        tags=["operation"],
        opt=needs("rooms"),
    )
    async def device_health(request: Asked, all: Everything = False) -> dict[str, Any]:
        """In the rooms that one may see."""
        return await health.report(partial(may, request, "see"), everything=all)

    return device_health
