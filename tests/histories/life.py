"""A history lived: the real controller on the bus of one process, in virtual time."""

import asyncio
from collections.abc import Sequence

from insula.building.rules import load_ruleset
from insula.building.state import SETTLE_MS
from insula.bus.channel import Channel, Reader
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.controller.controller import Controller
from insula.messages import BuildingSettings, Command, CommandClass, LeaseEnd, Origin, RoomRecord, Rule, RuleSet
from tests.a_room import ZONE, devices
from tests.histories.field import DEVICES, FIRST, Field
from tests.histories.judge import Judge, Sent
from tests.histories.steps import BUILT_IN, NAMES, History, Step, rule_set
from tests.histories.winner import PLAIN, Plain
from tests.virtual_time import HostClock, run

SETTINGS = BuildingSettings(time_zone=ZONE.key, latitude=46.52, longitude=6.57)
BROKEN = RuleSet(
    name="broken", version="0", rules=(Rule(name="x", when="nobody > 1", target="blind.position", value=0),)
)
HANDS: dict[str, tuple[Origin, CommandClass]] = {
    "user": (Origin(kind="user", name="anna"), "occupant"),
    "2020": (Origin(), "occupant"),
    "janitor": (Origin(kind="user", name="ben"), "service"),
}
NOW_S = 0.05
"""What happens at once has happened by then."""
RESEND_S = 5.0
SIGN_OF_LIFE_S = 600.0
REST_S = 10.0


def live(history: History) -> tuple[list[Sent], list[str]]:
    """The commands of its rules, and what must not have been."""
    return run(_live(history))


async def _live(history: History) -> tuple[list[Sent], list[str]]:
    start, steps = history
    life = Life(start)
    try:
        await life.begin()
        for step in steps:
            await life.take(step)
        await life.take(("advance", 60))
    finally:
        await life.end()
    return life.judge.sent, life.judge.faults


class Life:
    def __init__(self, start: int) -> None:
        self.clock = HostClock(start)
        self.bus = MemoryBus(self.clock)
        self.channel = Channel(self.bus, DeviceIndex())
        self.field = Field(self.channel, self.clock)
        self.judge = Judge(self.field, self.clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._instance = 0
        self._controller: asyncio.Task[None] | None = None
        self._edits = 0
        self._broken = False

    async def begin(self) -> None:
        await self.bus.start()
        for device in devices():
            self.channel.devices.put(device)
        self.channel.devices.completed()
        await self.channel.send(SETTINGS, RoomRecord(room_id=1, number=1, floor=4))
        reader = await self.channel.read(["knx", "zwave", "events", "state"], name="history", start="beginning")
        self._tasks.append(asyncio.create_task(self._listen(reader)))
        await self._use(tuple(NAMES))
        self._start()
        await asyncio.sleep(NOW_S)
        for point, value in FIRST.items():
            await self.field.report(point, value)
        await self._pass(SETTLE_MS / 1000 + NOW_S)

    async def end(self) -> None:
        for task in (*self._tasks, *((self._controller,) if self._controller else ())):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.field.close()
        await self.bus.stop()

    async def _listen(self, reader: Reader) -> None:
        while True:
            for received in await reader.batch():
                self.judge.take(received)
                self.field.take(received)

    # --- steps

    async def take(self, step: Step) -> None:
        match step:
            case "report", (str(point), float(value)):
                await self.field.report(point, value)
            case "advance", int(seconds):
                await self._advance(seconds)
            case ("user" | "2020" | "janitor") as who, (str(point), float(value)):
                await self._by_hand(who, point, value)
            case "press", (str(point), float(value)):
                await self.field.press(point, value)
            case "end lease", str(point):
                await self._end_lease(DEVICES[point])
            case "rules", which:
                await self._use(which)
            case "mode", ("observe" | "active") as mode:
                await self.channel.send(RoomRecord(room_id=1, number=1, floor=4, mode=mode))
            case "restart", int(away):
                await self._stop()
                await self._pass(away)
                self._start()
                await self._told_again()
            case "hand over", None:
                old, self._controller = self._controller, None
                self._start()
                await asyncio.sleep(NOW_S)
                await self._stop(old)
                await self._told_again()
            case "clock", int(seconds):
                await self.clock.set(seconds)
                await self._told_again()
            case _:
                await self._change_field(step)
        await asyncio.sleep(NOW_S)
        self.judge.overdue()
        if self._controller is not None and self._controller.done():
            self.judge.fault(f"the controller ended: {self._controller.exception()!r}")

    async def _change_field(self, step: Step) -> None:
        match step:
            case "works", works:
                self.field.works = works
            case "latency", float(seconds):
                self.field.latency_s = seconds
            case "sensor", bool(lives):
                self.field.sensor_lives = lives
            case "link", bool(up):
                await self.field.link(up)

    async def _advance(self, seconds: float) -> None:
        await self._pass(max(0.0, seconds - REST_S))
        before = self.judge.winners()
        await self._pass(min(seconds, REST_S))
        if seconds > SETTLE_MS / 1000 + REST_S + self.field.latency_s:
            self.judge.at_rest(before)

    async def _pass(self, seconds: float) -> None:
        """With signs of life in between."""
        while seconds > 0:
            await asyncio.sleep(min(seconds, SIGN_OF_LIFE_S))
            if seconds >= SIGN_OF_LIFE_S:
                await self.field.alive()
                await asyncio.sleep(NOW_S)
            if self._controller is not None:
                self.judge.overdue()
            seconds -= SIGN_OF_LIFE_S

    async def _by_hand(self, who: str, point: str, value: float) -> None:
        origin, class_ = HANDS[who]
        real, device_id = self.clock.real(), DEVICES[point]
        gateway = "zwave" if point == "level" else "knx"
        await self.channel.send(
            Command(
                id=self.field.id("hand"),
                at=real,
                device_id=device_id,
                gateway_id=gateway,
                point=point,
                value=value,
                class_=class_,
                expires_at=real + 30_000,
                origin=origin,
            )
        )

    async def _end_lease(self, device_id: int) -> None:
        if device_id in self.judge.leases:
            await self.channel.send(LeaseEnd(id=self.field.id("end"), at=self.clock.real(), device_id=device_id))

    async def _use(self, which: object) -> None:
        self._edits += 1
        version, self._broken = f"v{self._edits}", which == "broken"
        if which == "broken":
            await self.channel.send(BROKEN)
        elif which in BUILT_IN:
            self.judge.rules = None
            await self.channel.send(load_ruleset(str(which)))
        else:
            await self.channel.send(rule_set(which, version))
            self.judge.rules = _plain(which)

    # --- the controller

    def _start(self) -> None:
        self._instance += 1
        if self._broken:
            self.judge.rules = None  # which were in force before, nobody knows any more: the set `safety` stands in
        self.judge.another_controller()
        controller = Controller(self.channel, self.clock, str(self._instance))
        self._controller = asyncio.create_task(controller.run())

    async def _stop(self, task: asyncio.Task[None] | None = None) -> None:
        task = task or self._controller
        if task is self._controller:
            self._controller = None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _told_again(self) -> None:
        """Within 5 s gateways have told all again."""
        self.judge.since = self.clock.now()
        await asyncio.sleep(RESEND_S)
        await self.field.alive()


def _plain(names: object) -> Sequence[Plain]:
    by_name = {plain.rule.name: plain for plain in PLAIN}
    assert isinstance(names, tuple)
    return [by_name[name] for name in names]
