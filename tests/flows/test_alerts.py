"""What goes wrong in the building is one alert and one message, seen by a person, over by itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from insula.alerts import alerts as part
from insula.alerts.alerts import Alerts
from insula.alerts.notices import GATHER_S, Notice
from insula.building.demo import demo_building
from insula.clock import ManualClock, settle
from insula.errors import Unavailable
from insula.gateways import run
from insula.messages import AlertEvent
from tests.flows.house import House, house

MINUTE = 60
THROTTLE_S = 300


@dataclass
class Post:
    """A way to people. ``broken``: it takes nothing."""

    name: str = "mail"
    broken: bool = False
    tried: int = 0
    sent: list[Notice] = field(default_factory=list)

    async def send(self, notice: Notice) -> None:
        self.tried += 1
        if self.broken:
            raise Unavailable("nobody there")
        self.sent.append(notice)

    @property
    def titles(self) -> list[str]:
        return [notice.title for notice in self.sent]


@dataclass
class Watch:
    """A house whose alerts are watched. ``steps``: what became of them, as it was on the bus."""

    home: House
    post: Post
    steps: list[str] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def begin(self) -> Alerts:
        alerts = Alerts(self.home.channel, self.home.clock, [self.post], throttle_s=THROTTLE_S, least="info")
        self.tasks.append(asyncio.create_task(alerts.run()))
        await settle()
        return alerts

    async def end(self) -> None:
        while self.tasks:
            task = self.tasks.pop()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def listen(self) -> None:
        reader = await self.home.channel.read(["events"], name="test")
        while True:
            for received in await reader.batch():
                if isinstance(received.message, AlertEvent):
                    self.steps.append(f"{received.message.what} {received.message.alert.key}")

    async def live(self, minutes: float, silent: Sequence[int] = ()) -> None:
        """Time passes; each minute every sensor but those ``silent`` reports."""
        for _ in range(round(minutes)):
            for device in self.home.channel.devices:
                if device.point("temperature") and device.device_id not in silent:
                    self.home.zwave.press(device.device_id, "temperature", 20)
                elif device.point("level"):
                    self.home.zwave.press(device.device_id, "level", 0)
            await self.home.clock.advance(MINUTE)

    async def open(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.home.http.get("/api/v1/alerts")).json()["alerts"]
        return found

    async def keys(self) -> list[str]:
        return [alert["key"] for alert in await self.open()]


@asynccontextmanager
async def watched(folder: Path, clock: ManualClock, text: str | None = None) -> AsyncIterator[Watch]:
    async with house(folder, clock, text) as home:
        for device in home.channel.devices:
            for point in device.points:
                if point.role in ("position", "valve"):
                    home.knx.press(device.device_id, point.role, 50)
        watch = Watch(home, Post())
        listening = asyncio.create_task(watch.listen())
        await watch.begin()
        try:
            yield watch
        finally:
            await watch.end()
            listening.cancel()


@pytest.fixture
async def watch(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Watch]:
    async with watched(tmp_path, clock) as it:
        yield it


@pytest.fixture(autouse=True)
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values come again each half minute: hours pass in these tests."""
    monkeypatch.setattr(run, "RESEND_S", 30.0)
    monkeypatch.setattr(run, "HEALTH_S", 10.0)
    monkeypatch.setattr(part, "LOOK_S", 10.0)


async def test_where_all_is_well_there_is_no_alert(watch: Watch) -> None:
    await watch.live(70)
    assert (await watch.open(), watch.steps, watch.post.sent) == ([], [], [])


async def test_a_sensor_that_falls_silent_is_one_alert_that_ends_when_it_returns(watch: Watch) -> None:
    await watch.live(5)
    sensor = watch.home.device(1, "temperature")
    away = f"device-{sensor.device_id}.away"
    await watch.live(29, silent=[sensor.device_id])
    assert await watch.keys() == []
    await watch.live(3, silent=[sensor.device_id])
    assert await watch.keys() == [away]
    answer = await watch.home.http.post(f"/api/v1/alerts/{away}/acknowledge", json={"by": "anna"})
    assert (answer.status_code, answer.json()["acknowledged_by"]) == (200, "anna (console)")
    await watch.live(10, silent=[sensor.device_id])
    assert (await watch.open())[0]["acknowledged_by"] == "anna (console)"
    await watch.live(2)
    assert await watch.keys() == []
    assert watch.steps == [f"raised {away}", f"acknowledged {away}", f"cleared {away}"]
    await watch.live(10)
    assert [title.split(": ", 1)[1].split(" has")[0] for title in watch.post.titles] == [
        f"Multisensor 6 in room 1 (device {sensor.device_id})",
        f"over: Multisensor 6 in room 1 (device {sensor.device_id})",
    ]


