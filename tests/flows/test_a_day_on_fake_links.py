"""A simulated day with cut links and dead sensors: every command is explained, by values that were fresh and true."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import cel
import pytest

from insula.building.demo import demo_plan
from insula.building.rules import CompiledRules, compile_ruleset, load_ruleset
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import ManualClock, settle
from insula.controller.controller import Controller
from insula.gateways.fake import FakeFieldBus
from insula.gateways.run import GatewayRunner
from insula.messages import Command, CommandResult, Decision, DeviceRecord
from insula.simulator.physical import Blind, Lamp, RoomWorld, Valve
from insula.simulator.truth import TruthLog
from insula.simulator.world import World
from tests.a_room import HOUR, MINUTE, NOON

ROOMS = 2
STEP_S = 20
FRESH_MS = 30 * MINUTE
SENSED = {"humidity": 1.0, "illuminance": 5.0, "motion": 0.5, "temperature": 0.2}
"""What a sensor reports a change of; and everything each 4 minutes."""
REPORT_MS = 4 * MINUTE


@dataclass
class Sensor:
    """The room's multisensor. A dead one says nothing, and nothing of it is read anew."""

    device: DeviceRecord
    room: RoomWorld
    bus: FakeFieldBus
    dead_until: int = 0
    told: dict[str, tuple[float, int]] = field(default_factory=dict)

    def truth(self) -> dict[str, float]:
        room = self.room
        return {
            "humidity": round(room.humidity, 1),
            "illuminance": float(round(room.luminance)),
            "motion": float(room.occupied),
            "temperature": round(room.temperature, 1),
        }

    def step(self, now: int) -> None:
        for point, value in self.truth().items():
            if now < self.dead_until:
                self.bus.values.pop((self.device.device_id, point), None)
                continue
            self.bus.values[self.device.device_id, point] = value
            old, at = self.told.get(point, (value, 0))
            if now - at >= REPORT_MS or abs(value - old) >= max(SENSED[point], 0.1 * old * (point == "illuminance")):
                self.told[point] = value, now
                self.bus.press(self.device.device_id, point, value)


@dataclass
class Day:
    """The world, its sensors and actuators, and what was said on the bus."""

    clock: ManualClock
    world: World
    channel: Channel
    knx: FakeFieldBus
    zwave: FakeFieldBus
    log: TruthLog
    sensors: list[Sensor] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    commands: dict[str, Command] = field(default_factory=dict)
    results: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    carried_out: list[tuple[int, int, str, float]] = field(default_factory=list)

    def room_of(self, device_id: int) -> RoomWorld:
        return self.world.rooms[self.channel.devices.get(device_id).room_number]

    async def listen(self) -> None:
        reader = await self.channel.read(["knx", "zwave", "events"], name="test")
        while True:
            for received in await reader.batch():
                match received.message:
                    case Decision() as decision:
                        self.decisions.append(decision)
                    case Command() as command:
                        self.commands[command.id] = command
                    case CommandResult() as result:
                        self.results[result.outcome] += 1

    async def live(self, until: int, faults: Random | None) -> None:
        while self.clock.now() < until:
            await self.clock.advance(STEP_S)
            self.world.step(STEP_S)
            for sensor in self.sensors:
                sensor.step(self.clock.now())
            self._actuate()
            if faults is not None:
                self._break(faults)

    def _actuate(self) -> None:
        for bus in (self.knx, self.zwave):
            for command in bus.sent:
                self._carry_out(command)
            bus.sent.clear()
        for device in self.channel.devices:
            room = self.room_of(device.device_id)
            room.blinds[0].step(STEP_S) if device.kind == "blind" else None
            for point, value in {
                "blind": {"position": room.blinds[0].position},
                "radiator": {"valve": room.valves[0].position},
                "lamp": {"level": room.lamps[0].level},
            }.get(device.kind, {}).items():
                bus = self.knx if device.type == "knx" else self.zwave
                if bus.values.get((device.device_id, point)) != value:
                    bus.press(device.device_id, point, value)

    def _carry_out(self, command: Command) -> None:
        room = self.room_of(command.device_id)
        self.carried_out.append((self.clock.now(), room.number, command.point, command.value))
        match command.point:
            case "position" | "move":
                room.blinds[0].go(command.value)
            case "valve":
                room.valves[0].set(command.value)
            case "level":
                room.lamps[0].set(command.value)

    def _break(self, chance: Random) -> None:
        """Each link is cut about once an hour for some ten minutes; each sensor dies about three times a day for an
        hour."""
        for bus in (self.knx, self.zwave):
            if chance.random() < STEP_S / 3600:
                self.faults["cut"] += 1
                bus.cut()
            elif chance.random() < STEP_S / 600:
                bus.restore()
        for sensor in self.sensors:
            if self.clock.now() >= sensor.dead_until and chance.random() < STEP_S / 28_800:
                self.faults["dead"] += 1
                sensor.dead_until = self.clock.now() + HOUR

    def moves(self, room: int, point: str) -> list[float]:
        return [value for _, number, moved, value in self.carried_out if (number, moved) == (room, point)]


