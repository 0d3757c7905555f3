"""The KNX gateway over a link that is no wire: what it reports, who it says did it, what it reads and when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from xknx.dpt.payload import DPTArray, DPTBinary
from xknx.telegram import GroupAddress, IndividualAddress, Telegram, TelegramDirection
from xknx.telegram.apci import GroupValueRead, GroupValueResponse, GroupValueWrite

from insula.building.scheme2020 import points_2020
from insula.clock import ManualClock, settle
from insula.errors import Failed, InputError, Refused
from insula.gateways.knx.gateway import KnxGateway
from insula.gateways.knx.link import CONNECTIONS, Listener, connection_config
from insula.messages import Command, DeviceRecord, Origin, Point

OURS, ACTUATOR, SWITCH = "1.1.100", "1.1.5", "1.1.200"
BY_SWITCH = Origin(kind="switch", name=SWITCH)


def device(device_id: int, kind: str, *points: Point) -> DeviceRecord:
    return DeviceRecord(
        device_id=device_id, room_id=1, room_number=1, type="knx", gateway_id="knx", kind=kind, points=points
    )


BLIND = device(1, "blind", *points_2020("blind", bloc=1, floor=4))
RADIATOR = device(2, "radiator", *points_2020("radiator", bloc=1, floor=4))
LAMP = device(
    3,
    "lamp",
    Point(role="switch", write="5/0/1", status="5/1/1", listen=("5/7/0",)),
    Point(role="level", write="5/2/1", status="5/3/1"),
)
CONTROLLER = device(
    4,
    "room_controller",
    Point(role="setpoint", write="6/0/1", status="6/0/2"),
    Point(role="temperature", status="6/0/3"),
    Point(role="co2", listen=("6/0/4",)),
    Point(role="wind_alarm", status="7/0/0"),
)
BARE = device(5, "blind", Point(role="move", write="1/0/9", listen=("1/7/0",)), Point(role="stop", write="2/0/9"))

Report = tuple[int, str, float, Origin | None]


class Told:
    """An Upward that remembers what it was told and not yet asked about."""

    def __init__(self) -> None:
        self.links: list[str] = []
        self.reports: list[Report] = []
        self.strangers: list[str] = []

    def connected(self) -> None:
        self.links.append("connected")

    def disconnected(self, why: str) -> None:
        self.links.append(why)

    def report(
        self,
        device_id: int,
        point: str,
        value: float,
        *,
        origin: Origin | None = None,
        measured_at: int | None = None,
    ) -> None:
        self.reports.append((device_id, point, value, origin))

    def alive(self, device_id: int) -> None:
        raise AssertionError("KNX knows no sign of life without a value")

    def dead(self, device_id: int, why: str) -> None:
        raise AssertionError("KNX does not say that a device is dead")

    def may_send(self) -> bool:
        return True

    def unknown(self, address: str) -> None:
        self.strangers.append(address)


class FakeLink:
    """A link without a wire. ``connect`` and ``cut`` are the interface's doing."""

    def __init__(self) -> None:
        self.address = IndividualAddress(OURS)
        self.sent: list[Telegram] = []
        self.up = False
        self.failing = False
        self._listener: Listener | None = None

    async def run(self, listener: Listener) -> None:
        self._listener = listener
        await asyncio.Event().wait()

    async def send(self, telegram: Telegram) -> None:
        if not self.up:
            raise Refused("not connected")
        if self.failing:
            raise Failed("the interface did not confirm it")
        self.sent.append(telegram)

    @property
    def listener(self) -> Listener:
        assert self._listener is not None
        return self._listener

    def connect(self) -> None:
        self.up = True
        self.listener.connected()

    def cut(self, why: str = "the cable is cut") -> None:
        self.up = False
        self.listener.disconnected(why)


