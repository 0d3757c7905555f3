"""Part ``history``: rolls Log up and deletes what is past its time. One is enough; several do no harm."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from insula.bus.channel import Channel
from insula.clock import Clock
from insula.errors import Unavailable
from insula.messages import Health
from insula.recorder.retention import Retention
from insula.recorder.rollup import Roller
from insula.store.engine import Store

log = structlog.get_logger("insula.history")

EVERY_S = 300.0
"""Of the building's clock; and at least ``PAUSE_S`` of real time, when that clock runs fast."""
PAUSE_S = 1.0
HEALTH_S = 5.0


class History:
    """``days``: how long each tier is kept (Retention). ``instance``: its name in /health."""

    def __init__(
        self, channel: Channel, store: Store, clock: Clock, days: Mapping[str, int], *, instance: str = "1"
    ) -> None:
        self._channel = channel
        self._clock = clock
        self._instance = instance
        self._roller = Roller(store, clock)
        self._retention = Retention(store, clock, days)
        self._why = ""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._report_health())
            while True:
                await self._work()
                await self._clock.sleep(EVERY_S)
                await self._clock.real_sleep(PAUSE_S)

    async def _work(self) -> None:
        try:
            await self._roller.roll()
            await self._retention.trim()
            self._why = ""
        except (SQLAlchemyError, Unavailable) as error:
            self._why = f"not rolled up: {error}"
            log.error("not rolled up; trying again", why=str(error))

    async def _report_health(self) -> None:
        while True:
            with suppress(Unavailable):  # it is said again soon
                await self._channel.send(
                    Health(
                        part="history",
                        instance=self._instance,
                        at=self._clock.real(),
                        status="degraded" if self._why else "ok",
                        why=self._why,
                        counters={**self._roller.counters, **self._retention.counters},
                    )
                )
            await self._clock.real_sleep(HEALTH_S)
