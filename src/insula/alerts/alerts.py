"""The part alerts: looks every few seconds at what is wrong, keeps the book of alerts, and tells people.

Several may run; one at a time leads, the others know all that it knows. What stands on topic ``state`` is the book.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import structlog

from insula.alerts.book import Book
from insula.alerts.conditions import LIMITS, Limits
from insula.alerts.inspection import Inspection
from insula.alerts.known import Known
from insula.alerts.notices import Delivery, Messenger
from insula.alerts.orders import Orders
from insula.bus.channel import Channel, Reader, Received
from insula.bus.codec import ACKNOWLEDGE, RESULT
from insula.bus.health import tell_health
from insula.bus.keys import alert_key
from insula.bus.port import Partition, Record, reached
from insula.bus.topics import DB, EVENTS, KNX, STATE, ZWAVE
from insula.clock import Clock
from insula.errors import Unavailable, UnknownDevice
from insula.messages import Acknowledge, Alert, AlertEvent, BusMessage, CommandResult, Health, Severity

log = structlog.get_logger("insula.alerts")

LOOK_S = 5.0
RETRY_S = 1.0
SETTLE_MS = 60_000
"""After so long (real time) of leading, what has said nothing of itself is no part of the building."""
LOT = 200
"""Devices looked at before others have their turn."""
ALERT = "alert/"


class Alerts:
    """``confirm_s``: a device has so long to show what it was told (building's clock). ``throttle_s``: a messenger
    sends at most once in so long (real time). ``least``: what is less severe is told to nobody."""

    def __init__(
        self,
        channel: Channel,
        clock: Clock,
        messengers: Sequence[Messenger] = (),
        *,
        limits: Limits = LIMITS,
        confirm_s: float = 180,
        throttle_s: float = 300,
        least: Severity = "warning",
        instance: str = "1",
    ) -> None:
        self.book = Book()
        self.known = Known(Orders(int(confirm_s * 1000)))
        self._channel = channel
        self._clock = clock
        self._limits = limits
        self._instance = instance
        self._deliveries = [
            Delivery(one, self.book, clock, building=lambda: self.known.settings, throttle_s=throttle_s, least=least)
            for one in messengers
        ]
        self._chosen = asyncio.Event()
        self._leads = asyncio.Event()
        self._heard = asyncio.Event()
        self._sending = asyncio.Lock()
        self._led_since = 0

    async def run(self) -> None:
        """Until cancelled."""
        await self._channel.devices.complete()
        name = f"alerts-{self._instance}"
        events = await self._channel.read([EVENTS.name], name=f"{name}-events", wanted=_is_for_us)
        points = await self._channel.read([KNX.name, ZWAVE.name], name=f"{name}-points", slow="latest")
        state = await self._channel.read([STATE.name], name=f"{name}-state", start="beginning")
        try:
            await self._work(points, events, state)
        finally:
            for reader in (points, events, state):
                await reader.close()

    async def _work(self, points: Reader, events: Reader, state: Reader) -> None:
        inspection = Inspection(self.known, self.book, points, self._clock, self._limits)
        membership = await self._channel.bus.join("alerts", DB.name, assigned=self._take, revoked=self._give_up)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_points(points))
                tasks.create_task(self._follow_events(events))
                tasks.create_task(self._follow_state(state))
                tasks.create_task(self._lead(inspection, state))
                tasks.create_task(tell_health(self._channel, self._clock, self._health))
                for delivery in self._deliveries:
                    tasks.create_task(self._deliver(delivery))
        finally:
            await membership.close()

    # --- who leads

    async def _take(self, _partitions: Sequence[Partition]) -> None:
        self._chosen.set()

    async def _give_up(self, _partitions: Sequence[Partition]) -> None:
        self._chosen.clear()
        self._leads.clear()

    async def _lead(self, inspection: Inspection, state: Reader) -> None:
        """Once the book is as topic ``state`` has it: what the one before us wrote is in it."""
        while True:
            await self._chosen.wait()
            ends = await self._channel.bus.end_positions([STATE.name])
            while not reached(state.positions(), ends):
                self._heard.clear()
                await self._heard.wait()
            self._led_since = self._clock.real()
            self._leads.set()
            while self._leads.is_set():
                await self._look(inspection)
                await self._clock.real_sleep(LOOK_S)

    # --- what is heard

    async def _follow_state(self, state: Reader) -> None:
        while True:
            for received in await state.batch():
                self._learn(received)
            self._heard.set()

    def _learn(self, received: Received) -> None:
        """Who leads has what it writes in the book before it comes back."""
        self.known.state(received)
        key = received.record.key
        if self._leads.is_set() or not key.startswith(ALERT):
            return
        if isinstance(received.message, Alert):
            self.book.put(received.message)
            self.known.orders.restore(received.message)
        else:
            self.book.forget(key.removeprefix(ALERT))

    async def _follow_points(self, points: Reader) -> None:
        while True:
            for record in await points.records():
                self.known.point(record, points)

    async def _follow_events(self, events: Reader) -> None:
        while True:
            for received in await events.batch():
                match received.message:
                    case CommandResult() as result:
                        self._take_result(result)
                    case Acknowledge() as wish if self._leads.is_set():
                        await self._acknowledge(wish)

    def _take_result(self, result: CommandResult) -> None:
        try:
            device = self._channel.devices.get(result.command.device_id)
        except UnknownDevice:  # removed since
            return
        self.known.result(result, device, self._clock.now())

    async def _acknowledge(self, wish: Acknowledge) -> None:
        now, real = self._clock.now(), self._clock.real()
        await self._publish(self.book.acknowledge(wish.key, wish.alert_id, wish.by.name, now, real))

    # --- what is wrong

    async def _look(self, inspection: Inspection) -> None:
        devices = list(self._channel.devices)
        if self._clock.real() - self._led_since >= SETTLE_MS:
            await self._publish(inspection.gone(devices))
        await self._publish([*inspection.parts(), *inspection.gateways(devices)])
        for first in range(0, len(devices), LOT):
            lot = devices[first : first + LOT]
            await self._publish(event for device in lot for event in inspection.device(device))
            await asyncio.sleep(0)
        await self._tidy()

    async def _tidy(self) -> None:
        """What is over, and told to all who want to know, is no alert any more."""
        for alert in [alert for alert in self.book.alerts.values() if alert.cleared_at]:
            if not any(delivery.wants(alert) for delivery in self._deliveries):
                self.book.forget(alert.key)
                await self._until_sent(self._channel.forget, STATE.name, alert_key(alert.key))

    # --- what is told

    async def _publish(self, events: Iterable[AlertEvent]) -> None:
        """The state first: who comes after us goes by it, and must not raise the same once more."""
        messages: list[BusMessage] = []
        for event in events:
            messages += (event.alert, event)
            log.info("alert", what=event.what, key=event.alert.key, text=event.alert.text)
        await self._send(messages)
        if messages:
            for delivery in self._deliveries:
                delivery.news.set()

    async def _send(self, messages: Sequence[BusMessage]) -> None:
        if messages:
            await self._until_sent(self._channel.send, *messages)

    async def _until_sent(self, send: Callable[..., Awaitable[None]], *what: Any) -> None:
        """A bus that is away gets it when it is back: it is in the book already."""
        async with self._sending:  # one after the other: an older word on an alert must not come last
            while True:
                try:
                    await send(*what)
                    return
                except Unavailable as error:
                    log.warning("bus away, trying again", why=str(error))
                    await self._clock.real_sleep(RETRY_S)

    async def _deliver(self, delivery: Delivery) -> None:
        while True:
            await self._leads.wait()
            told = await delivery.next()
            await self._send(self.book.told(told, delivery.name))
            await self._tidy()
            await delivery.pause()

    async def _health(self) -> Health:
        why = "; ".join(delivery.why for delivery in self._deliveries if delivery.why)
        return Health(
            part="alerts",
            instance=self._instance,
            at=self._clock.real(),
            status="degraded" if why else "ok",
            why=why,
            counters={
                "open": sum(1 for _ in self.book.open()),
                "leads": float(self._leads.is_set()),
                "untold": sum(len(delivery.due()) for delivery in self._deliveries),
                "sent": sum(delivery.sent for delivery in self._deliveries),
            },
        )


def _is_for_us(record: Record) -> bool:
    return record.key in (RESULT, ACKNOWLEDGE)