class Kit:
    """The building's vocabulary around one gateway. At its end nothing may be left that no test asked about."""

    def __init__(self, clock: ManualClock, telegrams_per_s: float = 20) -> None:
        self.clock = clock
        self.link = FakeLink()
        self.told = Told()
        self.gateway = KnxGateway({"telegrams_per_s": telegrams_per_s}, clock, self.link)

    def receive(
        self,
        address: str,
        payload: GroupValueWrite | GroupValueResponse | GroupValueRead,
        source: str = ACTUATOR,
    ) -> None:
        self.link.listener.received(
            Telegram(
                destination_address=GroupAddress(address),
                direction=TelegramDirection.INCOMING,
                payload=payload,
                source_address=IndividualAddress(source),
            )
        )

    async def wish(self, device_id: int, point: str, value: float) -> None:
        await self.gateway.send(
            Command(at=0, device_id=device_id, gateway_id="knx", point=point, value=value, expires_at=30_000)
        )

    def reports(self) -> list[Report]:
        taken, self.told.reports = self.told.reports, []
        return taken

    def strangers(self) -> list[str]:
        taken, self.told.strangers = self.told.strangers, []
        return taken

    def written(self) -> list[str]:
        """Group addresses written to since last asked; reads are left."""
        taken = [one for one in self.link.sent if isinstance(one.payload, GroupValueWrite)]
        self.link.sent = [one for one in self.link.sent if one not in taken]
        return [str(one.destination_address) for one in taken]

    def read(self) -> list[str]:
        """Group addresses read since last asked; writes are left."""
        taken = [one for one in self.link.sent if isinstance(one.payload, GroupValueRead)]
        self.link.sent = [one for one in self.link.sent if one not in taken]
        return [str(one.destination_address) for one in taken]


@asynccontextmanager
async def running(clock: ManualClock, *devices: DeviceRecord) -> AsyncIterator[Kit]:
    kit = Kit(clock)
    await kit.gateway.serve(devices)
    task = asyncio.create_task(kit.gateway.run(kit.told))
    await settle()
    kit.link.connect()
    await clock.advance(10)
    kit.read()
    yield kit
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert kit.told.links[0] == "connected"
    assert (kit.reports(), kit.strangers(), kit.link.sent) == ([], [], [])


@pytest.fixture
async def kit(clock: ManualClock) -> AsyncIterator[Kit]:
    async with running(clock, BLIND, RADIATOR, LAMP, CONTROLLER, BARE) as kit:
        yield kit


def byte(value: int) -> DPTArray:
    return DPTArray(value)


ON, OFF = DPTBinary(1), DPTBinary(0)
UP, DOWN = OFF, ON
WARM = DPTArray((0x0C, 0x33))
"""21.5 °C"""


# --- states


async def test_a_status_telegram_is_the_devices_own_reading(kit: Kit) -> None:
    kit.receive("4/4/1", GroupValueWrite(byte(0xFF)))
    kit.receive("4/4/1", GroupValueWrite(byte(0x00)))
    assert kit.reports() == [(1, "position", 0, None), (1, "position", 100, None)]


async def test_an_answer_to_a_read_is_a_status_too(kit: Kit) -> None:
    kit.receive("4/4/1", GroupValueResponse(byte(0x66)))
    kit.receive("0/4/1", GroupValueResponse(byte(0x00)))
    assert kit.reports() == [(1, "position", 60, None), (2, "valve", 0, None)]


async def test_what_a_sensor_sends_is_its_own_whatever_the_address_is_called(kit: Kit) -> None:
    kit.receive("6/0/3", GroupValueWrite(WARM), source=SWITCH)
    kit.receive("6/0/4", GroupValueWrite(DPTArray((0x2C, 0xE2))), source=SWITCH)
    kit.receive("7/0/0", GroupValueWrite(ON), source=SWITCH)
    assert kit.reports() == [(4, "temperature", 21.5, None), (4, "co2", 400, None), (4, "wind_alarm", 1, None)]


async def test_what_others_ask_and_what_we_sent_ourselves_says_nothing(kit: Kit) -> None:
    kit.receive("4/4/1", GroupValueRead(), source=SWITCH)
    kit.receive("9/0/9", GroupValueRead(), source=SWITCH)
    kit.receive("4/4/1", GroupValueWrite(byte(0)), source=OURS)
    kit.link.listener.received(
        Telegram(destination_address=IndividualAddress("1.1.9"), payload=GroupValueWrite(byte(0)))
    )
    assert kit.reports() == []


