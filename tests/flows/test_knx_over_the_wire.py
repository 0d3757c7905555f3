"""Gateway -> KNXnet/IP -> interface, and back: the arrow between Insula and a KNX installation, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from xknx.dpt.payload import DPTArray, DPTBinary
from xknx.telegram import Telegram
from xknx.telegram.apci import GroupValueRead, GroupValueResponse, GroupValueWrite

from insula.building.scheme2020 import points_2020
from insula.clock import SystemClock
from insula.errors import CommandError, Failed
from insula.gateways.knx import states
from insula.gateways.knx.gateway import KnxGateway
from insula.messages import Command, DeviceRecord, Origin
from insula.simulator.knx_interface import KnxInterface

PATIENCE_S = 20
ACTUATOR, SWITCH = "1.1.5", "1.1.200"
OPEN, CLOSED = DPTArray(0x00), DPTArray(0xFF)


@dataclass
class House:
    """One blind and one radiator behind an interface. What anybody says is waited for, never slept for."""

    interface: KnxInterface
    gateway: KnxGateway
    links: list[str] = field(default_factory=list)
    reports: list[tuple[int, str, float, Origin | None]] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    bus: list[Telegram] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    # what the gateway tells

    def connected(self) -> None:
        self._tell(self.links, "connected")

    def disconnected(self, why: str) -> None:
        self._tell(self.links, why)

    def report(
        self,
        device_id: int,
        point: str,
        value: float,
        *,
        origin: Origin | None = None,
        measured_at: int | None = None,
    ) -> None:
        self._tell(self.reports, (device_id, point, value, origin))

    def alive(self, device_id: int) -> None:
        """KNX has no signs of life without a value."""

    def dead(self, device_id: int, why: str) -> None:
        """Nor does it say that a device is dead."""

    def may_send(self) -> bool:
        return True

    def unknown(self, address: str) -> None:
        self._tell(self.strangers, address)

    # what the bus carries

    def heard(self, telegram: Telegram) -> None:
        self._tell(self.bus, telegram)

    def _tell(self, told: list[Any], what: object) -> None:
        told.append(what)
        self._news.set()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def wish(self, device_id: int, point: str, value: float) -> None:
        await self.gateway.send(
            Command(at=0, device_id=device_id, gateway_id="knx", point=point, value=value, expires_at=30_000)
        )

    def written(self) -> list[tuple[str, object]]:
        return [
            (str(one.destination_address), one.payload.value)
            for one in self.bus
            if isinstance(one.payload, GroupValueWrite)
        ]

    def read(self) -> list[str]:
        return [str(one.destination_address) for one in self.bus if isinstance(one.payload, GroupValueRead)]


def device(device_id: int, kind: str) -> DeviceRecord:
    return DeviceRecord(
        device_id=device_id,
        room_id=1,
        room_number=1,
        type="knx",
        gateway_id="knx",
        kind=kind,
        bloc=1,
        floor=4,
        points=points_2020(kind, bloc=1, floor=4),
    )


@pytest.fixture(params=["tcp", "udp"])
async def house(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """Connected, and its states read; nobody answers, and they are not read again."""
    monkeypatch.setattr(states, "RETRY_S", (3600,))
    monkeypatch.setattr(states, "CONFIRM_S", 3600)
    interface = KnxInterface(port=0)
    await interface.start()
    options = {"connection": request.param, "host": interface.host, "port": interface.port, "telegrams_per_s": 0}
    house = House(interface, KnxGateway(options, SystemClock()))
    interface.on_telegram(house.heard)
    await house.gateway.serve([device(1, "blind"), device(2, "radiator")])
    running = asyncio.create_task(house.gateway.run(house))
    await house.until(lambda: len(house.read()) == 2)
    yield house
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await interface.stop()


async def test_the_states_are_read_at_start(house: House) -> None:
    assert house.links == ["connected"]
    assert house.read() == ["4/4/1", "0/4/1"]


async def test_a_command_is_on_the_bus_when_send_returns(house: House) -> None:
    await house.wish(1, "move", 100)
    await house.wish(1, "move", 0)
    await house.wish(1, "stop", 1)
    await house.wish(1, "position", 42)
    await house.wish(2, "valve", 0)
    assert house.written() == [
        ("1/4/1", DPTBinary(0)),
        ("1/4/1", DPTBinary(1)),
        ("2/4/1", DPTBinary(1)),
        ("3/4/1", DPTArray(0x94)),
        ("0/4/1", DPTArray(0x00)),
    ]
    assert {str(one.source_address) for one in house.bus} == {"1.1.100"}


async def test_a_status_becomes_a_report(house: House) -> None:
    house.interface.send("4/4/1", GroupValueWrite(CLOSED), ACTUATOR)
    house.interface.send("0/4/1", GroupValueResponse(DPTArray(0x6B)), ACTUATOR)
    await house.until(lambda: len(house.reports) == 2)
    assert house.reports == [(1, "position", 0, None), (2, "valve", 42, None)]


async def test_a_wall_switch_is_named(house: House) -> None:
    house.interface.send("3/4/1", GroupValueWrite(OPEN), SWITCH)
    house.interface.send("4/4/1", GroupValueWrite(OPEN), ACTUATOR)
    await house.until(lambda: len(house.reports) == 1)
    assert house.reports == [(1, "position", 100, Origin(kind="switch", name=SWITCH))]


async def test_a_telegram_of_nobody_is_counted(house: House) -> None:
    house.interface.send("9/0/9", GroupValueWrite(OPEN), SWITCH)
    await house.until(lambda: house.strangers)
    assert house.strangers == ["9/0/9"]


async def test_a_device_that_was_dead_at_the_start_is_asked_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "RETRY_S", (0.01,))
    await house.interface.stop()
    await house.until(lambda: house.links[-1] != "connected")
    await house.interface.start()
    await house.until(lambda: house.read().count("4/4/1") >= 4)
    house.interface.send("4/4/1", GroupValueResponse(CLOSED), ACTUATOR)
    await house.until(lambda: house.reports)
    assert house.reports == [(1, "position", 0, None)]


async def test_five_hundred_statuses_at_once_all_arrive(house: House) -> None:
    for number in range(500):
        house.interface.send("4/4/1", GroupValueWrite(DPTArray(number % 256)), ACTUATOR)
    await house.until(lambda: len(house.reports) == 500)
    assert house.links == ["connected"]


async def test_an_interface_that_restarts_gets_nothing_old(house: House) -> None:
    await house.interface.stop()
    await house.until(lambda: house.links[-1] != "connected")
    with pytest.raises(CommandError):
        await house.wish(1, "position", 11)
    house.bus.clear()
    await house.interface.start()
    await house.until(lambda: house.links[-1] == "connected" and len(house.read()) == 2)
    await house.wish(1, "position", 22)
    assert house.written() == [("3/4/1", DPTArray(0xC7))]
    assert len(house.links) == 3


async def test_a_restart_that_nobody_announced_is_noticed(house: House) -> None:
    house.interface.cut()
    house.interface.restore()
    await house.until(lambda: house.links[-1] != "connected")
    await house.until(lambda: house.links[-1] == "connected")
    await house.wish(1, "position", 0)
    assert house.written()[-1] == ("3/4/1", CLOSED)


async def test_a_command_under_way_when_the_cable_is_cut_has_failed(house: House) -> None:
    wish = asyncio.create_task(house.wish(1, "position", 11))
    await asyncio.sleep(0)
    house.interface.cut()
    with pytest.raises(Failed):
        await wish
    assert house.written() == []


async def test_many_interruptions_leave_one_tunnel_and_one_reading_each(house: House) -> None:
    for _ in range(2):
        await house.interface.stop()
        await house.until(lambda: house.links[-1] != "connected")
        house.bus.clear()
        await house.interface.start()
        await house.until(lambda: len(house.read()) == 2)
    assert house.interface.clients == 1
    assert house.read() == ["4/4/1", "0/4/1"]
