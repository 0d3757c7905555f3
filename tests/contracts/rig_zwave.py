"""The Z-Wave gateway in front of a simulated Z-Wave JS server, for the contract suite of field buses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from insula.clock import SystemClock
from insula.gateways.zwave.gateway import ZwaveGateway
from insula.messages import DeviceRecord, Point
from insula.simulator.zwave_nodes import LEVEL, TARGET, VirtualNode, make_node
from insula.simulator.zwave_server import ZwaveServer
from tests.contracts.rigs import Rig, Write

NODES = {7: 2, 8: 3}
"""device_id -> node_id"""


def lamp(device_id: int, node_id: int) -> DeviceRecord:
    return DeviceRecord(
        device_id=device_id,
        room_id=1,
        room_number=1,
        type="zwave",
        gateway_id="g",
        kind="lamp",
        node_id=node_id,
        points=(Point(role="level"),),
    )


class ZwaveRig:
    point = "level"

    def __init__(self, server: ZwaveServer) -> None:
        self.server = server
        self.field_bus = ZwaveGateway({"url": server.url}, SystemClock())
        self.devices = [lamp(device_id, node_id) for device_id, node_id in NODES.items()]
        self._seen: asyncio.Queue[Write] = asyncio.Queue()
        server.on_set.append(self._take)

    def _take(self, node: VirtualNode, value_id: str, value: object) -> None:
        assert value_id == TARGET
        assert isinstance(value, int)
        device_id = next(device for device, node_id in NODES.items() if node_id == node.node_id)
        self._seen.put_nowait((device_id, "level", 100.0 if value == 99 else float(value)))

    async def see(self) -> Write:
        return await self._seen.get()

    async def press(self, device_id: int, point: str, value: float) -> None:
        self.server.report(NODES[device_id], LEVEL, min(99, round(value)))

    async def cut(self) -> None:
        self.server.cut()

    async def restore(self) -> None:
        self.server.restore()


@asynccontextmanager
async def zwave_rig() -> AsyncIterator[Rig]:
    server = ZwaveServer(port=0)
    for node_id in NODES.values():
        server.add(make_node("dimmer", node_id))
    await server.start()
    try:
        yield ZwaveRig(server)
    finally:
        await server.stop()
