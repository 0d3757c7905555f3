"""The arrow from the bus to the field bus and back: a running gateway over the fake field bus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from insula.bus.channel import Channel, Reader
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.bus.port import Outgoing
from insula.clock import ManualClock, settle
from insula.errors import Failed, Unavailable
from insula.gateways import reasons, run
from insula.gateways.fake import FakeFieldBus
from insula.gateways.run import GatewayRunner
from insula.messages import (
    COMMAND_LIFE_MS,
    BuildingSettings,
    BusMessage,
    Command,
    CommandResult,
    DeviceRecord,
    Health,
    Lease,
    Origin,
    Point,
    Reading,
    RoomRecord,
)

ANNA = Origin(kind="user", name="anna")
BEN = Origin(kind="user", name="ben")
RULE = Origin(kind="rule", name="humid")
WALL = Origin(kind="switch", name="1.1.7")
BLIND, OTHER_BLIND, RADIATOR, FOREIGN = 7, 8, 9, 70


def device(device_id: int, kind: str, *roles: str, gateway_id: str = "knx-1", **options: float) -> DeviceRecord:
    return DeviceRecord(
        device_id=device_id,
        room_id=1,
        room_number=1,
        type="knx",
        gateway_id=gateway_id,
        kind=kind,
        default_gateway=False,
        points=tuple(Point(role=role) for role in roles),
        options=dict(options),
    )


BUILDING = (
    device(BLIND, "blind", "position", "move", "stop", "slat", "wind_alarm", "humidity"),
    device(OTHER_BLIND, "blind", "position"),
    device(RADIATOR, "radiator", "valve"),
    device(FOREIGN, "blind", "position", gateway_id="knx-2"),
)


@dataclass
class GatewayKit:
    """A gateway at work. ``ask`` publishes a command; what it answered and told is in ``heard``."""

    clock: ManualClock
    channel: Channel
    field_bus: FakeFieldBus
    heard: list[BusMessage] = field(default_factory=list)

    async def serve(self, *devices: DeviceRecord) -> None:
        """The list of the building's devices, as the directory publishes it."""
        await self.channel.send(*devices)
        await self.channel.bus.publish([Outgoing("db", "end_read_db", b"{}")])
        await settle()

    def wish(self, value: float, device_id: int = BLIND, point: str = "position", **fields: Any) -> Command:
        now = self.clock.real()
        fields = {"origin": RULE, "class_": "comfort", "expires_at": now + 30_000, "gateway_id": "knx-1", **fields}
        return Command(at=now, device_id=device_id, point=point, value=value, **fields)

    async def ask(self, value: float, device_id: int = BLIND, point: str = "position", **fields: Any) -> Command:
        command = self.wish(value, device_id, point, **fields)
        await self.send(command)
        return command

    async def by_hand(self, value: float, device_id: int = BLIND, point: str = "position", **fields: Any) -> Command:
        return await self.ask(value, device_id, point, **{"origin": ANNA, "class_": "occupant", **fields})

    async def send(self, *messages: BusMessage) -> None:
        await self.channel.send(*messages)
        await settle()

    async def press(self, value: float, device_id: int = BLIND, point: str = "position", **fields: Any) -> None:
        self.field_bus.press(device_id, point, value, **fields)
        await settle()

    async def cut(self) -> None:
        self.field_bus.cut()
        await settle()

    async def restore(self) -> None:
        self.field_bus.restore()
        await settle()

    @property
    def sent(self) -> list[tuple[int, str, float]]:
        return [(command.device_id, command.point, command.value) for command in self.field_bus.sent]

    def results(self, *commands: Command) -> list[str]:
        """``outcome: reason`` of each command; fails unless each has exactly one result."""
        told = []
        for command in commands:
            answers = [one for one in self.heard if isinstance(one, CommandResult) and one.command.id == command.id]
            assert len(answers) == 1, f"{len(answers)} results"
            assert answers[0].command == command
            told.append(f"{answers[0].outcome}: {answers[0].reason}".removesuffix(": "))
        return told

    def result(self, command: Command) -> str:
        return self.results(command)[0]

    def unanswered(self, command: Command) -> bool:
        return not any(isinstance(one, CommandResult) and one.command.id == command.id for one in self.heard)

    def readings(self, point: str, *, resend: bool | None = False, device_id: int = BLIND) -> list[Reading]:
        """What was published of a point, in order; ``resend`` None: with the re-sends."""
        return [
            one
            for one in self.heard
            if isinstance(one, Reading)
            and (one.device_id, one.point) == (device_id, point)
            and resend in (None, one.resend)
        ]

    @property
    def health(self) -> Health:
        return [one for one in self.heard if isinstance(one, Health)][-1]

    async def listen(self, reader: Reader) -> None:
        try:
            while True:
                self.heard += [one.message for one in await reader.batch() if one.message is not None]
        finally:
            await reader.close()


