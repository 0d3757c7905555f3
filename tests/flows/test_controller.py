"""Readings in, commands out: the controller on an in-memory bus, nothing else running."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest

from insula.building.rules import load_ruleset
from insula.building.state import SETTLE_MS
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import ManualClock, settle
from insula.controller.controller import Controller
from insula.controller.outbox import LATER_S
from insula.messages import (
    BuildingSettings,
    BusMessage,
    Command,
    CommandResult,
    Decision,
    Health,
    Learned,
    Lease,
    Origin,
    Outcome,
    Rule,
    RuleSet,
)
from tests.a_room import BLIND, HOUR, LAMP, MINUTE, NOON, RADIATOR, SENSOR, ZONE, devices, reading

SETTINGS = BuildingSettings(time_zone=ZONE.key, hand_hold_s=3600)
WARM = Rule(name="warm", when="occupied", target="radiator.valve", value=100)
ANNA = Origin(kind="user", name="anna")
SWITCH = Origin(kind="switch", name="1.1.7")
QUIET = {"motion": 0, "humidity": 40, "illuminance": 500, "position": 50, "valve": 10, "level": 0, "wind_alarm": 0}


@dataclass
class Flow:
    """What goes over the bus beside the controller; each command must be asked for, or the test fails."""

    clock: ManualClock
    bus: MemoryBus
    channel: Channel
    heard: list[BusMessage] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def start(self, instance: str = "1") -> Controller:
        controller = Controller(self.channel, self.clock, instance)
        self.tasks[instance] = asyncio.create_task(controller.run())
        return controller

    async def stop(self, instance: str = "1") -> None:
        task = self.tasks.pop(instance)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def listen(self) -> None:
        reader = await self.channel.read(["knx", "zwave", "events", "state"], name="test")
        while True:
            for received in await reader.batch():
                if received.message is None:
                    self.ended.append(received.record.key)
                else:
                    self.heard.append(received.message)

    async def send(self, *messages: BusMessage) -> None:
        await self.channel.send(*messages)
        await settle()

    async def report(self, point: str, value: float, **more: object) -> None:
        await self.send(reading(point, value, self.clock.now(), **more))

    async def quiet(self, room_id: int = 1, **values: float | None) -> None:
        """All values of a room in which nothing is to be done, but for ``values``; None: not that one."""
        first = 10 * (room_id - 1)
        at = {"position": BLIND, "wind_alarm": BLIND, "valve": RADIATOR, "level": LAMP}
        now = self.clock.now()
        await self.send(
            *(
                reading(point, value, now, device_id=first + at.get(point, 3))
                for point, value in (QUIET | values).items()
                if value is not None
            )
        )

    def take(self, kind: type) -> list:
        found = [message for message in self.heard if isinstance(message, kind)]
        self.heard = [message for message in self.heard if not isinstance(message, kind)]
        return found

    def commands(self) -> list[Command]:
        return [command for command in self.take(Command) if command.origin.kind == "rule"]

    def expect(self, **values: float) -> dict[str, Command]:
        """The commands since the last question are these."""
        commands = self.commands()
        assert sorted((command.point, command.value) for command in commands) == sorted(values.items())
        return {command.point: command for command in commands}

    async def answer(self, command: Command, outcome: Outcome = "done") -> None:
        await self.send(CommandResult(id=f"r{command.id}", at=self.clock.real(), command=command, outcome=outcome))

    async def by_hand(self, point: str, value: float, device_id: int, outcome: Outcome = "done") -> Command:
        command = Command(
            at=self.clock.real(),
            device_id=device_id,
            gateway_id="knx",
            point=point,
            value=value,
            expires_at=self.clock.real() + 30_000,
            origin=ANNA,
        )
        await self.send(command)
        await self.answer(command, outcome)
        return command


@asynccontextmanager
async def flow(
    *, at: int = NOON, rooms: int = 1, settings: BuildingSettings = SETTINGS, start: bool = True
) -> AsyncIterator[Flow]:
    clock = ManualClock(at)
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    for room_id in range(1, rooms + 1):
        for device in devices(room_id):
            channel.devices.put(device)
    channel.devices.completed()
    it = Flow(clock, bus, channel)
    await channel.send(settings)
    listening = asyncio.create_task(it.listen())
    await settle()
    if start:
        it.start()
        await settle()
    try:
        yield it
    finally:
        for instance in tuple(it.tasks):
            await it.stop(instance)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await bus.stop()
    assert it.commands() == []


@pytest.fixture
async def it() -> AsyncIterator[Flow]:
    async with flow() as running:
        yield running


# --- a reading becomes a command


async def test_somebody_comes_and_the_radiator_is_opened(it: Flow) -> None:
    await it.quiet()
    await it.report("motion", 1, id="seen")
    command = it.expect(valve=90)["valve"]
    assert (command.device_id, command.gateway_id, command.class_) == (RADIATOR, "knx", "comfort")
    assert command.origin == Origin(kind="rule", name="radiator high in an occupied room", cause="seen")
    assert command.expires_at == it.clock.real() + 30_000


async def test_each_command_is_explained(it: Flow) -> None:
    await it.quiet(humidity=60)
    (blind,) = it.commands()
    await it.clock.advance(LATER_S)
    (decision,) = it.take(Decision)
    assert (decision.command_id, decision.rule, decision.room_id) == (blind.id, "blinds close when humid", 1)
    assert decision.values["humidity"] == 60
    assert decision.version == load_ruleset("default").version
    assert decision.trigger == blind.origin.cause


async def test_zero_is_a_value_like_any_other(it: Flow) -> None:
    await it.quiet(motion=1, valve=0, illuminance=0, position=0, level=0)
    it.expect(valve=90, position=100, level=90)
    await it.quiet(motion=0, valve=0, illuminance=0, position=0, level=0)


async def test_a_reading_that_changes_nothing_decides_nothing(it: Flow) -> None:
    await it.quiet()
    decided = len(it.take(Decision))
    for _ in range(3):
        await it.clock.advance(5)
        await it.report("humidity", 40)
    assert len(it.take(Decision)) == decided


async def test_nothing_is_decided_before_all_is_known(it: Flow) -> None:
    await it.report("motion", 1)
    await it.report("valve", 10)
    it.expect()
    await it.clock.advance(SETTLE_MS / 1000)
    it.expect(valve=90)


async def test_an_unknown_device_and_room_are_passed_over(it: Flow) -> None:
    await it.quiet()
    it.channel.devices.put(msgspec.structs.replace(devices(2)[2], device_id=99))
    await it.send(reading("motion", 1, NOON, device_id=99))
    stranger = Command(at=NOON, device_id=99, gateway_id="x", point="level", value=1, expires_at=NOON)
    await it.send(CommandResult(at=NOON, command=stranger, outcome="done"))
    it.expect()


# --- open commands and their results


async def test_one_open_command_a_target_and_then_the_newest_wish(it: Flow) -> None:
    await it.quiet()
    await it.report("motion", 1)
    first = it.expect(valve=90)["valve"]
    await it.report("motion", 0)
    it.expect()
    await it.answer(first)
    it.expect(valve=10)


@pytest.mark.parametrize("outcome", ["refused", "failed", "expired"])
async def test_what_was_not_carried_out_is_tried_after_a_minute(it: Flow, outcome: Outcome) -> None:
    await it.quiet()
    await it.report("motion", 1)
    await it.answer(it.expect(valve=90)["valve"], outcome)
    await it.report("humidity", 41)
    await it.clock.advance(59)
    it.expect()
    await it.clock.advance(1)
    again = it.expect(valve=90)["valve"]
    assert again.origin.cause == f"time:{NOON + MINUTE}"


async def test_an_unanswered_command_is_open_until_it_expires(it: Flow) -> None:
    await it.quiet()
    await it.report("motion", 1)
    it.expect(valve=90)
    await it.clock.advance(31)
    it.expect()
    await it.clock.advance(60)
    it.expect(valve=90)


async def test_the_result_of_an_older_command_changes_nothing(it: Flow) -> None:
    await it.quiet()
    await it.report("motion", 1)
    command = it.expect(valve=90)["valve"]
    await it.answer(msgspec.structs.replace(command, id="older"), "failed")
    await it.clock.advance(20)
    it.expect()


async def test_another_controllers_command_counts_as_sent(it: Flow) -> None:
    await it.quiet()
    other = Command(
        at=it.clock.real(),
        device_id=RADIATOR,
        gateway_id="knx",
        point="valve",
        value=90,
        class_="comfort",
        expires_at=it.clock.real() + 30_000,
        origin=Origin(kind="rule", name="r", cause="x"),
    )
    await it.send(other)
    it.take(Command)
    await it.report("motion", 1)
    await it.answer(other)
    it.expect()


# --- time


async def test_seven_in_the_evening_is_a_cause() -> None:
    async with flow(at=NOON + 27 * HOUR // 4) as it:
        await it.quiet(motion=1, valve=90)
        it.expect()
        await it.clock.advance(15 * 60)
        command = it.expect(level=90)["level"]
        assert command.origin.cause == f"time:{NOON + 7 * HOUR}"


async def test_a_stale_value_decides_nothing(it: Flow) -> None:
    await it.quiet(motion=1, valve=90, humidity=40)
    await it.clock.advance(31 * 60)
    await it.report("valve", 50)
    await it.report("level", 30)
    it.expect()


async def test_a_dead_sensor_ages_though_it_is_sent_again(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    humid = reading("humidity", 49, it.clock.now())
    for _ in range(31):
        await it.clock.advance(60)
        await it.send(msgspec.structs.replace(humid, at=it.clock.real(), resend=True))
    await it.send(msgspec.structs.replace(humid, value=60.0, at=it.clock.real(), resend=True))
    it.expect()


# --- by hand


async def test_what_is_done_by_hand_holds_its_device_for_an_hour(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    command = await it.by_hand("valve", 30, RADIATOR)
    (lease,) = it.take(Lease)
    assert lease == Lease(
        device_id=RADIATOR,
        owner=ANNA,
        class_="occupant",
        reason="by hand",
        since=NOON,
        until=NOON + HOUR,
        used_at=NOON,
        command_id=command.id,
    )
    await it.report("valve", 30)
    for _ in range(3):
        await it.clock.advance(19 * 60)
        await it.report("motion", 0)
        await it.report("motion", 1)
    it.expect()
    await it.clock.advance(3 * 60)
    back = it.expect(valve=90)["valve"]
    assert back.origin.cause == f"time:{NOON + HOUR}"
    assert it.ended == [f"lease/{RADIATOR}"]


async def test_each_use_by_hand_extends_the_hold(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    await it.by_hand("valve", 30, RADIATOR)
    await it.clock.advance(50 * 60)
    await it.by_hand("valve", 40, RADIATOR)
    first, second = it.take(Lease)
    assert (second.since, second.until) == (first.since, first.until + 50 * MINUTE)
    await it.clock.advance(59 * 60)
    assert it.ended == []
    await it.clock.advance(60)
    assert it.ended == [f"lease/{RADIATOR}"]


async def test_what_was_refused_by_hand_holds_nothing(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    await it.by_hand("valve", 30, RADIATOR, "refused")
    assert it.take(Lease) == []


async def test_the_wall_switch_holds_too_and_a_resend_does_not_extend(it: Flow) -> None:
    await it.quiet(motion=0)
    await it.report("position", 70, origin=SWITCH, id="pressed")
    (lease,) = it.take(Lease)
    assert (lease.owner, lease.until) == (SWITCH, NOON + HOUR)
    pressed = reading("position", 70, NOON, origin=SWITCH, id="pressed", resend=True)
    await it.clock.advance(5)
    await it.send(msgspec.structs.replace(pressed, at=it.clock.real()))
    assert it.take(Lease) == []
    await it.report("humidity", 60)
    it.expect()


async def test_our_own_commands_echo_is_no_hand(it: Flow) -> None:
    await it.quiet()
    await it.report("motion", 1)
    command = it.expect(valve=90)["valve"]
    await it.answer(command)
    await it.report("valve", 90, origin=Origin(kind="rule", name=command.origin.name, cause=command.id))
    assert it.take(Lease) == []


async def test_a_hold_that_somebody_ends_is_over(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    await it.by_hand("valve", 30, RADIATOR)
    await it.report("valve", 30)
    await it.channel.forget("state", f"lease/{RADIATOR}")
    await settle()
    it.expect(valve=90)


async def test_an_odd_key_stops_nothing(it: Flow) -> None:
    await it.channel.forget("state", "lease/none")
    await it.quiet(motion=1)
    it.expect(valve=90)


async def test_what_cannot_be_dealt_with_is_passed_over(it: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    await it.quiet()
    with monkeypatch.context() as broken:
        broken.setattr("insula.controller.decider.after_command", None)
        await it.by_hand("valve", 30, RADIATOR)
    await it.report("humidity", 60)
    it.expect(position=0, valve=10)


# --- restart and sharing


async def test_a_restart_knows_leases_rules_and_what_it_learned() -> None:
    async with flow(start=False) as it:
        held = Lease(device_id=RADIATOR, owner=ANNA, since=NOON, until=NOON + HOUR)
        await it.send(held, Learned(room_id=1, lux_per_percent=3.0), load_ruleset("2020"))
        controller = it.start()
        await settle()
        await it.quiet(motion=1, valve=30, illuminance=400, level=90)
        it.expect(level=0)
        assert controller.known.rules is not None
        assert controller.known.rules.name == "2020"
        assert controller.known.rooms.get(1).light.daylight == pytest.approx(103)


async def test_a_lease_that_ended_meanwhile_is_taken_away() -> None:
    async with flow(start=False) as it:
        await it.send(Lease(device_id=RADIATOR, owner=ANNA, since=NOON - 2 * HOUR, until=NOON - HOUR))
        it.start()
        await settle()
        assert it.ended == [f"lease/{RADIATOR}"]


async def test_a_switch_pressed_while_nobody_decided_still_holds() -> None:
    async with flow() as it:
        await it.quiet(level=None)
        pressed = NOON - 10 * MINUTE
        await it.send(reading("level", 90, pressed, origin=SWITCH, resend=True))
        (lease,) = it.take(Lease)
        assert (lease.since, lease.until) == (pressed, pressed + HOUR)
        it.expect()


async def test_what_was_learned_is_published() -> None:
    async with flow() as it:
        await it.quiet(motion=1, valve=90, illuminance=10, position=100)
        lamp = it.expect(level=90)["level"]
        await it.answer(lamp)
        await it.report("level", 90)
        for seconds in (5, 120):
            await it.clock.advance(seconds)
            await it.report("illuminance", 280)
        assert it.take(Learned) == [Learned(room_id=1, lux_per_percent=3.0)]
        it.expect()


async def test_two_controllers_share_the_rooms() -> None:
    async with flow(rooms=4) as it:
        it.start("2")
        await settle(200)
        for room_id in (1, 2, 3, 4):
            await it.quiet(room_id, motion=1)
        await settle(100)
        assert sorted(command.device_id for command in it.commands()) == [2, 12, 22, 32]
        await it.stop("2")
        await settle(100)
        assert it.commands() == []
        await it.clock.advance(60)
        for room_id in (1, 2, 3, 4):
            await it.quiet(room_id, motion=0, valve=90)
        await it.clock.advance(120)
        it.take(Command)


async def test_who_takes_rooms_over_decides_by_what_was_said_before() -> None:
    async with flow(rooms=8) as it:
        second = it.start("2")
        await settle(200)
        for room_id in range(1, 9):
            await it.quiet(room_id, motion=1, valve=90)
        unknown = [room.room_id for room in second.known.rooms if room.mean("motion", it.clock.now()) is None]
        assert 0 < len(unknown) < 8
        await it.clock.advance(SETTLE_MS / 1000)
        assert it.commands() == []
        await it.stop("1")
        await settle(200)
        assert all(room.mean("motion", it.clock.now()) for room in second.known.rooms)
        await it.send(RuleSet(name="mine", version="7", rules=(WARM,)))
        assert sorted(command.device_id for command in it.commands()) == [10 * room_id + 2 for room_id in range(8)]


async def test_a_program_of_2020_puts_readings_on_any_partition() -> None:
    async with flow(rooms=4) as it:
        it.start("2")
        await settle(200)
        for room_id in (1, 2, 3, 4):
            await it.quiet(room_id)
        for room_id, number in ((1, 7), (2, 1), (3, 3), (4, 10)):
            motion = it.channel.codec.encode(reading("motion", 1, it.clock.now(), device_id=10 * room_id - 10 + SENSOR))
            await it.bus.publish([msgspec.structs.replace(motion, headers={}, spread=number)])
        await settle(100)
        assert sorted(command.device_id for command in it.commands()) == [2, 12, 22, 32]


# --- rules and settings


async def test_rules_change_while_it_runs(it: Flow) -> None:
    await it.quiet()
    rule = Rule(name="warm", when="temperature < 18.0", target="radiator.valve", value=100)
    await it.send(RuleSet(name="mine", version="7", rules=(rule,)))
    await it.report("temperature", 17)
    command = it.expect(valve=100)["valve"]
    assert command.origin.name == "warm"


async def test_rules_that_do_not_compile_are_refused_and_said_so(it: Flow) -> None:
    await it.quiet()
    await it.send(RuleSet(name="bad", version="8", rules=(Rule(name="x", when="y", target="a.b", value=1),)))
    await it.report("motion", 1)
    it.expect(valve=90)
    await it.clock.advance(5)
    health = it.take(Health)[-1]
    assert (health.status, health.counters["rooms"]) == ("degraded", 1)
    assert "rule set 'bad' is not used" in health.why


async def test_settings_name_the_rules_and_the_hold() -> None:
    async with flow(settings=BuildingSettings(time_zone="Nowhere/Land", rules="2020", hand_hold_s=60)) as it:
        await it.quiet(illuminance=0)
        it.expect(level=90)
        await it.by_hand("valve", 30, RADIATOR)
        await it.clock.advance(60)
        assert it.ended == [f"lease/{RADIATOR}"]
        it.take(Command)


async def test_a_device_more_is_served(it: Flow) -> None:
    await it.quiet(motion=1, valve=90)
    it.channel.devices.put(msgspec.structs.replace(devices()[1], device_id=7, bloc=9))
    it.channel.devices.completed()
    await settle()
    await it.clock.advance(SETTLE_MS / 1000)
    (command,) = it.commands()
    assert (command.device_id, command.value) == (7, 90)