@asynccontextmanager
async def a_day(at: int) -> AsyncIterator[Day]:
    plan = demo_plan(ROOMS)
    clock = ManualClock(at)
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    log = TruthLog()
    day = Day(clock, World(plan, clock, seed=5, log=log), channel, FakeFieldBus(), FakeFieldBus(concurrent=8), log)
    number = 0
    for room_id, room in enumerate(plan.rooms, start=1):
        for device in room.devices:
            number += 1
            record = DeviceRecord(
                device_id=number,
                room_id=room_id,
                room_number=room.number,
                type=device.type,
                gateway_id=device.gateway_id,
                kind=device.kind,
                bloc=device.bloc,
                floor=device.floor,
                node_id=device.node_id,
                name=device.name,
                points=device.points,
            )
            channel.devices.put(record)
            _install(day, record)
    channel.devices.completed()
    await channel.send(plan.settings)
    works = (
        day.listen(),
        GatewayRunner("knx", "knx", day.knx, channel, clock).run(),
        GatewayRunner("zwave", "zwave", day.zwave, channel, clock).run(),
        Controller(channel, clock).run(),
    )
    tasks = [asyncio.create_task(work) for work in works]
    await settle()
    try:
        yield day
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.stop()


def _install(day: Day, device: DeviceRecord) -> None:
    room = day.world.rooms[device.room_number]
    match device.kind:
        case "blind":
            room.blinds.append(Blind())
        case "radiator":
            room.valves.append(Valve(watch_s=0))
        case "lamp":
            room.lamps.append(Lamp())
        case "sensor":
            day.sensors.append(Sensor(device, room, day.zwave))


def explained(decision: Decision, rules: CompiledRules) -> bool:
    """The rule, with the values that the decision names and no others, wishes what was commanded."""
    rule = next(rule for rule in rules.rules if rule.rule.name == decision.rule)
    values = dict(decision.values)
    if "illuminance" in values:
        values["luminance"] = values["illuminance"]
    true = rule.holds(cel.Context(values))
    wish = rule.rule.value if true else rule.rule.otherwise
    return true is not None and wish == decision.value


def untrue(decision: Decision, day: Day) -> list[str]:
    """The values of a decision that were not so in the world at any moment within the freshness limit."""
    room = next(d.room_number for d in day.channel.devices if d.device_id == decision.device_id)
    begin, end = decision.at - FRESH_MS, decision.at
    seen = dict(decision.values)
    daylight = seen.get("illuminance")
    wrong = []
    for name, value, tolerance in (
        ("occupied", seen.get("occupied"), None),
        ("humidity", seen.get("humidity"), 0.2),
        ("luminance", seen.get("illuminance_with_lamp"), 2.0),
    ):
        if value is not None and not day.log.was(room, name, float(value), begin, end, tolerance):
            wrong.append(f"{name} {value}")
    if daylight is not None and not day.log.ever(room, "daylight", begin, end, lambda true: true >= daylight - 6):
        wrong.append(f"daylight {daylight}")
    return wrong


@pytest.mark.parametrize("seed", [None, 1])
async def test_a_day(seed: int | None) -> None:
    midnight = NOON - 12 * HOUR
    rules = compile_ruleset(load_ruleset("default"))
    async with a_day(midnight) as day:
        await day.live(midnight + 24 * HOUR, None if seed is None else Random(seed))
        assert day.decisions
        for decision in day.decisions:
            assert decision.command_id in day.commands
            assert explained(decision, rules), decision
            assert untrue(decision, day) == [], decision
        assert {decision.command_id for decision in day.decisions} == set(day.commands)
        for room in day.world.rooms:
            assert len(day.moves(room, "position")) <= 6, day.moves(room, "position")
            assert len(day.moves(room, "level")) <= 20, day.moves(room, "level")
            assert set(day.moves(room, "valve")) == {10, 90}
        assert day.results["done"] >= 10
        if seed is None:
            assert set(day.results) == {"done"}
        else:
            assert day.faults["cut"] > 10
            assert day.faults["dead"] > 2