@asynccontextmanager
async def working(*tasks: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def gateway(
    clock: ManualClock, field_bus: FakeFieldBus, *before: BusMessage, bus: MemoryBus | None = None
) -> AsyncIterator[GatewayKit]:
    """``before`` is on the bus when the gateway starts."""
    bus = bus or MemoryBus(clock)
    await bus.start()
    kit = GatewayKit(clock, Channel(bus, DeviceIndex()), field_bus)
    listener = await kit.channel.read(["knx", "events", "state"], name="test", start="beginning")
    runner = GatewayRunner("knx-1", "knx", field_bus, kit.channel, clock)
    devices = asyncio.create_task(kit.channel.follow_devices())
    async with working(devices):
        await kit.serve(*BUILDING)
        await kit.send(*before)
        async with working(asyncio.create_task(runner.run()), asyncio.create_task(kit.listen(listener))):
            await settle()
            yield kit
    await bus.stop()


@pytest.fixture
def field_bus() -> FakeFieldBus:
    return FakeFieldBus()


@pytest.fixture
async def kit(clock: ManualClock, field_bus: FakeFieldBus) -> AsyncIterator[GatewayKit]:
    async with gateway(clock, field_bus) as kit:
        yield kit


@pytest.fixture
async def slow(clock: ManualClock) -> AsyncIterator[GatewayKit]:
    """A bus that takes one telegram a second, whose first token is spent."""
    async with gateway(clock, FakeFieldBus(telegrams_per_s=1, burst=1)) as kit:
        await kit.ask(1, OTHER_BLIND)
        kit.field_bus.sent.clear()
        yield kit


# --- one command, one result


@pytest.mark.parametrize("value", [0.0, 42.0, 100.0])
async def test_a_command_is_sent_and_answered(kit: GatewayKit, value: float) -> None:
    command = await kit.ask(value)
    assert kit.sent == [(BLIND, "position", value)]
    assert kit.result(command) == "done"
    assert kit.field_bus.sent == [command]


async def test_a_command_with_a_free_token_is_sent_in_the_same_turn_or_two(kit: GatewayKit) -> None:
    await kit.channel.send(kit.wish(42))
    await settle(3)
    assert kit.sent == [(BLIND, "position", 42)]


async def test_commands_to_other_gateways_are_passed_over(kit: GatewayKit) -> None:
    command = await kit.ask(42, FOREIGN, gateway_id="knx-2")
    assert kit.sent == []
    assert kit.unanswered(command)


@pytest.mark.parametrize(
    ("device_id", "point", "value", "reason"),
    [
        (BLIND, "position", 101, None),
        (BLIND, "humidity", 50, "humidity cannot be written"),
    ],
)
async def test_what_is_impossible_is_refused(
    kit: GatewayKit, device_id: int, point: str, value: float, reason: str | None
) -> None:
    command = await kit.ask(value, device_id, point)
    assert kit.sent == []
    if reason is None:  # the codec does not let it through
        assert kit.unanswered(command)
    else:
        assert kit.result(command) == f"refused: {reason}"


async def test_a_second_copy_is_not_carried_out_again(kit: GatewayKit) -> None:
    command = await kit.ask(42)
    await kit.send(command)
    await kit.clock.advance(29)
    await kit.send(command)
    assert len(kit.sent) == 1
    assert kit.result(command) == "done"


async def test_a_copy_of_an_expired_command_is_not_carried_out_either(kit: GatewayKit) -> None:
    command = await kit.ask(42)
    await kit.clock.advance(60)
    await kit.send(command)
    assert len(kit.sent) == 1


async def test_a_command_that_arrives_too_late_is_expired(kit: GatewayKit) -> None:
    command = await kit.ask(42, expires_at=kit.clock.real() - 1)
    assert kit.sent == []
    assert kit.result(command) == "expired: its time was over"


async def test_what_the_field_bus_refuses_or_fails_is_answered_so(kit: GatewayKit) -> None:
    kit.field_bus.refuse("no such object")
    kit.field_bus.fail("no acknowledgement")
    refused, failed = await kit.ask(10), await kit.ask(20)
    assert kit.results(refused, failed) == ["refused: no such object", "failed: no acknowledgement"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (asyncio.CancelledError(), "link lost while sending"),
        (TimeoutError(), "no confirmation"),
        (RuntimeError("bug"), "internal error, see the log"),
        (Unavailable("server away"), "server away"),
    ],
)
async def test_whatever_a_library_raises_is_an_answer_and_stops_nothing(
    kit: GatewayKit, error: BaseException, reason: str
) -> None:
    kit.field_bus.fail(error)
    failed, after = await kit.ask(10), await kit.ask(20)
    assert kit.results(failed, after) == [f"failed: {reason}", "done"]


