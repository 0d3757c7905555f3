"""The KNX gateway's rig: the simulated interface over TCP, and two actuators of 2020's scheme behind it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from xknx.telegram import Telegram
from xknx.telegram.apci import GroupValueRead, GroupValueResponse, GroupValueWrite

from insula.building.scheme2020 import points_2020
from insula.clock import SystemClock
from insula.gateways.knx.gateway import KnxGateway
from insula.gateways.knx.translate import decode, encode
from insula.messages import DeviceRecord, Point
from insula.points import ROLES
from insula.simulator.knx_interface import KnxInterface
from tests.contracts.rigs import Rig, Write

FLOOR = 4


def blind(device_id: int) -> DeviceRecord:
    return DeviceRecord(
        device_id=device_id,
        room_id=1,
        room_number=1,
        type="knx",
        gateway_id="g",
        kind="blind",
        bloc=device_id,
        floor=FLOOR,
        points=points_2020("blind", bloc=device_id, floor=FLOOR),
    )


class KnxRig:
    """``interface`` is the wire's far side; its actuators keep what they are told and answer reads."""

    point = "position"

    def __init__(self, interface: KnxInterface, connection: str) -> None:
        self.interface = interface
        self.devices: Sequence[DeviceRecord] = [blind(7), blind(8)]
        options = {"connection": connection, "host": interface.host, "port": interface.port, "telegrams_per_s": 200}
        self.field_bus = KnxGateway(options, SystemClock())
        self._seen: asyncio.Queue[Write] = asyncio.Queue()
        self._values = {(device.device_id, "position"): 100.0 for device in self.devices}
        interface.on_telegram(self._receive)

    async def see(self) -> Write:
        return await self._seen.get()

    async def press(self, device_id: int, point: str, value: float) -> None:
        self._values[device_id, point] = value
        self._tell(device_id, self._point(device_id, point), GroupValueWrite)

    async def cut(self) -> None:
        self.interface.cut()

    async def restore(self) -> None:
        self.interface.restore()

    def _point(self, device_id: int, role: str) -> Point:
        return next(p for d in self.devices if d.device_id == device_id for p in d.points if p.role == role)

    def _tell(self, device_id: int, point: Point, how: type[GroupValueWrite] | type[GroupValueResponse]) -> None:
        payload = encode(point, ROLES[point.role], self._values[device_id, point.role])
        self.interface.send(point.status, how(payload), f"1.1.{device_id}")

    def _receive(self, telegram: Telegram) -> None:
        address, payload = str(telegram.destination_address), telegram.payload
        for device in self.devices:
            for point in device.points:
                if isinstance(payload, GroupValueRead) and point.status == address:
                    self._tell(device.device_id, point, GroupValueResponse)
                elif isinstance(payload, GroupValueWrite) and point.write == address:
                    value = decode(point, ROLES[point.role], payload.value)
                    self._values[device.device_id, point.role] = value
                    self._seen.put_nowait((device.device_id, point.role, value))


@asynccontextmanager
async def interface_rig(connection: str) -> AsyncIterator[KnxRig]:
    interface = KnxInterface(port=0)
    await interface.start()
    try:
        yield KnxRig(interface, connection)
    finally:
        await interface.stop()


@asynccontextmanager
async def knx_rig() -> AsyncIterator[Rig]:
    async with interface_rig("tcp") as rig:
        yield rig


@asynccontextmanager
async def knx_udp_rig() -> AsyncIterator[Rig]:
    async with interface_rig("udp") as rig:
        yield rig
