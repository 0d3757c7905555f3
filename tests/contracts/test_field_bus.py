"""What every field bus must do: one suite over the fake, KNX and Z-Wave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest

from insula.errors import CommandError, Refused
from insula.gateways.fake import FakeFieldBus
from insula.messages import DeviceRecord, Point
from tests.contracts.rig_knx import knx_rig, knx_udp_rig
from tests.contracts.rig_zwave import zwave_rig
from tests.contracts.rigs import PATIENCE_S, Ear, Rig, Write, command


class FakeRig:
    point = "position"

    def __init__(self) -> None:
        self.field_bus = FakeFieldBus()
        self.devices = [
            DeviceRecord(
                device_id=number,
                room_id=1,
                room_number=1,
                type="knx",
                gateway_id="g",
                kind="blind",
                points=(Point(role="position"),),
            )
            for number in (7, 8)
        ]

    async def see(self) -> Write:
        seen = await self.field_bus.see()
        return seen.device_id, seen.point, seen.value

    async def press(self, device_id: int, point: str, value: float) -> None:
        self.field_bus.press(device_id, point, value)

    async def cut(self) -> None:
        self.field_bus.cut()

    async def restore(self) -> None:
        self.field_bus.restore()


@asynccontextmanager
async def fake_rig() -> AsyncIterator[Rig]:
    yield FakeRig()


RIGS: dict[str, Callable[[], AbstractAsyncContextManager[Rig]]] = {
    "fake": fake_rig,
    "knx": knx_rig,
    "knx_udp": knx_udp_rig,
    "zwave": zwave_rig,
}


@pytest.fixture(params=list(RIGS))
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with RIGS[request.param]() as rig:
        yield rig


@pytest.fixture
async def ear(rig: Rig) -> AsyncIterator[Ear]:
    """Hears what the running, connected field bus says; it must end by itself when cancelled."""
    ear = Ear()
    await rig.field_bus.serve(rig.devices)
    running = asyncio.create_task(rig.field_bus.run(ear))
    await ear.until(lambda: "connected" in ear.links)
    yield ear
    await end(running)


async def end(running: asyncio.Task[None]) -> None:
    running.cancel()
    async with asyncio.timeout(10):
        with suppress(asyncio.CancelledError):
            await running


async def see(rig: Rig) -> Write:
    async with asyncio.timeout(PATIENCE_S):
        return await rig.see()


async def is_refused(rig: Rig, device_id: int, point: str) -> bool:
    with pytest.raises(Refused):
        await rig.field_bus.send(command(device_id, point, 50))
    return True


def test_its_limits_make_sense(rig: Rig) -> None:
    assert rig.field_bus.telegrams_per_s >= 0
    assert rig.field_bus.burst >= 1
    assert rig.field_bus.concurrent >= 1


@pytest.mark.parametrize("value", [0.0, 1.0, 42.0, 100.0])
async def test_a_command_arrives_as_it_was_meant(rig: Rig, ear: Ear, value: float) -> None:
    device = rig.devices[0]
    await rig.field_bus.send(command(device.device_id, rig.point, value))
    assert await see(rig) == (device.device_id, rig.point, value)


async def test_commands_arrive_in_the_order_they_were_sent(rig: Rig, ear: Ear) -> None:
    wished = [(device.device_id, rig.point, value) for value in (10.0, 20.0, 30.0) for device in rig.devices[:2]]
    for device_id, point, value in wished:
        await rig.field_bus.send(command(device_id, point, value))
    assert [await see(rig) for _ in wished] == wished


@pytest.mark.parametrize("value", [0.0, 42.0, 100.0])
async def test_what_changes_by_itself_is_reported(rig: Rig, ear: Ear, value: float) -> None:
    device = rig.devices[1]
    await rig.press(device.device_id, rig.point, 50 + value / 10)
    await rig.press(device.device_id, rig.point, value)
    await ear.until(lambda: (device.device_id, rig.point, value) in ear.reports)
    assert ear.reports[-1] == (device.device_id, rig.point, value)


async def test_before_it_runs_everything_is_refused(rig: Rig) -> None:
    await rig.field_bus.serve(rig.devices)
    assert await is_refused(rig, rig.devices[0].device_id, rig.point)


async def test_a_point_or_device_it_does_not_have_is_refused(rig: Rig, ear: Ear) -> None:
    assert await is_refused(rig, rig.devices[0].device_id, "setpoint")
    assert await is_refused(rig, 987_654, rig.point)


async def test_a_cut_is_told_with_a_reason_and_refuses_commands(rig: Rig, ear: Ear) -> None:
    await rig.cut()
    await ear.until(lambda: ear.links[-1] != "connected")
    assert ear.links[-1]
    with pytest.raises(CommandError):
        await rig.field_bus.send(command(rig.devices[0].device_id, rig.point, 50))


async def test_after_a_cut_it_is_back_by_itself_and_replays_nothing(rig: Rig, ear: Ear) -> None:
    device = rig.devices[0]
    await rig.cut()
    await ear.until(lambda: ear.links[-1] != "connected")
    with pytest.raises(CommandError):
        await rig.field_bus.send(command(device.device_id, rig.point, 11))
    await rig.restore()
    await ear.until(lambda: ear.links[-1] == "connected")
    await rig.field_bus.send(command(device.device_id, rig.point, 22))
    assert await see(rig) == (device.device_id, rig.point, 22)


async def test_what_it_can_read_is_told_again_after_a_cut(rig: Rig, ear: Ear) -> None:
    device = rig.devices[0]
    await rig.press(device.device_id, rig.point, 37)
    await ear.until(lambda: (device.device_id, rig.point, 37) in ear.reports)
    await rig.cut()
    await ear.until(lambda: ear.links[-1] != "connected")
    ear.reports.clear()
    await rig.restore()
    await ear.until(lambda: (device.device_id, rig.point, 37) in ear.reports)
    assert ear.links[-1] == "connected"


async def test_a_new_list_of_devices_is_served_at_once(rig: Rig, ear: Ear) -> None:
    gone, kept = rig.devices[0], rig.devices[1]
    await rig.field_bus.serve([kept])
    assert await is_refused(rig, gone.device_id, rig.point)
    await rig.field_bus.serve(rig.devices)
    await rig.field_bus.send(command(gone.device_id, rig.point, 5))
    assert await see(rig) == (gone.device_id, rig.point, 5)


async def test_it_waits_for_an_interface_that_is_not_there_yet(rig: Rig) -> None:
    await rig.cut()
    ear = Ear()
    await rig.field_bus.serve(rig.devices)
    running = asyncio.create_task(rig.field_bus.run(ear))
    await rig.restore()
    await ear.until(lambda: "connected" in ear.links)
    await end(running)
    assert running.done()