def early(clock: ManualClock) -> Command:
    """Asked before the gateway started."""
    at = clock.real()
    return Command(
        at=at, device_id=BLIND, gateway_id="knx-1", point="position", value=1, expires_at=at + COMMAND_LIFE_MS
    )


async def test_what_was_asked_before_the_gateway_started_is_not_done_but_answered(
    clock: ManualClock, field_bus: FakeFieldBus
) -> None:
    command = early(clock)
    async with gateway(clock, field_bus, command) as kit:
        assert kit.unanswered(command)
        await clock.advance(COMMAND_LIFE_MS / 1000 + run.HEALTH_S)
        assert kit.result(command) == f"expired: {reasons.UNATTENDED}"
        assert kit.sent == []


async def test_what_was_asked_and_answered_before_the_gateway_started_is_answered_once(
    clock: ManualClock, field_bus: FakeFieldBus
) -> None:
    command = early(clock)
    done = CommandResult(at=clock.real(), command=command, outcome="done")
    async with gateway(clock, field_bus, command, done) as kit:
        await clock.advance(COMMAND_LIFE_MS / 1000 + run.HEALTH_S)
        assert kit.results(command) == ["done"]


# --- who may


def lease(clock: ManualClock, owner: Origin = ANNA) -> Lease:
    return Lease(device_id=BLIND, owner=owner, class_="occupant", since=clock.now(), until=clock.now() + 3_600_000)


async def test_leases_from_before_the_start_are_known_before_the_first_command(
    clock: ManualClock, field_bus: FakeFieldBus
) -> None:
    async with gateway(clock, field_bus, lease(clock)) as kit:
        assert kit.result(await kit.ask(42)) == "refused: held by user anna until 01:00"
        assert kit.sent == []


async def test_when_the_lease_is_ended_rules_drive_again(kit: GatewayKit) -> None:
    await kit.send(lease(kit.clock))
    held = await kit.ask(42)
    await kit.channel.forget("state", f"lease/{BLIND}")
    await settle()
    free = await kit.ask(43)
    assert kit.results(held, free) == ["refused: held by user anna until 01:00", "done"]


