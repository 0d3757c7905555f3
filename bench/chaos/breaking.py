"""What breaks, when, and for how long: drawn by a seed. Times are ms of the building's clock."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from insula.clock import SystemClock
from insula.simulator.faults import (
    AnyFault,
    NodeAlive,
    NodeDead,
    SensorDies,
    SensorRevives,
    TunnelCut,
    TunnelRestored,
    ZwaveCut,
    ZwaveRestored,
)
from insula.simulator.simulation import Simulation

MINUTE_MS = 60_000
NODES = (2, 3, 4, 5, 6, 7, 8, 9)
"""Sensors, and the dimmer beside each."""
SHORT, LONG_DEATH, LONG_CUT = (1, 20), (220, 360), (110, 180)
"""Minutes."""
KNX, ZWAVE, INSULA = "gateway knx", "gateway zwave", "insula"


def node_name(node_id: int) -> str:
    return f"node {node_id}"


@dataclass(slots=True)
class Outage:
    """``what`` was away from ``begin`` to ``end`` (0: still is)."""

    what: str
    begin: int
    end: int = 0


@dataclass
class Breaking:
    """``kill``, ``start``: Insula's process."""

    simulation: Simulation
    clock: SystemClock
    chance: random.Random
    kill: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[None]]
    outages: list[Outage] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Until cancelled. The first hour is quiet."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._nodes(tasks))
            tasks.create_task(self._links())
            tasks.create_task(self._kills())

    async def _pause(self, low: float, high: float) -> None:
        await self.clock.sleep(self.chance.uniform(low, high) * 60)

    async def _nodes(self, tasks: asyncio.TaskGroup) -> None:
        """A node falls silent, or dies and the driver knows it."""
        while True:
            await self._pause(30, 70)
            broken = {outage.what for outage in self.outages if not outage.end}
            whole = [node_id for node_id in NODES if node_name(node_id) not in broken]
            if len(whole) > len(NODES) // 2:
                node_id = self.chance.choice(whole)
                ways: list[tuple[AnyFault, AnyFault]] = [
                    (SensorDies(node_id=node_id), SensorRevives(node_id=node_id)),
                    (NodeDead(node_id=node_id), NodeAlive(node_id=node_id)),
                ]
                tasks.create_task(self._away(node_name(node_id), *self.chance.choice(ways), LONG_DEATH))

    async def _links(self) -> None:
        cuts: list[tuple[str, AnyFault, AnyFault]] = [
            (KNX, TunnelCut(), TunnelRestored()),
            (ZWAVE, ZwaveCut(), ZwaveRestored()),
        ]
        while True:
            await self._pause(90, 240)
            await self._away(*self.chance.choice(cuts), LONG_CUT)

    async def _kills(self) -> None:
        while True:
            await self._pause(200, 420)
            self.counts["kill"] += 1
            outage = self._begins(INSULA)
            await self.kill()
            await self._pause(1, 30)
            await self.start()
            outage.end = self.clock.now()

    async def _away(self, what: str, begin: AnyFault, end: AnyFault, long: tuple[float, float]) -> None:
        self.counts[type(begin).__name__] += 1
        outage = self._begins(what)
        self.simulation.field.inject(begin)
        await self._pause(*self.chance.choice([SHORT, long]))
        self.simulation.field.inject(end)
        outage.end = self.clock.now()

    def _begins(self, what: str) -> Outage:
        outage = Outage(what, self.clock.now())
        self.outages.append(outage)
        return outage