async def test_every_telegram_loads_the_bus(kit: Kit) -> None:
    before = kit.gateway.telegrams
    kit.receive("4/4/1", GroupValueRead(), source=SWITCH)
    kit.receive("4/4/1", GroupValueWrite(byte(0xFF)))
    kit.receive("4/4/1", GroupValueWrite(byte(0)), source=OURS)
    await kit.wish(1, "position", 20)
    assert kit.gateway.telegrams == before + 3
    assert len(kit.written()) == 1
    kit.reports()


async def test_a_telegram_that_fits_no_point_is_counted(kit: Kit) -> None:
    kit.receive("9/0/9", GroupValueWrite(ON))
    assert kit.strangers() == ["9/0/9"]


@pytest.mark.parametrize("payload", [ON, DPTArray((1, 2)), DPTArray(())], ids=["a bit", "two bytes", "nothing"])
async def test_a_payload_of_another_type_is_counted_and_no_reading(kit: Kit, payload: DPTArray | DPTBinary) -> None:
    kit.receive("4/4/1", GroupValueWrite(payload))
    kit.receive("3/4/1", GroupValueWrite(payload), source=SWITCH)
    assert kit.strangers() == ["4/4/1", "3/4/1"]
    kit.receive("4/4/1", GroupValueWrite(byte(0)))
    assert kit.reports() == [(1, "position", 100, None)]


async def test_devices_may_share_an_address(clock: ManualClock) -> None:
    twins = [device(number, "blind", Point(role="move", listen=("1/7/0",))) for number in (1, 2)]
    odd = device(3, "radiator", Point(role="valve", listen=("1/7/0",)))
    async with running(clock, *twins, odd) as kit:
        kit.receive("1/7/0", GroupValueWrite(UP), source=SWITCH)
        assert kit.reports() == [(1, "move", 100, BY_SWITCH), (2, "move", 100, BY_SWITCH)]
        assert kit.strangers() == ["1/7/0"]


# --- who did it


async def test_a_wall_switch_is_named_when_the_blind_reports(kit: Kit) -> None:
    kit.receive("1/4/1", GroupValueWrite(DOWN), source=SWITCH)
    kit.receive("4/4/1", GroupValueWrite(byte(0x80)))
    kit.receive("4/4/1", GroupValueWrite(byte(0xFF)))
    assert kit.reports() == [
        (1, "move", 0, BY_SWITCH),
        (1, "position", 50, BY_SWITCH),
        (1, "position", 0, BY_SWITCH),
    ]


async def test_a_written_position_is_no_reading_until_the_blind_reports(kit: Kit) -> None:
    kit.receive("3/4/1", GroupValueWrite(byte(0x66)), source=SWITCH)
    assert kit.reports() == []
    kit.receive("4/4/1", GroupValueWrite(byte(0x66)))
    assert kit.reports() == [(1, "position", 60, BY_SWITCH)]


async def test_a_switch_is_believed_for_two_minutes(kit: Kit) -> None:
    kit.receive("3/4/1", GroupValueWrite(byte(0xFF)), source=SWITCH)
    await kit.clock.advance(120)
    kit.receive("4/4/1", GroupValueWrite(byte(0xFF)))
    await kit.clock.advance(1)
    kit.receive("4/4/1", GroupValueWrite(byte(0xFE)))
    assert [origin for *_, origin in kit.reports()] == [BY_SWITCH, None]
    assert "0/4/1" in kit.read(), "nobody answered at the start"


async def test_a_later_command_ends_what_the_switch_did(kit: Kit) -> None:
    kit.receive("3/4/1", GroupValueWrite(byte(0xFF)), source=SWITCH)
    await kit.wish(1, "move", 100)
    kit.receive("4/4/1", GroupValueWrite(byte(0x00)))
    assert kit.reports() == [(1, "position", 100, None)]
    assert kit.written() == ["1/4/1"]