async def test_what_is_done_by_hand_holds_the_device_at_once(kit: GatewayKit) -> None:
    hand, rule = kit.wish(80, origin=ANNA, class_="occupant"), kit.wish(0)
    await kit.send(hand, rule)
    assert kit.sent == [(BLIND, "position", 80)]
    assert kit.results(hand, rule) == ["done", "refused: held by user anna until 01:00"]
    assert kit.result(await kit.by_hand(70, origin=BEN)) == "done"
    assert "held by user ben" in kit.result(await kit.ask(0))


async def test_a_command_that_failed_holds_nothing(kit: GatewayKit) -> None:
    kit.field_bus.fail("no acknowledgement")
    await kit.by_hand(80)
    assert kit.result(await kit.ask(0)) == "done"


async def test_how_long_it_holds_and_the_time_zone_are_settings(kit: GatewayKit) -> None:
    await kit.send(BuildingSettings(time_zone="Europe/Paris", hand_hold_s=60))
    await kit.by_hand(80)
    assert kit.result(await kit.ask(0)) == "refused: held by user anna until 01:01"
    await kit.clock.advance(60)
    assert kit.result(await kit.ask(0)) == "done"


async def test_a_wall_switch_holds_its_device_as_a_hand_does(kit: GatewayKit) -> None:
    await kit.press(30, origin=WALL)
    assert kit.result(await kit.ask(0)) == "refused: held by switch 1.1.7 until 01:00"
    pressed = kit.readings("position")[-1].origin
    assert pressed == msgspec.structs.replace(WALL, cause=pressed.cause)


async def test_what_a_device_tells_because_of_one_press_names_it(kit: GatewayKit) -> None:
    await kit.press(30, origin=WALL)
    await kit.press(20, origin=WALL)
    again = msgspec.structs.replace(WALL)
    await kit.press(60, origin=again)
    await kit.press(61)
    first, second, third, arrived = (reading.origin for reading in kit.readings("position")[-4:])
    assert first.cause == second.cause != third.cause
    assert (arrived.kind, arrived.cause) == ("device", third.cause)


async def test_a_command_already_waiting_cannot_undo_the_wall_switch(slow: GatewayKit) -> None:
    waiting = await slow.ask(0)
    await slow.press(30, origin=WALL)
    await slow.clock.advance(1)
    assert slow.sent == []
    assert slow.result(waiting).startswith("refused: held by switch")


OBSERVED = RoomRecord(room_id=1, number=1, mode="observe")
ACTIVE = RoomRecord(room_id=1, number=1, mode="active")


async def test_in_a_room_that_is_observed_no_rule_writes_but_a_person_does(kit: GatewayKit) -> None:
    await kit.send(OBSERVED)
    assert kit.result(await kit.ask(0, class_="safety")) == "refused: observing"
    assert kit.sent == []
    assert kit.result(await kit.by_hand(80, OTHER_BLIND)) == "done"
    await kit.send(ACTIVE)
    assert kit.result(await kit.ask(0)) == "done"


async def test_a_command_already_waiting_is_not_sent_into_a_room_that_is_observed(slow: GatewayKit) -> None:
    waiting = await slow.ask(0)
    await slow.send(OBSERVED)
    await slow.clock.advance(1)
    assert (slow.sent, slow.result(waiting)) == ([], "refused: observing")


async def test_a_valve_is_not_told_again_in_a_room_that_is_observed(kit: GatewayKit) -> None:
    await kit.serve(device(RADIATOR, "radiator", "valve", repeat_s=10))
    await kit.ask(40, RADIATOR, "valve")
    await kit.send(OBSERVED)
    await kit.clock.advance(60)
    assert kit.sent == [(RADIATOR, "valve", 40)]


async def test_an_alarm_refuses_what_comes_and_what_waits(slow: GatewayKit) -> None:
    waiting = await slow.by_hand(100)
    await slow.press(1, point="wind_alarm")
    later = await slow.by_hand(90, class_="safety")
    await slow.clock.advance(5)
    assert slow.results(waiting, later) == ["refused: wind alarm", "refused: wind alarm"]
    assert slow.sent == []
    await slow.press(0, point="wind_alarm")
    assert slow.result(await slow.by_hand(80)) == "done"


