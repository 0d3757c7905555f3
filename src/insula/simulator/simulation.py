"""A simulated building on the wire: KNXnet/IP interfaces, Z-Wave JS servers, the world and its control API."""

import asyncio
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from insula.building.model import BuildingPlan, GatewayPlan
from insula.clock import Clock
from insula.errors import Unavailable
from insula.http import listen, serve
from insula.messages import GatewayOption
from insula.simulator.control import control_app
from insula.simulator.field import Field
from insula.simulator.knx_devices import VirtualKnxBus
from insula.simulator.knx_interface import KnxInterface
from insula.simulator.truth import TruthLog
from insula.simulator.world import World
from insula.simulator.zwave_network import VirtualZwaveNetwork
from insula.simulator.zwave_server import ZwaveServer

KNX_PORT, ZWAVE_PORT, CONTROL_PORT = 13671, 13000, 8090


class Simulation:
    """A port None is that of the plan's gateway; given, it is the first gateway's of that protocol, each further one
    has the next; 0 is any free one. After ``start`` ports and ``addresses()`` are the real ones.
    """

    def __init__(
        self,
        plan: BuildingPlan,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        knx_port: int | None = None,
        zwave_port: int | None = None,
        control_port: int = CONTROL_PORT,
        seed: int = 1,
        log: TruthLog | None = None,
        tick_s: float = 1.0,
    ) -> None:
        self.plan = plan
        self.host = host
        self.control_port = control_port
        self.world = World(plan, clock, seed, log=log, tick_s=tick_s)
        self.interfaces = {
            gateway.id: KnxInterface(host, _port(knx_port, number, gateway, KNX_PORT))
            for number, gateway in enumerate(_gateways(plan, "knx"))
        }
        self.buses = {
            name: VirtualKnxBus(interface, self.world.rooms, plan, clock, gateway_id=name)
            for name, interface in self.interfaces.items()
        }
        self.servers = {
            gateway.id: ZwaveServer(host, _port(zwave_port, number, gateway, ZWAVE_PORT))
            for number, gateway in enumerate(_gateways(plan, "zwave"))
        }
        self.networks = {
            name: VirtualZwaveNetwork(server, self.world.rooms, plan, name) for name, server in self.servers.items()
        }
        self.field = Field(plan, self.interfaces, self.buses, self.servers)
        self.world.devices.extend([*self.buses.values(), *self.networks.values()])
        self._control: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open all ports. Unavailable, with nothing left open, if one is taken."""
        try:
            self.world.step(0.0)
            for interface in self.interfaces.values():
                await interface.start()
            for server in self.servers.values():
                await self._start_zwave(server)
            await self._start_control()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close everything."""
        if self._control is not None:
            self._control.cancel()
            await asyncio.wait([self._control])
            self._control = None
        for server in self.servers.values():
            await server.stop()
        for interface in self.interfaces.values():
            await interface.stop()

    async def run(self) -> None:
        """Lets the world go on with the clock until cancelled; started before, stopped afterwards by the caller."""
        await self.world.run()

    def addresses(self) -> dict[str, str]:
        """What runs where, for people: name to address."""
        knx = {f"KNX {name}": f"{self.host}:{interface.port}" for name, interface in self.interfaces.items()}
        zwave = {f"Z-Wave {name}": server.url for name, server in self.servers.items()}
        return {**knx, **zwave, "control": f"http://{self.host}:{self.control_port}"}

    def served_plan(self) -> BuildingPlan:
        """The plan with the gateways where this simulation serves them."""
        return msgspec.structs.replace(self.plan, gateways=tuple(self._served(one) for one in self.plan.gateways))

    def _served(self, gateway: GatewayPlan) -> GatewayPlan:
        where: dict[str, GatewayOption]
        if gateway.type == "knx":
            where = {"host": self.host, "port": self.interfaces[gateway.id].port}
        else:
            where = {"url": self.servers[gateway.id].url}
        return msgspec.structs.replace(gateway, options={**gateway.options, **where})

    async def _start_zwave(self, server: ZwaveServer) -> None:
        try:
            await server.start()
        except OSError as error:
            raise Unavailable(f"Z-Wave server: {self.host}:{server.port}: {error.strerror}") from error

    async def _start_control(self) -> None:
        app = control_app(self.world, self.field)
        sock = self._listen()
        self.control_port = sock.getsockname()[1]
        ready = asyncio.Event()
        self._control = asyncio.create_task(serve(app, sock, ready.set), name="simulator control")
        await ready.wait()

    def _listen(self) -> socket.socket:
        try:
            return listen(self.host, self.control_port)
        except OSError as error:
            raise Unavailable(f"control API: {error.strerror}") from error


async def run_simulation(
    plan: BuildingPlan,
    clock: Clock,
    host: str,
    knx_port: int | None,
    zwave_port: int | None,
    control_port: int,
    seed: int,
    ready: Callable[[dict[str, str]], None] = lambda addresses: None,
) -> None:
    """Run a simulated building until cancelled; ``ready`` gets the addresses once all is served."""
    simulation = Simulation(
        plan, clock, host=host, knx_port=knx_port, zwave_port=zwave_port, control_port=control_port, seed=seed
    )
    await simulation.start()
    try:
        ready(simulation.addresses())
        await simulation.run()
    finally:
        await simulation.stop()


def _gateways(plan: BuildingPlan, protocol: str) -> list[GatewayPlan]:
    return [gateway for gateway in plan.gateways if gateway.type == protocol]


def _port(wished: int | None, number: int, gateway: GatewayPlan, default: int) -> int:
    if wished is not None:
        return wished and wished + number
    port = gateway.options.get("port", urlsplit(str(gateway.options.get("url", ""))).port)
    return int(port) if port is not None else default + number