async def test_a_command_to_one_device_leaves_the_hand_on_another(kit: Kit) -> None:
    kit.receive("3/4/1", GroupValueWrite(byte(0xFF)), source=SWITCH)
    await kit.wish(3, "level", 90)
    kit.receive("4/4/1", GroupValueWrite(byte(0xFF)))
    assert kit.reports() == [(1, "position", 0, BY_SWITCH)]
    assert kit.written() == ["5/2/1"]


async def test_a_central_switch_moves_both_states_of_the_lamp(kit: Kit) -> None:
    kit.receive("5/7/0", GroupValueWrite(OFF), source=SWITCH)
    kit.receive("5/1/1", GroupValueWrite(OFF))
    kit.receive("5/3/1", GroupValueWrite(byte(0)))
    assert kit.reports() == [(3, "switch", 0, BY_SWITCH), (3, "level", 0, BY_SWITCH)]


async def test_a_turned_thermostat_does_not_claim_the_temperature(kit: Kit) -> None:
    kit.receive("6/0/1", GroupValueWrite(WARM), source=SWITCH)
    kit.receive("6/0/2", GroupValueWrite(WARM))
    kit.receive("6/0/3", GroupValueWrite(WARM))
    assert kit.reports() == [(4, "setpoint", 21.5, BY_SWITCH), (4, "temperature", 21.5, None)]


async def test_without_a_status_address_what_the_switch_wrote_is_the_reading(kit: Kit) -> None:
    kit.receive("1/0/9", GroupValueWrite(UP), source=SWITCH)
    kit.receive("2/0/9", GroupValueWrite(ON), source=SWITCH)
    kit.receive("0/4/1", GroupValueWrite(byte(0x6B)), source=SWITCH)
    assert kit.reports() == [(5, "move", 100, BY_SWITCH), (5, "stop", 1, BY_SWITCH), (2, "valve", 42, BY_SWITCH)]


async def test_a_valve_that_goes_to_its_emergency_position_is_no_hand(kit: Kit) -> None:
    kit.receive("0/4/1", GroupValueResponse(byte(0)))
    kit.receive("0/4/1", GroupValueWrite(byte(0x80)))
    kit.receive("0/4/1", GroupValueWrite(byte(0)), source=SWITCH)
    assert kit.reports() == [(2, "valve", 0, None), (2, "valve", 50, None), (2, "valve", 0, BY_SWITCH)]


async def test_an_answer_at_an_address_that_only_drives_is_no_state(kit: Kit) -> None:
    kit.receive("3/4/1", GroupValueResponse(byte(0xFF)), source=SWITCH)
    assert kit.reports() == []


# --- commands


async def test_zero_passes(kit: Kit) -> None:
    for device_id, point in ((1, "position"), (1, "move"), (2, "valve"), (3, "level"), (3, "switch")):
        await kit.wish(device_id, point, 0)
    assert kit.written() == ["3/4/1", "1/4/1", "0/4/1", "5/2/1", "5/0/1"]
    assert kit.reports() == [(2, "valve", 0, None)]


async def test_what_nothing_will_confirm_is_taken_as_done(kit: Kit) -> None:
    await kit.wish(2, "valve", 42)
    await kit.wish(5, "position", 100)
    assert kit.reports() == [(2, "valve", 42, None), (5, "move", 100, None)]
    assert kit.written() == ["0/4/1", "1/0/9"]


async def test_a_device_of_another_gateway_is_refused(kit: Kit) -> None:
    with pytest.raises(Refused, match="987"):
        await kit.wish(987, "position", 50)


async def test_while_disconnected_a_command_is_refused_and_never_sent(kit: Kit) -> None:
    kit.link.cut()
    with pytest.raises(Refused, match="not connected"):
        await kit.wish(1, "position", 50)
    kit.link.connect()
    await kit.clock.advance(10)
    assert kit.written() == []
    assert kit.read()
    assert kit.told.links == ["connected", "the cable is cut", "connected"]