# --- while the link is down


async def test_while_the_link_is_down_all_is_refused_and_nothing_kept(kit: GatewayKit) -> None:
    await kit.cut()
    command = await kit.ask(42)
    assert kit.result(command) == "refused: not connected"
    await kit.restore()
    await kit.clock.advance(10)
    assert kit.sent == []


async def test_what_waits_when_the_link_drops_is_refused(slow: GatewayKit) -> None:
    waiting = await slow.ask(42)
    await slow.cut()
    assert slow.result(waiting) == "refused: not connected"
    await slow.restore()
    await slow.clock.advance(10)
    assert slow.sent == []


# --- more commands than the bus can take


async def test_a_newer_command_replaces_one_that_waits(slow: GatewayKit) -> None:
    first, second, third = [await slow.ask(value) for value in (10, 20, 30)]
    await slow.clock.advance(5)
    assert slow.sent == [(BLIND, "position", 30)]
    assert slow.results(first, second, third) == ["refused: superseded", "refused: superseded", "done"]
    assert slow.health.counters["superseded"] == 2


async def test_a_rule_does_not_replace_a_hand_that_waits(slow: GatewayKit) -> None:
    hand = await slow.by_hand(80)
    rule = await slow.ask(0)
    await slow.clock.advance(5)
    assert slow.sent == [(BLIND, "position", 80)]
    assert slow.results(hand, rule) == ["done", "refused: held by user anna: its command is about to be sent"]


async def test_by_hand_goes_before_rules_and_a_stop_before_all(slow: GatewayKit) -> None:
    await slow.ask(1, BLIND, "slat")
    await slow.ask(2, RADIATOR, "valve")
    await slow.by_hand(3, OTHER_BLIND)
    await slow.by_hand(1, BLIND, "stop", origin=ANNA)
    await slow.clock.advance(10)
    assert slow.sent == [
        (BLIND, "stop", 1),
        (OTHER_BLIND, "position", 3),
        (RADIATOR, "valve", 2),
    ]


async def test_the_bus_gets_no_more_than_it_can_take(clock: ManualClock) -> None:
    async with gateway(clock, FakeFieldBus(telegrams_per_s=2, burst=3)) as kit:
        for value, target in enumerate([(BLIND, "position"), (BLIND, "slat"), (OTHER_BLIND, "position")]):
            await kit.ask(value, *target)
        assert len(kit.sent) == 3
        await kit.ask(50, RADIATOR, "valve")
        await kit.clock.advance(0.4)
        assert len(kit.sent) == 3
        await kit.clock.advance(0.1)
        assert len(kit.sent) == 4


async def test_what_expires_while_it_waits_is_told_so(slow: GatewayKit) -> None:
    command = await slow.ask(42, expires_at=slow.clock.real() + 500)
    await slow.clock.advance(1)
    assert slow.sent == []
    assert slow.result(command) == "expired: its time was over"


async def test_what_expires_behind_a_dead_device_is_told_so(clock: ManualClock) -> None:
    async with gateway(clock, FakeFieldBus(concurrent=8)) as kit:
        kit.field_bus.block(BLIND)
        stuck, behind = await kit.ask(10), await kit.ask(20)
        await kit.clock.advance(36)
        assert kit.unanswered(stuck)
        assert kit.result(behind) == "expired: its time was over"
        kit.field_bus.unblock(BLIND, Failed("node does not answer"))
        await settle()
        assert kit.result(stuck) == "failed: node does not answer"


async def test_a_dead_device_holds_up_nobody_else(clock: ManualClock) -> None:
    async with gateway(clock, FakeFieldBus(concurrent=2)) as kit:
        kit.field_bus.block(BLIND)
        stuck, behind, other = await kit.ask(10), await kit.ask(1, BLIND, "slat"), await kit.ask(30, OTHER_BLIND)
        assert kit.sent == [(OTHER_BLIND, "position", 30)]
        assert kit.result(other) == "done"
        assert kit.health.counters["pending"] == 0
        await kit.clock.advance(5)
        assert kit.health.counters["pending"] == 2
        kit.field_bus.unblock(BLIND)
        await settle()
        assert kit.results(stuck, behind) == ["done", "done"]
        assert kit.field_bus.most_at_once == 2