async def test_a_dead_node_is_known_at_once(watch: Watch) -> None:
    await watch.live(5)
    sensor = watch.home.device(2, "temperature")
    assert watch.home.zwave._up is not None
    watch.home.zwave._up.dead(sensor.device_id, "no answer")
    await watch.live(3, silent=[sensor.device_id])
    assert [alert["text"] for alert in await watch.open()] == [
        f"Multisensor 6 in room 2 (device {sensor.device_id}) does not answer"
    ]
    await watch.live(1)
    assert await watch.keys() == []


async def test_a_dead_gateway_with_a_hundred_devices_is_one_alert_and_one_message(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with watched(tmp_path, clock, demo_building(50)) as watch:
        await watch.live(3)
        watch.home.zwave.cut()
        await watch.live(3)
        assert await watch.keys() == ["gateway-zwave.away"]
        assert "with 100 devices: cable pulled" in (await watch.open())[0]["text"]
        for _ in range(10):
            await clock.advance(MINUTE)
        assert watch.steps == ["raised gateway-zwave.away"]
        assert len(watch.post.sent) == 1
        watch.home.zwave.restore()
        await watch.live(7)
        assert watch.steps == ["raised gateway-zwave.away", "cleared gateway-zwave.away"]
        assert len(watch.post.sent) == 2


async def test_a_short_cut_is_no_alert(watch: Watch) -> None:
    await watch.live(3)
    watch.home.zwave.cut()
    await watch.home.clock.advance(15)
    watch.home.zwave.restore()
    await watch.live(40)
    assert watch.steps == []


async def test_a_restart_raises_nothing_anew_and_loses_nothing(watch: Watch) -> None:
    await watch.live(3)
    sensor = watch.home.device(1, "temperature")
    await watch.live(33, silent=[sensor.device_id])
    raised = list(watch.steps)
    assert len(raised) == 1
    await watch.end()
    await watch.live(5, silent=[sensor.device_id])
    await watch.begin()
    await watch.live(10, silent=[sensor.device_id])
    assert (watch.steps, len(watch.post.sent)) == (raised, 1)
    await watch.end()
    await watch.live(3)
    await watch.begin()
    await watch.live(3)
    assert watch.steps == [*raised, f"cleared device-{sensor.device_id}.away"]
    await watch.live(6)
    assert len(watch.post.sent) == 2


async def test_of_two_parts_one_tells(watch: Watch) -> None:
    await watch.begin()
    await watch.live(3)
    watch.home.zwave.cut()
    await watch.live(3)
    assert (watch.steps, len(watch.post.sent)) == (["raised gateway-zwave.away"], 1)
    watch.tasks.pop(0).cancel()
    await watch.live(3)
    assert (watch.steps, len(watch.post.sent)) == (["raised gateway-zwave.away"], 1)
    watch.home.zwave.restore()
    await watch.live(6)
    assert watch.steps == ["raised gateway-zwave.away", "cleared gateway-zwave.away"]


async def test_what_could_not_be_sent_is_sent_after_a_restart(watch: Watch) -> None:
    await watch.live(3)
    watch.post.broken = True
    watch.home.zwave.cut()
    await watch.live(10)
    assert watch.post.tried > 2
    assert "mail: nobody there" in (await watch.home.http.get("/health")).json()["parts"]["alerts/1"]["why"]
    await watch.end()
    watch.post.broken = False
    await watch.begin()
    await watch.live(3)
    assert [[alert.key for alert in notice.alerts] for notice in watch.post.sent] == [
        ["gateway-zwave.away", "part-alerts_1.away"]
    ]


async def test_messages_keep_their_distance(watch: Watch) -> None:
    await watch.live(3)
    watch.home.zwave.cut()
    await watch.live(1)
    watch.home.knx.cut()
    await watch.live(1)
    watch.home.zwave.restore()
    await watch.live(3)
    assert len(watch.post.sent) == 1
    await watch.live(THROTTLE_S / MINUTE)
    assert watch.post.titles[1:] == ["Insula: 1 alerts, 1 over"]
    assert watch.post.sent[1].at - watch.post.sent[0].at >= THROTTLE_S * 1000
    assert GATHER_S < THROTTLE_S


async def test_a_command_that_never_shows_is_an_alert_until_it_does(watch: Watch) -> None:
    await watch.live(3)
    blind = watch.home.device(1, "position")
    await watch.home.get("/percentage_blinds", percentage=80)
    await watch.live(2)
    assert await watch.keys() == []
    await watch.live(3)
    alert = (await watch.open())[0]
    assert (alert["key"], alert["point"], alert["value"]) == (f"device-{blind.device_id}.unconfirmed", "position", 80)
    await watch.end()
    await watch.begin()
    await watch.live(3)
    assert len(await watch.open()) == 1
    watch.home.knx.press(blind.device_id, "position", 79)
    await watch.live(1)
    assert await watch.keys() == []


async def test_a_command_that_is_shown_is_none(watch: Watch) -> None:
    await watch.live(3)
    watch.home.knx.echo = True
    await watch.home.get("/percentage_blinds", percentage=80)
    await watch.live(10)
    assert watch.steps == []


async def test_a_low_battery_is_told_until_it_is_changed(watch: Watch) -> None:
    await watch.live(3)
    sensor = await watch.home.measure(1, "battery", 15)
    await watch.live(2)
    assert [alert["severity"] for alert in await watch.open()] == ["info"]
    await watch.home.measure(1, "battery", 17)
    await watch.live(2)
    assert await watch.keys() == [f"device-{sensor.device_id}.battery"]
    await watch.home.measure(1, "battery", 100)
    await watch.live(2)
    assert await watch.keys() == []


async def test_a_part_that_is_silent_is_an_alert(watch: Watch) -> None:
    await watch.live(3)
    recorder = next(task for task in watch.home.tasks if task.get_name() == "recorder")
    recorder.cancel()
    await asyncio.wait([recorder])
    await watch.live(2)
    assert await watch.keys() == ["part-recorder_1.away"]


async def test_acknowledging_what_is_not_there_or_with_nobody_to_write_it_down(watch: Watch) -> None:
    assert (await watch.home.http.post("/api/v1/alerts/nothing/acknowledge")).status_code == 404
    await watch.live(3)
    watch.home.zwave.cut()
    await watch.live(2)
    await watch.end()
    answer = await watch.home.in_the_end(watch.home.http.post("/api/v1/alerts/gateway-zwave.away/acknowledge"))
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "acknowledged_at" not in (await watch.open())[0]


async def test_what_is_over_is_found_among_all(watch: Watch) -> None:
    await watch.live(3)
    watch.home.zwave.cut()
    await watch.live(2)
    watch.home.zwave.restore()
    await watch.live(2)
    async with asyncio.timeout(10):
        while not (found := (await watch.home.http.get("/api/v1/alerts?all=true")).json()["alerts"]) or (
            "cleared_at" not in found[0]
        ):
            await watch.home.clock.advance(0.5)
    assert [alert["key"] for alert in found] == ["gateway-zwave.away"]
    page = (await watch.home.http.get("/api/v1/alerts?all=true&limit=1")).json()
    after = (await watch.home.http.get("/api/v1/alerts", params={"all": "true", "before": page["after"]})).json()
    assert after["alerts"] == []
    assert (await watch.home.http.get("/api/v1/alerts?all=true&before=x")).status_code == 400


async def test_each_devices_health(watch: Watch) -> None:
    await watch.live(3)
    sensor = await watch.home.measure(1, "battery", 8)
    await watch.live(32, silent=[sensor.device_id])
    report = (await watch.home.http.get("/api/v1/devices/health")).json()
    assert report["devices"] == 16
    assert report["counts"] == {"gateway_away": 0, "dead": 0, "silent": 1, "unconfirmed": 0, "low_battery": 1}
    row = report["shown"][0]
    assert (row["device_id"], row["battery"], row["room_number"]) == (sensor.device_id, 8, 1)
    assert watch.home.clock.now() - row["seen_at"] >= 30 * MINUTE * 1000
    assert len((await watch.home.http.get("/api/v1/devices/health?all=true")).json()["shown"]) == 16
    watch.home.knx.cut()
    await watch.home.clock.advance(6)
    counts = (await watch.home.http.get("/api/v1/devices/health")).json()["counts"]
    assert (counts["gateway_away"], counts["dead"]) == (8, 0)


async def test_a_bus_that_is_full_is_an_alert(watch: Watch) -> None:
    await watch.live(2)
    watch.home.knx.carries_per_s = 50
    for _ in range(60):
        watch.home.knx.telegrams += 48 * 5
        await watch.home.clock.advance(5)
    assert await watch.keys() == ["gateway-knx.load"]
    await watch.live(5)
    assert "gateway-knx.load" not in await watch.keys()


async def test_a_device_that_was_removed_has_no_alert(watch: Watch) -> None:
    await watch.live(3)
    sensor = watch.home.device(1, "temperature")
    await watch.live(33, silent=[sensor.device_id])
    assert len(await watch.open()) == 1
    watch.home.channel.devices.remove(sensor.device_id)
    await watch.live(1)
    assert await watch.keys() == []
    assert part.LOOK_S < MINUTE