async def test_what_the_interface_does_not_confirm_has_failed_and_changes_nothing(kit: Kit) -> None:
    kit.link.failing = True
    with pytest.raises(Failed):
        await kit.wish(2, "valve", 42)
    assert kit.reports() == []


# --- reading states


@asynccontextmanager
async def connecting(clock: ManualClock, *devices: DeviceRecord) -> AsyncIterator[Kit]:
    """A gateway whose link has just come up, before it read anything."""
    kit = Kit(clock)
    await kit.gateway.serve(devices)
    task = asyncio.create_task(kit.gateway.run(kit.told))
    await settle()
    kit.link.connect()
    yield kit
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_every_state_is_read_at_start(clock: ManualClock) -> None:
    async with connecting(clock, BLIND, RADIATOR, LAMP, CONTROLLER, BARE) as kit:
        await clock.advance(1)
        states = ["4/4/1", "0/4/1", "5/1/1", "5/3/1", "6/0/2", "6/0/3", "6/0/4", "7/0/0"]
        assert kit.read() == states


async def test_reading_takes_half_of_the_limit_at_most(clock: ManualClock) -> None:
    blinds = [device(number, "blind", *points_2020("blind", number, 1)) for number in range(50)]
    async with connecting(clock, *blinds) as kit:
        await clock.advance(2)
        assert len(kit.read()) in (20, 21)


async def test_without_a_limit_reading_does_not_wait(clock: ManualClock) -> None:
    kit = Kit(clock, telegrams_per_s=0)
    await kit.gateway.serve([BLIND, RADIATOR])
    task = asyncio.create_task(kit.gateway.run(kit.told))
    await settle()
    kit.link.connect()
    await settle()
    assert kit.read() == ["4/4/1", "0/4/1"]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_state_that_was_told_meanwhile_is_not_read(clock: ManualClock) -> None:
    async with connecting(clock, BLIND, RADIATOR, CONTROLLER) as kit:
        kit.receive("6/0/3", GroupValueWrite(WARM))
        await clock.advance(60)
        assert list(dict.fromkeys(kit.read())) == ["4/4/1", "0/4/1", "6/0/2", "6/0/4", "7/0/0"]


async def test_a_state_that_nobody_answers_is_read_again_less_and_less_often(clock: ManualClock) -> None:
    async with connecting(clock, BLIND) as kit:
        await clock.advance(0)
        assert kit.read() == ["4/4/1"]
        for wait_s in (5, 30, 300, 300):
            await clock.advance(wait_s - 1)
            assert kit.read() == []
            await clock.advance(1)
            assert kit.read() == ["4/4/1"]
        kit.receive("4/4/1", GroupValueResponse(byte(0)))
        await clock.advance(3600)
        assert kit.read() == []


async def test_a_read_that_was_refused_is_tried_again(clock: ManualClock) -> None:
    async with connecting(clock, BLIND) as kit:
        kit.link.failing = True
        await clock.advance(1)
        kit.link.failing = False
        await clock.advance(4)
        assert kit.read() == ["4/4/1"]


async def test_who_says_nothing_after_a_command_is_asked(clock: ManualClock) -> None:
    async with running(clock, BLIND, LAMP, RADIATOR) as kit:
        for address in ("4/4/1", "5/3/1", "0/4/1"):
            kit.receive(address, GroupValueResponse(byte(0)))
        kit.receive("5/1/1", GroupValueResponse(OFF))
        await kit.wish(1, "move", 100)
        await kit.wish(3, "level", 0)
        await kit.wish(2, "valve", 0)
        await clock.advance(4.9)
        assert kit.read() == []
        await clock.advance(1)
        assert kit.read() == ["4/4/1", "5/1/1", "5/3/1"]
        for address in ("4/4/1", "5/3/1"):
            kit.receive(address, GroupValueResponse(byte(0)))
        kit.receive("5/1/1", GroupValueResponse(OFF))
        await clock.advance(600)
        assert kit.read() == []
        assert len(kit.reports()) == 8
        assert kit.written() == ["1/4/1", "5/2/1", "0/4/1"]