async def test_one_at_a_time_means_that(kit: GatewayKit) -> None:
    kit.field_bus.block(BLIND)
    await kit.ask(10)
    await kit.ask(20, OTHER_BLIND)
    assert kit.sent == []
    kit.field_bus.unblock(BLIND)
    await settle()
    assert kit.sent == [(BLIND, "position", 10), (OTHER_BLIND, "position", 20)]
    assert kit.field_bus.most_at_once == 1


# --- readings


async def test_nothing_is_told_of_a_point_before_it_was_reported(kit: GatewayKit) -> None:
    await kit.clock.advance(20)
    assert [one for one in kit.heard if isinstance(one, Reading)] == []


@pytest.mark.parametrize("value", [0.0, 42.0])
async def test_a_report_is_published_at_once_and_again_every_5_s(kit: GatewayKit, value: float) -> None:
    await kit.press(value)
    [fresh] = kit.readings("position")
    assert (fresh.value, fresh.measured_at, fresh.changed_at) == (value, kit.clock.now(), kit.clock.now())
    assert fresh.origin == Origin(kind="device")
    await kit.clock.advance(15)
    again = kit.readings("position", resend=True)
    assert len(again) == 3
    assert {(one.id, one.measured_at, one.changed_at) for one in again} == {
        (fresh.id, fresh.measured_at, fresh.changed_at)
    }
    assert [one.at - fresh.at for one in again] == [5000, 10_000, 15_000]
    assert again[-1].seen_at == kit.clock.now()
    assert kit.readings("position") == [fresh]


async def test_an_unchanged_report_is_a_new_measurement(kit: GatewayKit) -> None:
    await kit.press(50, point="humidity")
    await kit.clock.advance(1)
    await kit.press(50, point="humidity")
    first, second = kit.readings("humidity")
    assert first.id != second.id
    assert second.changed_at == first.changed_at < second.measured_at


async def test_a_report_after_a_command_names_it_as_its_cause(kit: GatewayKit) -> None:
    command = await kit.by_hand(80)
    await kit.press(40)
    await kit.clock.advance(120)
    await kit.press(80)
    await kit.clock.advance(0.001)
    await kit.press(10)
    assert [one.origin.cause for one in kit.readings("position")] == [command.id, command.id, ""]
    assert {one.origin.kind for one in kit.readings("position")} == {"device"}


async def test_a_report_that_comes_before_the_confirmation_has_its_cause_too(clock: ManualClock) -> None:
    async with gateway(clock, FakeFieldBus(echo=True)) as kit:
        command = await kit.ask(80)
        assert [one.origin.cause for one in kit.readings("position")] == [command.id]


async def test_an_impossible_value_is_uncertain_and_no_value_at_all_is_dropped(kit: GatewayKit) -> None:
    await kit.press(870, point="humidity")
    for value in (float("nan"), float("inf")):
        await kit.press(value, point="humidity")
    await kit.press(120)
    await kit.press(1, point="no_such_role")
    await kit.clock.advance(5)
    assert [(one.value, one.quality) for one in kit.readings("humidity")] == [(870, "uncertain")]
    assert kit.readings("position") == []
    assert kit.health.counters["invalid_values"] == 3
    assert kit.health.counters["unknown_telegrams"] == 1


async def test_when_the_link_drops_every_value_is_stale_at_once(kit: GatewayKit) -> None:
    await kit.press(42)
    await kit.clock.advance(1)
    await kit.cut()
    before, stale = kit.readings("position")
    assert (stale.quality, stale.id, stale.changed_at) == ("stale", before.id, before.changed_at)
    await kit.clock.advance(5)
    assert kit.readings("position", resend=True)[-1].quality == "stale"
    await kit.restore()
    back = kit.readings("position")[-1]
    assert (back.quality, back.value, back.changed_at) == ("good", 42, before.changed_at)
    assert back.measured_at == kit.clock.now()


