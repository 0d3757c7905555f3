"""What is sent to people: one message for all that is to be told, retried until it is taken, and not too often."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from insula.alerts.book import Book, note
from insula.clock import Clock
from insula.errors import InsulaError
from insula.messages import Alert, BuildingSettings, Severity

log = structlog.get_logger("insula.alerts")

GATHER_S = 10.0
"""After the first alert it is waited so long: what fails together is told together (real time)."""
BACK_OFF_S, LONGEST_BACK_OFF_S = 5.0, 600.0
AT_ONCE = 200
"""Alerts named in one message; the others have their turn in the next."""
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Notice:
    """``at``: real time (ms); ``id``: the same for the same alerts."""

    at: int
    building: BuildingSettings
    alerts: Sequence[Alert]

    @property
    def raised(self) -> list[Alert]:
        return [alert for alert in self.alerts if not alert.cleared_at]

    @property
    def cleared(self) -> list[Alert]:
        return [alert for alert in self.alerts if alert.cleared_at]

    @property
    def title(self) -> str:
        if len(self.alerts) == 1:
            return f"{self.building.name}: {'over: ' if self.cleared else ''}{self.alerts[0].text}"
        parts = [(self.raised, "alerts"), (self.cleared, "over")]
        return f"{self.building.name}: " + ", ".join(f"{len(some)} {what}" for some, what in parts if some)

    @property
    def text(self) -> str:
        lines = [f"{self._time(alert.raised_at)}  {alert.severity}: {alert.text}" for alert in self.raised]
        lines += [
            f"{self._time(alert.cleared_at)}  over: {alert.text} (since {self._time(alert.raised_at)})"
            for alert in self.cleared
        ]
        return "\n".join(lines) + "\n"

    def _time(self, moment: int) -> str:
        try:
            zone = ZoneInfo(self.building.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            zone = ZoneInfo("UTC")
        return datetime.fromtimestamp(moment / 1000, zone).strftime("%Y-%m-%d %H:%M")


class Messenger(Protocol):
    """A way to people. ``name`` stands in ``Alert.told``."""

    @property
    def name(self) -> str: ...

    async def send(self, notice: Notice) -> None:
        """Returns when it is taken; raises an InsulaError when it is not."""


class Delivery:
    """One messenger's: what it has not told yet stands in the book, so that a restart loses none of it."""

    def __init__(
        self,
        messenger: Messenger,
        book: Book,
        clock: Clock,
        *,
        building: Callable[[], BuildingSettings],
        throttle_s: float,
        least: Severity,
    ) -> None:
        self.name = messenger.name
        self.why = ""
        self.sent = 0
        self.news = asyncio.Event()
        """Set when the book has changed."""
        self._messenger = messenger
        self._book = book
        self._clock = clock
        self._building = building
        self._throttle_s = throttle_s
        self._least = SEVERITIES.index(least)

    def due(self) -> list[Alert]:
        """What is to be told: it is open and was not told, or it is over and that was not told."""
        return [alert for alert in self._book.alerts.values() if self.wants(alert)][:AT_ONCE]

    def wants(self, alert: Alert) -> bool:
        return SEVERITIES.index(alert.severity) >= self._least and note(alert, self.name) not in alert.told

    async def next(self) -> list[Alert]:
        """Waits until there is something to tell, tells it, and gives the alerts that were told."""
        while not self.due():
            self.news.clear()
            await self.news.wait()
        await self._clock.real_sleep(GATHER_S)
        pause_s = BACK_OFF_S
        while due := self.due():
            try:
                await self._messenger.send(Notice(self._clock.real(), self._building(), due))
            except InsulaError as error:
                self.why = f"{self.name}: {error}"
                log.warning("not sent; trying again", channel=self.name, why=str(error), alerts=len(due))
                await self._clock.real_sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_BACK_OFF_S)
            else:
                self.why = ""
                self.sent += 1
                return due
        self.why = ""
        return []

    async def pause(self) -> None:
        """So long nothing more is sent."""
        await self._clock.real_sleep(self._throttle_s)
