"""What the contract suite of field buses needs of each implementation: a field bus and its far side.

A rig is made by an async context manager without arguments and is added to ``RIGS`` in test_field_bus.py by
one line. Values are Insula's everywhere (percent: 100 = open or full), whatever the wire says.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from insula.gateways.port import FieldBus
from insula.messages import Command, DeviceRecord, Origin

PATIENCE_S = 20

T = TypeVar("T")
Write = tuple[int, str, float]
"""(device_id, point, value) as the far side understood it."""


class Rig(Protocol):
    """``devices``: at least two that take commands to ``point`` (``position`` on KNX, ``level`` on Z-Wave) and
    report it; the far side is up when the rig is handed over."""

    field_bus: FieldBus
    devices: Sequence[DeviceRecord]
    point: str

    async def see(self) -> Write:
        """Waits for the next write (not a read) that arrives on the far side."""

    async def press(self, device_id: int, point: str, value: float) -> None:
        """The point changes by itself on the far side, which reports it; the far side keeps the value."""

    async def cut(self) -> None:
        """The interface goes away: the link drops and cannot be made again."""

    async def restore(self) -> None:
        """The interface is back; nothing else changes on the far side."""


@dataclass
class Ear:
    """An ``Upward`` that writes down what it is told, and lets a test wait for it."""

    links: list[str] = field(default_factory=list)
    """``connected``, or why not, in order."""
    reports: list[Write] = field(default_factory=list)
    origins: list[Origin | None] = field(default_factory=list)
    lives: list[int] = field(default_factory=list)
    deaths: list[tuple[int, str]] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def connected(self) -> None:
        self._tell(self.links, "connected")

    def disconnected(self, why: str) -> None:
        self._tell(self.links, why)

    def report(
        self,
        device_id: int,
        point: str,
        value: float,
        *,
        origin: Origin | None = None,
        measured_at: int | None = None,
    ) -> None:
        self.origins.append(origin)
        self._tell(self.reports, (device_id, point, value))

    def alive(self, device_id: int) -> None:
        self._tell(self.lives, device_id)

    def dead(self, device_id: int, why: str) -> None:
        self._tell(self.deaths, (device_id, why))

    def may_send(self) -> bool:
        return True

    def unknown(self, address: str) -> None:
        self._tell(self.strangers, address)

    def _tell(self, told: list[T], what: T) -> None:
        told.append(what)
        self._news.set()

    async def until(self, heard: Callable[[], bool]) -> None:
        """Waits until ``heard()`` is true (looked at after each thing told)."""
        async with asyncio.timeout(PATIENCE_S):
            while not heard():
                self._news.clear()
                await self._news.wait()


def command(device_id: int, point: str, value: float, at: int = 0) -> Command:
    return Command(at=at, device_id=device_id, gateway_id="g", point=point, value=value, expires_at=at + 30_000)