async def test_a_dead_device_is_stale_until_it_is_alive(kit: GatewayKit) -> None:
    await kit.press(42)
    up = kit.field_bus._up
    assert up is not None
    up.dead(BLIND, "no answer")
    await kit.clock.advance(7)
    up.alive(BLIND)
    await settle()
    assert [one.quality for one in kit.readings("position")] == ["good", "stale", "uncertain"], (
        "it may have moved meanwhile"
    )
    await kit.press(42)
    assert [one.quality for one in kit.readings("position")][-1] == "good"
    assert kit.health.counters["deaths"] == 1


async def test_what_the_field_bus_remembers_is_as_old_as_it_says(kit: GatewayKit) -> None:
    up = kit.field_bus._up
    assert up is not None
    await kit.ask(42)
    measured_at = kit.clock.now() - 60_000
    up.report(BLIND, "position", 42, measured_at=measured_at)
    await settle()
    [reading] = kit.readings("position")
    assert (reading.measured_at, reading.seen_at, reading.origin.cause) == (measured_at, measured_at, "")


# --- valves


async def test_a_valve_is_told_again_every_ten_minutes_for_nobody(kit: GatewayKit) -> None:
    await kit.ask(30, RADIATOR, "valve")
    await kit.clock.advance(1205)
    assert kit.sent == [(RADIATOR, "valve", 30)] * 3
    assert kit.health.counters["repeats"] == 2
    assert kit.health.counters["done"] == 1
    assert len([one for one in kit.heard if isinstance(one, CommandResult)]) == 1


async def test_a_repetition_waits_for_the_link_and_is_then_made(kit: GatewayKit) -> None:
    await kit.ask(30, RADIATOR, "valve")
    await kit.cut()
    await kit.clock.advance(700)
    assert len(kit.sent) == 1
    await kit.restore()
    await kit.clock.advance(5)
    assert len(kit.sent) == 2


async def test_a_repetition_gives_way_to_a_newer_command(clock: ManualClock) -> None:
    async with gateway(clock, FakeFieldBus(concurrent=8)) as kit:
        await kit.ask(30, RADIATOR, "valve")
        kit.field_bus.block(RADIATOR)
        await kit.clock.advance(595)
        stuck = await kit.by_hand(40, RADIATOR, "valve")
        await kit.clock.advance(10)
        newer = await kit.by_hand(50, RADIATOR, "valve")
        kit.field_bus.unblock(RADIATOR)
        await settle()
        assert kit.results(stuck, newer) == ["done", "done"]
        assert [value for *_, value in kit.sent] == [30, 40, 50]


async def test_a_repetition_that_cannot_be_made_is_forgotten(clock: ManualClock) -> None:
    async with gateway(clock, FakeFieldBus(concurrent=8)) as kit:
        await kit.ask(30, RADIATOR, "valve")
        kit.field_bus.block(RADIATOR)
        await kit.clock.advance(595)
        stuck = await kit.by_hand(40, RADIATOR, "valve", expires_at=kit.clock.real() + 600_000)
        await kit.clock.advance(60)
        kit.field_bus.unblock(RADIATOR)
        await settle()
        assert [value for *_, value in kit.sent] == [30, 40]
        assert kit.result(stuck) == "done"


# --- devices, health, faults


async def test_the_field_bus_is_given_its_devices_and_each_change_of_them(kit: GatewayKit) -> None:
    assert [[one.device_id for one in served] for served in kit.field_bus.served] == [[BLIND, OTHER_BLIND, RADIATOR]]
    await kit.serve(*BUILDING)
    assert len(kit.field_bus.served) == 1
    await kit.serve(*BUILDING[1:])
    assert [one.device_id for one in kit.field_bus.served[-1]] == [OTHER_BLIND, RADIATOR]


