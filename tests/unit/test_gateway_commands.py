"""Every command gets exactly one result, whatever happens in between."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insula.bus.devices import DeviceIndex
from insula.clock import ManualClock, settle
from insula.errors import Failed
from insula.gateways.commands import Commands
from insula.gateways.fake import FakeFieldBus
from insula.gateways.state import GatewayState
from insula.gateways.values import LastValues
from insula.messages import Command, CommandClass, CommandResult, DeviceRecord, Origin, Point
from tests.contracts.rigs import Ear

ROLES = ("position", "stop", "slat", "humidity", "valve")


class Answers:
    """Stands for the outbox."""

    def __init__(self) -> None:
        self.results: list[CommandResult] = []

    def put(self, *messages: CommandResult) -> None:
        self.results += messages


class Desk:
    """Commands over a connected fake field bus with three devices."""

    def __init__(self, **limits: float) -> None:
        self.clock = ManualClock()
        self.field_bus = FakeFieldBus(**limits)
        self.devices = DeviceIndex()
        self.state = GatewayState(LastValues("g"))
        self.answers = Answers()
        self.certain = True
        """Whether this process drives the gateway beyond doubt."""
        self.commands = Commands(
            "g", self.field_bus, self.devices, self.state, self.answers, self.clock, lambda: self.certain
        )
        self.tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> "Desk":
        records = [
            DeviceRecord(
                device_id=number,
                room_id=1,
                room_number=1,
                type="knx",
                gateway_id="g",
                kind="blind",
                points=tuple(Point(role=role) for role in ROLES),
            )
            for number in (1, 2, 3)
        ]
        for record in records:
            self.devices.put(record)
        self.state.gate.connected = True
        await self.field_bus.serve(records)
        await self.tasks.__aenter__()
        self._running = self.tasks.create_task(self.field_bus.run(Ear()))
        self.commands.start(self.tasks)
        await settle(3)
        return self

    async def __aexit__(self, *error: object) -> None:
        for device_id in (1, 2, 3):
            self.unblock(device_id)
        await self.clock.advance(120)
        self.commands.sweep()
        self._running.cancel()
        await self.tasks.__aexit__(None, None, None)

    def unblock(self, device_id: int) -> None:
        if device_id in self.field_bus._gates:
            self.field_bus.unblock(device_id)

    def wish(self, device_id: int = 1, point: str = "position", value: float = 50, **fields: object) -> Command:
        now = self.clock.real()
        fields = {"gateway_id": "g", "expires_at": now + 30_000, "origin": Origin(kind="rule"), **fields}
        return Command(at=now, device_id=device_id, point=point, value=value, **fields)


@pytest.mark.parametrize(
    ("device_id", "point", "value", "reason"),
    [
        (99, "position", 50, "no such device"),
        (1, "level", 50, "the device has no point level"),
        (1, "no_such_role", 50, "the device has no point no_such_role"),
        (1, "humidity", 50, "humidity cannot be written"),
        (1, "position", 101, "position goes from 0 to 100 %"),
        (1, "stop", 2, "stop goes from 0 to 1"),
        (1, "position", float("nan"), "position goes from 0 to 100 %"),
    ],
)
async def test_what_is_impossible_is_refused_with_the_reason(
    device_id: int, point: str, value: float, reason: str
) -> None:
    async with Desk() as desk:
        desk.commands.accept(desk.wish(device_id, point, value))
    assert [(one.outcome, one.reason) for one in desk.answers.results] == [("refused", reason)]


async def test_what_comes_in_doubt_waits_and_is_carried_out_in_order_when_that_is_over() -> None:
    async with Desk() as desk:
        desk.certain = False
        first, second = desk.wish(1, value=20), desk.wish(2, value=30)
        desk.commands.accept(first)
        desk.commands.accept(desk.wish(1, "humidity"))
        await desk.clock.advance(1)
        assert (desk.answers.results, desk.commands.pending) == ([], 2)
        desk.certain = True
        desk.commands.accept(second)
        await desk.clock.advance(1)
        assert desk.field_bus.sent == [first, second]
    assert sorted(one.outcome for one in desk.answers.results) == ["done", "done", "refused"]


async def test_what_came_in_doubt_is_for_who_drives_instead_to_answer() -> None:
    """This process stood still, and another has taken over: it may have carried out what is read here late."""
    async with Desk(telegrams_per_s=0.01) as desk:
        sent, waiting = desk.wish(3), desk.wish(1)
        desk.commands.accept(sent)
        desk.commands.accept(waiting)
        await settle(10)
        desk.certain = False
        done, open_ = desk.wish(2), desk.wish(2, value=70)
        desk.commands.accept(done)
        desk.commands.accept(open_)
        desk.commands.hand_over()
        desk.commands.answered(done)
        await desk.clock.advance(31)
        desk.commands.sweep()
        told = [(one.outcome, one.command) for one in desk.answers.results]
        assert told == [("done", sent), ("refused", waiting)]
        desk.certain = True
        desk.commands.sweep()
    assert [(one.outcome, one.command) for one in desk.answers.results[2:]] == [("expired", open_)]


async def test_who_has_just_started_says_of_nothing_that_it_expired_before_it_knows_what_others_answered() -> None:
    async with Desk() as desk:
        answered, forgotten = desk.wish(1), desk.wish(2)
        desk.commands.note(answered)
        desk.commands.note(forgotten)
        await desk.clock.advance(31)
        desk.commands.sweep(informed=False)
        assert desk.answers.results == []
        desk.commands.answered(answered)
        desk.commands.sweep()
    assert [(one.outcome, one.command) for one in desk.answers.results] == [("expired", forgotten)]


async def test_an_id_is_not_remembered_for_ever() -> None:
    async with Desk() as desk:
        command = desk.wish(expires_at=desk.clock.real() + 10**12)
        desk.commands.accept(command)
        await desk.clock.advance(3599)
        desk.commands.sweep()
        desk.commands.accept(command)
        assert len(desk.answers.results) == 1
        await desk.clock.advance(2)
        desk.commands.sweep()
        desk.commands.accept(command)
    assert len(desk.answers.results) == 2


async def test_a_higher_command_that_waits_is_in_nobodys_way_once_it_expired() -> None:
    async with Desk(telegrams_per_s=0.01) as desk:
        desk.commands.accept(desk.wish(3))
        desk.commands.accept(desk.wish(1, class_="safety", expires_at=desk.clock.real() + 1000))
        await desk.clock.advance(1)
        desk.commands.accept(desk.wish(1, value=10, class_="comfort"))
        await desk.clock.advance(0.001)
        desk.commands.accept(desk.wish(1, value=20, class_="comfort"))
    assert [(one.outcome, one.command.value, one.command.class_) for one in desk.answers.results[1:]] == [
        ("refused", 10, "comfort"),
        ("refused", 50, "safety"),
        ("expired", 20, "comfort"),
    ]


async def test_a_repetition_is_replaced_dropped_or_swept_in_silence() -> None:
    async with Desk(telegrams_per_s=0.01) as desk:
        desk.commands.accept(desk.wish(3))
        desk.commands.repeat(1, 20)
        desk.commands.repeat(1, 30)
        assert desk.commands.pending == 2
        desk.commands.accept(desk.wish(1, "valve"))
        desk.commands.repeat(2, 20)
        desk.commands.drop("locked", 2)
        desk.commands.repeat(2, 20)
        await desk.clock.advance(31)
        desk.commands.sweep()
        assert desk.commands.pending == 0
    assert [(one.outcome, one.command.point) for one in desk.answers.results] == [
        ("done", "position"),
        ("expired", "valve"),
    ]


async def test_a_blocked_valve_is_not_repeated() -> None:
    async with Desk() as desk:
        desk.state.gate.alarm(1, "lock_alarm", on=True)
        desk.commands.repeat(1, 20)
        desk.state.gate.connected = False
        desk.commands.repeat(2, 20)
        await settle()
    assert desk.field_bus.sent == []


_devices = st.integers(1, 3)
_step = st.one_of(
    st.tuples(
        st.just("ask"),
        _devices,
        st.sampled_from(ROLES),
        st.sampled_from(["user", "rule"]),
        st.sampled_from(["safety", "occupant", "comfort"]),
        st.integers(-1, 40),
    ),
    st.tuples(st.just("copy"), st.integers(0, 100)),
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.3, 1, 7])),
    st.tuples(st.sampled_from(["alarm", "calm", "block", "unblock", "repeat"]), _devices),
    st.tuples(st.sampled_from(["cut", "restore", "fail", "crash", "cancel", "sweep"])),
)


async def _live_through(steps: Sequence[tuple[object, ...]], limits: dict[str, float]) -> None:
    asked: list[Command] = []
    async with Desk(**limits) as desk:
        for step in steps:
            await _do(desk, step, asked)
    results = Counter(one.command.id for one in desk.answers.results)
    assert results == Counter({command.id: 1 for command in asked})
    done = [one.command for one in desk.answers.results if one.outcome == "done"]
    assert [one for one in desk.field_bus.sent if one.origin.kind != "system"] == sorted(
        done, key=desk.field_bus.sent.index
    )
    assert desk.field_bus.most_at_once <= desk.field_bus.concurrent
    assert desk.commands.pending == 0


async def _do(desk: Desk, step: tuple[object, ...], asked: list[Command]) -> None:
    match step:
        case "ask", int(device), str(point), str(kind), str(class_), int(life):
            class_name: CommandClass = class_
            command = desk.wish(
                device,
                point,
                1,
                origin=Origin(kind=kind),
                class_=class_name,
                expires_at=desk.clock.real() + life * 1000,
            )
            asked.append(command)
            desk.commands.accept(command)
        case "copy", int(number) if asked:
            if desk.clock.real() <= asked[number % len(asked)].expires_at:
                desk.commands.accept(asked[number % len(asked)])
        case "wait", int() | float() as seconds:
            await desk.clock.advance(seconds)
        case ("alarm" | "calm") as what, int(device):
            desk.state.gate.alarm(device, "wind_alarm", on=what == "alarm")
            if what == "alarm":
                desk.commands.drop("wind alarm", device)
        case "block", int(device):
            desk.unblock(device)
            desk.field_bus.block(device)
        case "unblock", int(device):
            desk.unblock(device)
        case "repeat", int(device):
            desk.commands.repeat(device, 10)
        case ("cut",):
            desk.field_bus.cut()
            desk.state.gate.connected = False
            desk.commands.drop("not connected")
        case ("restore",):
            desk.field_bus.restore()
            desk.state.gate.connected = True
        case (("fail" | "crash" | "cancel") as what,):
            errors = {"fail": Failed("no ack"), "crash": RuntimeError("bug"), "cancel": asyncio.CancelledError()}
            desk.field_bus.fail(errors[what])
        case ("sweep",):
            desk.commands.sweep()


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(_step, max_size=40),
    limits=st.sampled_from(
        [{}, {"telegrams_per_s": 2, "burst": 1}, {"telegrams_per_s": 5, "burst": 3, "concurrent": 2}, {"concurrent": 8}]
    ),
)
def test_every_command_has_exactly_one_result(steps: Sequence[tuple[object, ...]], limits: dict[str, float]) -> None:
    asyncio.run(_live_through(steps, limits))
