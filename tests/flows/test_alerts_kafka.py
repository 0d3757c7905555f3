"""Two of the part alerts over Kafka: one leads, the other goes on from where it stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from insula.alerts import alerts as part
from insula.alerts.alerts import Alerts
from insula.alerts.conditions import Limits
from insula.bus.channel import Channel, Reader
from insula.bus.devices import DeviceIndex
from insula.bus.kafka import KafkaBus
from insula.clock import SystemClock
from insula.messages import AlertEvent, GatewayRecord, Health
from tests.services.kafka import Cluster
from tests.services.topics import empty_topics

pytestmark = pytest.mark.kafka
PATIENCE_S = 60


@asynccontextmanager
async def process(cluster: Cluster) -> AsyncIterator[Channel]:
    bus, index = KafkaBus(cluster.config, SystemClock()), DeviceIndex()
    await bus.start()
    index.completed()
    try:
        yield Channel(bus, index)
    finally:
        await bus.stop()


@asynccontextmanager
async def running(channel: Channel) -> AsyncIterator[Alerts]:
    alerts = Alerts(channel, SystemClock(), limits=Limits(away_ms=0))
    task = asyncio.create_task(alerts.run())
    try:
        yield alerts
    finally:
        task.cancel()
        await asyncio.wait([task])


async def step(reader: Reader) -> str:
    """The next thing that becomes of an alert of the gateway."""
    while True:
        for received in await reader.batch(1):
            event = received.message
            if isinstance(event, AlertEvent) and event.alert.key == "gateway-knx.away":
                return f"{event.what} {event.alert.id}"


async def test_who_takes_over_raises_nothing_anew_and_clears_it(
    kafka: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "LOOK_S", 0.05)
    await empty_topics(kafka)
    away = Health(part="gateway", instance="knx", at=SystemClock().real(), status="degraded", why="cable pulled")
    async with asyncio.timeout(PATIENCE_S), process(kafka) as one, process(kafka) as other:
        events = await other.read(["events"], name="test")
        async with running(other) as second:
            async with running(one):
                await one.send(GatewayRecord(id="knx", type="knx"), away)
                what, alert_id = (await step(events)).split()
                assert what == "raised"
            while not second._leads.is_set():
                await second._chosen.wait()
                await asyncio.sleep(0)
            assert [alert.id for alert in second.book.open()] == [alert_id]
            await one.send(Health(part="gateway", instance="knx", at=SystemClock().real()))
            assert await step(events) == f"cleared {alert_id}"