async def test_a_removed_device_gets_nothing_and_tells_nothing_more(slow: GatewayKit) -> None:
    await slow.press(42)
    waiting = await slow.ask(10)
    await slow.serve(*BUILDING[1:])
    assert slow.result(waiting) == "refused: no such device"
    heard = len(slow.readings("position", resend=None))
    await slow.clock.advance(20)
    assert len(slow.readings("position", resend=None)) == heard
    await slow.press(43)
    assert len(slow.readings("position", resend=None)) == heard


async def test_health_says_at_once_how_the_link_is_and_counts(kit: GatewayKit) -> None:
    assert (kit.health.part, kit.health.instance, kit.health.status) == ("gateway", "knx-1", "ok")
    await kit.ask(10)
    await kit.cut()
    assert (kit.health.status, kit.health.why) == ("degraded", "cable pulled")
    await kit.ask(20)
    await kit.clock.advance(5)
    counters = kit.health.counters
    assert (counters["commands"], counters["done"], counters["refused"], counters["telegrams_sent"]) == (2, 1, 1, 1)
    assert kit.health.at == kit.clock.real()
    await kit.restore()
    assert (kit.health.status, kit.health.why) == ("ok", "")


async def test_before_the_first_connection_health_is_degraded(clock: ManualClock, field_bus: FakeFieldBus) -> None:
    field_bus.cut()
    async with gateway(clock, field_bus) as kit:
        assert (kit.health.status, kit.health.why) == ("degraded", "connecting")
        assert kit.result(await kit.ask(42)) == "refused: not connected"


async def test_bad_records_are_counted_and_stop_nothing(kit: GatewayKit) -> None:
    bad = [b"\xff", b"{", b"[]", b'{"device_id":12345,"point":"position","value":1}', b'{"device_id":7,"value":"NaN"}']
    await kit.channel.bus.publish([Outgoing("knx", "set_point", value) for value in bad])
    await kit.channel.bus.publish([Outgoing("state", "lease/7", b"?"), Outgoing("state", "lease/x", None)])
    await settle()
    assert kit.result(await kit.ask(42)) == "done"
    await kit.clock.advance(5)
    assert kit.health.counters["undecodable"] == 6


async def test_a_field_bus_that_falls_over_is_started_again(clock: ManualClock) -> None:
    class Shaky(FakeFieldBus):
        falls = 1

        async def run(self, up: Any) -> None:
            if self.falls:
                self.falls -= 1
                raise RuntimeError("bug")
            await super().run(up)

    async with gateway(clock, Shaky()) as kit:
        assert kit.health.why == "internal error, see the log"
        await kit.clock.advance(run.RESTART_S)
        assert kit.result(await kit.ask(42)) == "done"


async def test_a_bus_that_is_away_for_a_while_loses_no_result(clock: ManualClock, field_bus: FakeFieldBus) -> None:
    class Away(MemoryBus):
        away = False

        async def publish(self, records: Any) -> None:
            records = list(records)
            if self.away and any(record.key != "set_point" for record in records):
                raise Unavailable("no broker")
            await super().publish(records)

    bus = Away(clock)
    async with gateway(clock, field_bus, bus=bus) as kit:
        await kit.press(42)
        bus.away = True
        command = await kit.ask(10)
        await kit.clock.advance(60)
        assert kit.unanswered(command)
        bus.away = False
        await kit.clock.advance(1)
        assert kit.result(command) == "done"
        assert len(kit.readings("position", resend=True)) <= 1


@pytest.mark.parametrize("count", [0, 2])
def test_a_missing_or_second_result_would_fail_these_tests(clock: ManualClock, count: int) -> None:
    kit = GatewayKit(clock, Channel(MemoryBus(clock), DeviceIndex()), FakeFieldBus())
    command = kit.wish(1)
    kit.heard = [CommandResult(at=1, command=command, outcome="done") for _ in range(count)]
    with pytest.raises(AssertionError, match=f"{count} results"):
        kit.result(command)
