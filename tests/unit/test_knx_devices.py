"""Virtual KNX devices on a wire that only records: what they obey, and what they tell."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xknx.dpt import DPTArray, DPTBinary
from xknx.telegram import GroupAddress, IndividualAddress, Telegram
from xknx.telegram.apci import GroupValueRead, GroupValueResponse, GroupValueWrite

from insula.building.model import BuildingPlan, DevicePlan, RoomPlan
from insula.building.scheme2020 import points_2020
from insula.clock import ManualClock
from insula.errors import InputError, UnknownDevice
from insula.messages import Point
from insula.points import ROLES
from insula.simulator.knx_devices import CYCLE_S, VirtualKnxBus, individual_address
from insula.simulator.knx_frames import GroupPayload
from insula.simulator.knx_interface import KnxInterface
from insula.simulator.knx_values import from_payload, to_payload
from insula.simulator.physical import RoomWorld

Value = int | tuple[int, ...]

BLIND = DevicePlan(
    source="blind",
    type="knx",
    gateway_id="knx-1",
    kind="blind",
    points=(
        *points_2020("blind", 1, 4),
        Point(role="slat", write="5/4/1", status="6/4/1"),
        Point(role="wind_alarm", status="7/0/1"),
        Point(role="rain_alarm", status="7/0/2"),
        Point(role="lock_alarm", write="7/0/3"),
    ),
)
RADIATOR = DevicePlan(source="radiator", type="knx", gateway_id="knx-1", kind="radiator", bloc=1, floor=4)
LAMP = DevicePlan(
    source="lamp",
    type="knx",
    gateway_id="knx-1",
    kind="lamp",
    points=(
        Point(role="switch", write="10/0/1", status="10/1/1", listen=("10/2/1", "10/7/7")),
        Point(role="level", write="11/0/1", status="11/1/1"),
    ),
)
CONTROLLER = DevicePlan(
    source="controller",
    type="knx",
    gateway_id="knx-1",
    kind="controller",
    points=(
        Point(role="temperature", status="12/0/1"),
        Point(role="setpoint", write="12/0/2", status="12/1/2"),
        Point(role="hvac_mode", write="12/0/3", status="12/1/3"),
        Point(role="co2", status="12/0/4"),
        Point(role="humidity", status="12/0/5"),
        Point(role="window", status="12/0/6"),
        Point(role="illuminance", listen=("12/0/7",)),
        Point(role="motion", status="12/0/8"),
        Point(role="power", status="12/0/9"),
    ),
)
OTHER = DevicePlan(source="dimmer", type="zwave", gateway_id="zwave-1", kind="lamp")
ELSEWHERE = DevicePlan(source="far", type="knx", gateway_id="knx-2", kind="radiator", bloc=9, floor=4)
PLAN = BuildingPlan(
    site="test",
    rooms=(
        RoomPlan(number=1, floor=4, devices=(OTHER, BLIND, RADIATOR, LAMP, CONTROLLER)),
        RoomPlan(number=2, floor=4, devices=(ELSEWHERE,)),
    ),
)


class Wire(KnxInterface):
    """An interface that only records; telegrams that no test asked for make it fail."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str, Value, str]] = []
        self.callback: Callable[[Telegram], None] | None = None

    def send(self, group_address: str, payload: GroupPayload, source: str) -> None:
        assert not isinstance(payload, GroupValueRead)
        self.sent.append(
            (group_address, type(payload).__name__.removeprefix("GroupValue"), payload.value.value, source)
        )

    def on_telegram(self, callback: Callable[[Telegram], None]) -> Callable[[], None]:
        self.callback = callback
        return lambda: None

    def write(self, address: str, value: Value) -> None:
        """A client writes: a number is one bit, a tuple its octets."""
        payload = DPTBinary(value) if isinstance(value, int) else DPTArray(value)
        self._receive(address, GroupValueWrite(payload))

    def read(self, address: str) -> None:
        self._receive(address, GroupValueRead())

    def _receive(self, address: str, payload: GroupPayload) -> None:
        assert self.callback is not None
        self.callback(Telegram(GroupAddress(address), payload=payload, source_address=IndividualAddress("1.1.100")))

    def expect(self, *telegrams: tuple[str, Value]) -> None:
        """These writes of devices, and nothing else."""
        assert [(address, value) for address, kind, value, _ in self.sent if kind == "Write"] == list(telegrams)
        assert all(kind == "Write" for _, kind, _, _ in self.sent)
        self.sent.clear()

    def expect_response(self, address: str, value: Value) -> None:
        assert [sent[:3] for sent in self.sent] == [(address, "Response", value)]
        self.sent.clear()


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    assert wire.sent == [], "telegrams that nobody expected"