async def test_who_says_what_became_of_a_command_is_not_asked(clock: ManualClock) -> None:
    async with running(clock, BLIND) as kit:
        await kit.wish(1, "position", 100)
        kit.receive("4/4/1", GroupValueWrite(byte(0)))
        await clock.advance(600)
        assert kit.read() == []
        assert kit.written() == ["3/4/1"]
        assert kit.reports() == [(1, "position", 100, None)]


async def test_states_are_read_again_after_each_reconnect(clock: ManualClock) -> None:
    async with connecting(clock, BLIND, RADIATOR) as kit:
        await clock.advance(1)
        kit.link.cut()
        kit.link.connect()
        await clock.advance(1)
        assert kit.read() == ["4/4/1", "0/4/1", "4/4/1", "0/4/1"]


async def test_a_cut_ends_the_reading(clock: ManualClock) -> None:
    async with connecting(clock, BLIND, RADIATOR) as kit:
        kit.link.cut()
        await clock.advance(60)
        assert kit.read() == []


async def test_of_new_devices_alone_the_state_is_read(clock: ManualClock) -> None:
    async with connecting(clock, BLIND) as kit:
        await clock.advance(1)
        await kit.gateway.serve([BLIND, RADIATOR])
        await clock.advance(1)
        assert kit.read() == ["4/4/1", "0/4/1"]
        await kit.wish(2, "valve", 5)
        assert kit.written() == ["0/4/1"]


async def test_a_removed_device_is_neither_read_nor_driven(clock: ManualClock) -> None:
    async with connecting(clock, BLIND, RADIATOR) as kit:
        await kit.gateway.serve([RADIATOR])
        await clock.advance(1)
        assert kit.read() == ["0/4/1"]
        with pytest.raises(Refused):
            await kit.wish(1, "position", 5)
        kit.receive("4/4/1", GroupValueWrite(byte(0)))
        assert kit.strangers() == ["4/4/1"]


async def test_a_read_that_fails_does_not_stop_the_others(clock: ManualClock) -> None:
    async with connecting(clock, BLIND, RADIATOR) as kit:
        kit.link.failing = True
        await settle()
        kit.link.failing = False
        await clock.advance(1)
        assert kit.read() == ["0/4/1"]


@pytest.mark.parametrize(
    "point",
    [Point(role="soup", write="1/1/1"), Point(role="valve", write="99/1/1"), Point(role="valve", dpt="77.7")],
    ids=["no such role", "no address", "no such datapoint type"],
)
async def test_a_point_that_makes_no_sense_is_passed_over(clock: ManualClock, point: Point) -> None:
    async with connecting(clock, device(9, "odd", point), RADIATOR) as kit:
        await clock.advance(1)
        assert kit.read() == ["0/4/1"]


# --- options


def test_the_limits_come_from_the_options(clock: ManualClock) -> None:
    shipped = KnxGateway({}, clock, FakeLink())
    assert (shipped.telegrams_per_s, shipped.burst, shipped.concurrent) == (20, 5, 1)
    slow = KnxGateway({"telegrams_per_s": 2, "burst": 1}, clock, FakeLink())
    assert (slow.telegrams_per_s, slow.burst) == (2, 1)


@pytest.mark.parametrize("kind", list(CONNECTIONS))
def test_an_interface_is_reached_as_the_options_say(kind: str) -> None:
    config = connection_config({"connection": kind, "host": "192.0.2.7", "port": 3672, "local_ip": "192.0.2.1"})
    assert config.connection_type is CONNECTIONS[kind]
    assert (config.gateway_port, config.multicast_port, config.local_ip) == (3672, 3672, "192.0.2.1")
    assert config.gateway_ip == (None if kind == "routing" else "192.0.2.7")
    assert not config.auto_reconnect


def test_a_connection_of_an_unknown_kind_is_an_input_error(clock: ManualClock) -> None:
    with pytest.raises(InputError, match="pigeon"):
        KnxGateway({"connection": "pigeon"}, clock)
