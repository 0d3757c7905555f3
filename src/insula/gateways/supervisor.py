"""Runs one GatewayRunner for each gateway of a protocol, as topic ``state`` names them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from insula.bus.channel import Channel
from insula.bus.health import STANDBY, standby_name
from insula.bus.keys import health_key
from insula.clock import Clock
from insula.gateways.port import FieldBus
from insula.gateways.run import GatewayRunner
from insula.messages import GatewayRecord, Protocol

log = structlog.get_logger("insula.gateways")

PREFIX = "gateway/"


class GatewaySupervisor:
    """A gateway that the building file adds, changes or removes is started, restarted or stopped. ``instance``: this
    process, among those that serve the same gateways."""

    def __init__(
        self,
        protocol: Protocol,
        make: Callable[[GatewayRecord], FieldBus],
        channel: Channel,
        clock: Clock,
        instance: str = "1",
    ) -> None:
        self._protocol = protocol
        self._make = make
        self._channel = channel
        self._clock = clock
        self._instance = instance
        self._running: dict[str, tuple[GatewayRecord, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        reader = await self._channel.read(["state"], name=f"{self._protocol} gateways", start="beginning")
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    for received in await reader.batch():
                        if received.record.key.startswith(PREFIX):
                            await self._apply(received.record.key.removeprefix(PREFIX), received.message, tasks)
        finally:
            await reader.close()

    async def _apply(self, gateway_id: str, message: object, tasks: asyncio.TaskGroup) -> None:
        record = message if isinstance(message, GatewayRecord) and message.type == self._protocol else None
        known = self._running.get(gateway_id)
        if known is not None and known[0] == record:
            return
        if known is not None:
            await self._stop(gateway_id)
        if record is not None:
            field_bus = self._make(record)
            runner = GatewayRunner(gateway_id, self._protocol, field_bus, self._channel, self._clock, self._instance)
            log.info("gateway starts", gateway=gateway_id, protocol=self._protocol)
            self._running[gateway_id] = (record, tasks.create_task(runner.run(), name=f"gateway {gateway_id}"))

    async def _stop(self, gateway_id: str) -> None:
        _, task = self._running.pop(gateway_id)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await self._channel.forget("state", health_key("gateway", gateway_id))
        await self._channel.forget("state", health_key(STANDBY, standby_name(gateway_id, self._instance)))
        log.info("gateway stopped", gateway=gateway_id)