@pytest.fixture
def room() -> RoomWorld:
    return RoomWorld(1)


@pytest.fixture
def bus(wire: Wire, room: RoomWorld, clock: ManualClock) -> VirtualKnxBus:
    return VirtualKnxBus(wire, {1: room, 2: RoomWorld(2)}, PLAN, clock)


@pytest.fixture
def quiet(bus: VirtualKnxBus) -> None:
    """No other device sends in between."""
    bus.fail(2, "far")
    bus.fail(1, "controller")


async def step(bus: VirtualKnxBus, seconds: float) -> None:
    assert isinstance(bus.clock, ManualClock)
    await bus.clock.advance(seconds)
    bus.step(seconds)


def test_actuators_are_put_into_their_room(bus: VirtualKnxBus, room: RoomWorld) -> None:
    assert (len(room.blinds), len(room.valves), len(room.lamps)) == (1, 1, 1)
    assert room.blinds[0].slatted


def test_only_the_devices_of_one_gateway(wire: Wire, room: RoomWorld, clock: ManualClock) -> None:
    bus = VirtualKnxBus(wire, {1: room, 2: RoomWorld(2)}, PLAN, clock, gateway_id="knx-2")
    assert room.blinds == []
    assert bus.device(2, 0).plan == ELSEWHERE


