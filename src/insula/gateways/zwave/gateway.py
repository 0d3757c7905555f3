"""One Z-Wave network, by its Z-Wave JS server: a field bus (gateways/port.py)."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import aiohttp
import structlog
from zwave_js_server.const import SET_VALUE_SUCCESS
from zwave_js_server.exceptions import (
    BaseZwaveJSServerError,
    FailedZWaveCommand,
    NotConnected,
    NotFoundError,
    TransportError,
    UnwriteableValue,
)
from zwave_js_server.model.node import Node
from zwave_js_server.model.value import SetValueResult

from insula.clock import Clock
from insula.errors import CommandError, Failed, Refused
from insula.gateways.port import Upward
from insula.gateways.zwave.link import Connection, keep
from insula.gateways.zwave.network import Network
from insula.gateways.zwave.translate import wire_value
from insula.messages import Command, DeviceRecord, GatewayOption

log = structlog.get_logger("insula.zwave")

URL = "ws://127.0.0.1:3000"
SET_S = 10.0
"""For one command: the driver gives a node that does not answer up after 3-4 s, and others queue behind it."""
LOST = "the connection was lost before the answer"


class ZwaveGateway:
    """Option ``url``: the server's address, ``ws://host:port``. No limit of telegrams: the driver paces the radio."""

    def __init__(self, options: Mapping[str, GatewayOption], clock: Clock) -> None:
        self.telegrams_per_s = 0.0
        self.burst = 1
        self.carries_per_s = 0.0
        self.telegrams = 0
        self.concurrent = 8
        self._url = str(options.get("url", URL))
        self._clock = clock
        self._devices: tuple[DeviceRecord, ...] = ()
        self._network: Network | None = None
        self._why = ""

    async def serve(self, devices: Sequence[DeviceRecord]) -> None:
        self._devices = tuple(devices)
        if self._network is not None:
            self._network.serve(self._devices)

    def lead(self) -> None:
        """The server tells every client all that it knows: there is nothing to read."""

    async def run(self, up: Upward) -> None:
        await keep(self._url, self._clock, partial(self._connected, up), partial(self._disconnected, up))

    async def _connected(self, up: Upward, connection: Connection) -> None:
        log.info("connected", url=self._url, home_id=connection.driver.controller.home_id)
        self._network = network = Network(connection.driver, up, self._clock)
        self._why = ""
        connection.driver.on("driver ready", lambda _: connection.lost.cancel())  # it restarted: a new model
        try:
            up.connected()
            network.open(self._devices)
            await network.watch()
        finally:
            self._network = None

    def _disconnected(self, up: Upward, why: str) -> None:
        """Each reason once: attempts go on for ever."""
        if why != self._why:
            log.warning("not connected", url=self._url, why=why)
            self._why = why
            up.disconnected(why)

    async def send(self, command: Command) -> None:
        if (network := self._network) is None:
            raise Refused(f"not connected to the Z-Wave JS server: {self._why or 'not yet'}")
        node, bound = network.find(command.device_id, command.point)
        value_id = f"{node.node_id}-{bound.write}"
        if (value := node.values.get(value_id)) is None:
            raise Refused(f"node {node.node_id} has no value {bound.write}")
        try:
            await network.reach(node)
            network.check_turn()
            network.commanded(node)
            async with asyncio.timeout(SET_S):
                # the library's own choice, to wait or not, leaves tasks behind when it is cancelled
                result = await node.async_set_value(
                    value, wire_value(bound, command.value, value.metadata.unit), wait_for_result=True
                )
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise Failed(LOST) from None  # the library cancels what waits
        except (TimeoutError, BaseZwaveJSServerError, aiohttp.ClientError, OSError, ValueError) as error:
            raise _not_done(node, error) from error
        _check(node, result)


def _not_done(node: Node, error: Exception) -> CommandError:
    match error:
        case TimeoutError():
            return Failed(f"node {node.node_id}: no answer within {SET_S:g} s")
        case FailedZWaveCommand():
            return Failed(f"node {node.node_id}: {error.zwave_error_message}")
        case NotFoundError() | UnwriteableValue():
            return Refused(f"node {node.node_id}: the value cannot be set")
        case TransportError() | NotConnected() | aiohttp.ClientError() | OSError():
            return Failed(LOST)
        case _:
            return Failed(f"node {node.node_id}: {str(error) or type(error).__name__}")


def _check(node: Node, result: SetValueResult | None) -> None:
    """No result is no error for the library: a node that is dead or asleep."""
    if result is None:
        raise Failed(f"node {node.node_id} does not answer")
    if result.status not in SET_VALUE_SUCCESS:
        raise Failed(f"node {node.node_id}: {result.message or result.status.name.lower().replace('_', ' ')}")