@pytest.mark.usefixtures("quiet")
class TestBlind:
    async def test_travels_and_tells_its_position_each_second(
        self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld
    ) -> None:
        wire.write("3/4/1", (255,))
        for _ in range(12):
            await step(bus, 0.5)
        told = [value for _, _, value, _ in wire.sent]
        assert len(told) == 6
        assert all(address == "4/4/1" for address, *_ in wire.sent)
        assert told == sorted(told), "KNX's percent rises while it closes"
        wire.sent.clear()
        for _ in range(60):
            await step(bus, 0.5)
        assert room.blinds[0].position == 0
        assert wire.sent[-1][2] == (255,)
        wire.sent.clear()
        await step(bus, 60)

    async def test_stops_in_the_middle(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        wire.write("1/4/1", 1)
        await step(bus, 15)
        wire.expect(("4/4/1", (128,)))
        await step(bus, 0.3)
        wire.write("2/4/1", 1)
        assert room.blinds[0].position == pytest.approx(49)
        wire.expect(("4/4/1", (130,)))
        await step(bus, 60)

    async def test_move_up(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        room.blinds[0].position = room.blinds[0].target = 0
        wire.write("1/4/1", 0)
        await step(bus, 30)
        assert room.blinds[0].position == 100
        wire.sent.clear()

    def test_slat(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        wire.write("5/4/1", (64,))
        assert room.blinds[0].slat == 75
        wire.expect(("6/4/1", (64,)))

    async def test_without_a_status_address_it_is_only_read(
        self, wire: Wire, room: RoomWorld, clock: ManualClock
    ) -> None:
        device = DevicePlan(
            source="x", type="knx", gateway_id="knx-1", kind="blind", points=(Point(role="position", write="3/0/1"),)
        )
        plan = BuildingPlan(site="test", rooms=(RoomPlan(number=1, floor=0, devices=(device,)),))
        bus = VirtualKnxBus(wire, {1: room}, plan, clock)
        wire.write("3/0/1", (255,))
        await step(bus, 30)
        wire.read("3/0/1")
        wire.expect_response("3/0/1", (255,))

    def test_reads(self, wire: Wire, bus: VirtualKnxBus) -> None:
        wire.read("4/4/1")
        wire.expect_response("4/4/1", (0,))
        wire.read("7/0/1")
        wire.expect_response("7/0/1", 0)
        wire.read("3/4/1")
        wire.read("1/4/1")

    @pytest.mark.parametrize("address", ["7/0/1", "7/0/2"])
    async def test_wind_and_rain_bring_it_up_and_block_it(
        self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld, address: str
    ) -> None:
        room.blinds[0].position = room.blinds[0].target = 20
        wire.write(address, 1)
        await step(bus, 30)
        wire.expect(("4/4/1", (204,)), ("4/4/1", (0,)))
        wire.write("3/4/1", (255,))
        await step(bus, 30)
        assert room.blinds[0].position == 100
        wire.write(address, 0)
        await step(bus, 30)
        assert room.blinds[0].position == 100
        wire.write("3/4/1", (255,))
        await step(bus, 30)
        assert room.blinds[0].position == 0
        wire.sent.clear()

    async def test_a_lock_holds_it_where_it_is(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        wire.write("3/4/1", (255,))
        await step(bus, 15)
        wire.expect(("4/4/1", (128,)))
        wire.write("7/0/3", 1)
        wire.write("7/0/1", 1)
        wire.write("3/4/1", (0,))
        await step(bus, 30)
        assert room.blinds[0].position == 50
        wire.write("7/0/3", 0)
        await step(bus, 15)
        assert room.blinds[0].position == 100, "the wind is still there"
        wire.expect(("4/4/1", (0,)))


@pytest.mark.usefixtures("quiet")
class TestValve:
    async def test_obeys_and_answers(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        wire.write("0/4/1", (102,))
        assert room.valves[0].position == 40
        wire.read("0/4/1")
        wire.expect_response("0/4/1", (102,))

    async def test_value_0_closes_it(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        room.valves[0].set(70)
        wire.write("0/4/1", (0,))
        assert room.valves[0].position == 0

    async def test_goes_to_its_emergency_position_and_tells(
        self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld
    ) -> None:
        wire.write("0/4/1", (255,))
        await step(bus, 1700)
        wire.write("0/4/1", (255,))
        await step(bus, 1700)
        assert room.valves[0].position == 100
        await step(bus, 200)
        assert room.valves[0].position == 50
        wire.expect(("0/4/1", (128,)))


class TestLamp:
    def test_switch_and_level_tell_both(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        wire.write("10/0/1", 1)
        assert room.lamps[0].level == 100
        wire.expect(("10/1/1", 1), ("11/1/1", (255,)))
        wire.write("11/0/1", (0,))
        assert room.lamps[0].level == 0
        wire.expect(("10/1/1", 0), ("11/1/1", (0,)))
        wire.write("10/7/7", 1)
        wire.write("10/7/7", 0)
        assert room.lamps[0].level == 0
        wire.sent.clear()

    def test_a_wall_switch(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        bus.press(1, "lamp", "switch", 1)
        assert room.lamps[0].level == 100
        assert wire.sent[0] == ("10/2/1", "Write", 1, "1.1.200")
        assert wire.sent[1][3] == bus.device(1, "lamp").address
        wire.sent.clear()
        bus.press(1, 2, "level", 40, source="1.1.201")
        assert wire.sent[0] == ("11/0/1", "Write", (102,), "1.1.201")
        assert room.lamps[0].level == 40
        wire.sent.clear()


class TestRoomController:
    async def test_tells_on_change(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        room.temperature, room.co2 = 20.1, 480
        await step(bus, 1)
        wire.expect()
        room.temperature, room.co2, room.window_open, room.people = 20.2, 500, True, 1
        await step(bus, 1)
        wire.expect(("12/0/1", (7, 228)), ("12/0/4", (0x2E, 0x1A)), ("12/0/6", 1), ("12/0/8", 1))

    async def test_tells_what_it_measures_in_cycles(self, wire: Wire, bus: VirtualKnxBus) -> None:
        await step(bus, CYCLE_S)
        assert [address for address, *_ in wire.sent] == ["12/0/1", "12/0/4", "12/0/5", "12/0/7"]
        wire.sent.clear()
        await step(bus, CYCLE_S - 1)
        wire.expect()
        await step(bus, 1)
        assert len(wire.sent) == 4
        wire.sent.clear()

    def test_setpoint_and_mode(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        wire.write("12/0/2", (0x0C, 0x33))
        assert room.setpoint == 21.5
        wire.expect(("12/1/2", (0x0C, 0x33)))
        wire.write("12/0/3", (3,))
        assert room.hvac_mode == 3
        wire.expect(("12/1/3", (3,)))

    def test_what_means_nothing_is_passed_over(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        wire.write("12/0/2", 1)
        wire.write("12/0/2", (0x7F, 0xFF))
        wire.write("12/0/3", (9,))
        wire.write("12/0/3", 1)
        wire.write("12/0/1", (0, 0))
        wire.write("10/0/1", (1,))
        wire.write("31/7/255", 1)
        assert (room.setpoint, room.hvac_mode, room.temperature, room.lamps[0].level) == (21.0, 1, 20.0, 0.0)

    async def test_a_value_that_its_type_cannot_carry_is_not_told(
        self, wire: Wire, room: RoomWorld, clock: ManualClock
    ) -> None:
        point = Point(role="co2", status="12/0/4", dpt="5.010")
        device = DevicePlan(source="co2", type="knx", gateway_id="knx-1", kind="sensor", points=(point,))
        plan = BuildingPlan(site="test", rooms=(RoomPlan(number=1, floor=0, devices=(device,)),))
        bus = VirtualKnxBus(wire, {1: room}, plan, clock)
        room.co2 = 2000
        await step(bus, CYCLE_S)
        wire.expect()


class TestFaults:
    async def test_a_dead_device_is_silent_and_deaf(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        bus.fail(1, "controller")
        room.temperature = 25
        wire.read("12/0/1")
        wire.write("12/0/2", (0x0C, 0x33))
        await step(bus, CYCLE_S)
        assert room.setpoint == 21.0
        bus.fail(1, "controller", dead=False)
        await step(bus, 1)
        wire.expect(("12/0/1", (0x0C, 0xE2)))

    def test_an_alarm_of_the_weather_station(self, wire: Wire, bus: VirtualKnxBus, room: RoomWorld) -> None:
        room.blinds[0].position = room.blinds[0].target = 0
        bus.alarm(1, "blind", "wind_alarm", 1)
        assert room.blinds[0].target == 100
        assert wire.sent[0] == ("7/0/1", "Write", 1, "1.1.250")
        wire.sent.clear()

    def test_unknown_devices_and_points(self, bus: VirtualKnxBus) -> None:
        with pytest.raises(UnknownDevice, match="room 3 has no KNX device 'blind'"):
            bus.press(3, "blind", "position", 1)
        with pytest.raises(UnknownDevice, match="no KNX device 4"):
            bus.device(1, 4)
        with pytest.raises(UnknownDevice, match="no point 'level'"):
            bus.press(1, "blind", "level", 1)
        with pytest.raises(InputError, match="no wall switch can write 1 to temperature"):
            bus.press(1, "controller", "temperature", 1)
        with pytest.raises(InputError, match="no wall switch can write 101 to position"):
            bus.press(1, "blind", "position", 101)
        with pytest.raises(InputError, match=r"'99\.1\.1' is no individual address"):
            bus.press(1, "blind", "position", 1, source="99.1.1")
        with pytest.raises(InputError, match="position is no alarm"):
            bus.alarm(1, "blind", "position", 1)

    def test_a_wrong_address_in_the_plan(self, wire: Wire, room: RoomWorld, clock: ManualClock) -> None:
        device = DevicePlan(
            source="x", type="knx", gateway_id="knx-1", kind="lamp", points=(Point(role="level", write="99/9/9"),)
        )
        plan = BuildingPlan(site="test", rooms=(RoomPlan(number=1, floor=0, devices=(device,)),))
        with pytest.raises(InputError, match="'99/9/9' is no group address"):
            VirtualKnxBus(wire, {1: room}, plan, clock)


def test_individual_addresses_leave_room_for_tunnels() -> None:
    addresses = [individual_address(number) for number in range(5000)]
    assert addresses[:2] == ["1.1.1", "1.1.2"]
    assert addresses[99] == "1.2.1"
    assert len(set(addresses)) == 5000
    assert all(1 <= IndividualAddress(address).raw & 0xFF <= 99 for address in addresses)


GOLDEN = [
    (Point(role="position"), 100.0, DPTArray(0)),
    (Point(role="position"), 60.0, DPTArray(102)),
    (Point(role="position"), 0.0, DPTArray(255)),
    (Point(role="position", inverted=False), 100.0, DPTArray(255)),
    (Point(role="level"), 100.0, DPTArray(255)),
    (Point(role="level", inverted=True), 100.0, DPTArray(0)),
    (Point(role="move"), 100.0, DPTBinary(0)),
    (Point(role="move"), 0.0, DPTBinary(1)),
    (Point(role="move", inverted=False), 100.0, DPTBinary(1)),
    (Point(role="window"), 1.0, DPTBinary(1)),
    (Point(role="window", inverted=True), 1.0, DPTBinary(0)),
    (Point(role="setpoint"), 21.5, DPTArray((0x0C, 0x33))),
    (Point(role="hvac_mode"), 4.0, DPTArray(4)),
    (Point(role="co2", dpt="7.001"), 1000.0, DPTArray((0x03, 0xE8))),
]


@pytest.mark.parametrize(("point", "value", "payload"), GOLDEN)
def test_golden_payloads(point: Point, value: float, payload: DPTArray | DPTBinary) -> None:
    assert to_payload(point, value) == payload
    assert from_payload(point, payload) == value


@given(st.sampled_from(["position", "slat", "level", "valve", "battery"]), st.integers(0, 100), st.booleans())
def test_every_percent_survives_the_bus(role: str, value: int, inverted: bool) -> None:
    point = Point(role=role, inverted=inverted)
    assert from_payload(point, to_payload(point, value)) == value


@given(st.sampled_from(sorted(ROLES)), st.binary(min_size=1, max_size=14) | st.integers(0, 63))
def test_a_payload_gives_a_possible_value_or_an_input_error(role: str, raw: bytes | int) -> None:
    payload = DPTBinary(raw) if isinstance(raw, int) else DPTArray(tuple(raw))
    try:
        value = from_payload(Point(role=role), payload)
    except InputError:
        return
    assert ROLES[role].in_range(value)


def test_an_unknown_datapoint_type() -> None:
    with pytest.raises(InputError, match=r"knows DPT 999\.1"):
        to_payload(Point(role="co2", dpt="999.1"), 1)
    with pytest.raises(InputError, match=r"knows DPT 16\.000"):
        from_payload(Point(role="co2", dpt="16.000"), DPTArray(1))


def test_a_response_has_the_devices_address(wire: Wire, bus: VirtualKnxBus) -> None:
    wire.read("0/4/1")
    assert wire.sent == [("0/4/1", "Response", (0,), "1.1.2")]
    assert GroupValueResponse(DPTArray(0)).value.value == (0,)
    wire.sent.clear()
