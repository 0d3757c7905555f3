"""A process that serves gateway ``knx`` over a fake field bus, to be killed or stopped: arguments ``SERVERS NAME``.
SIGUSR1 cuts its link.

It prints ``leads``, ``stands by``, and ``sent ID`` for each command that went to its field bus.
"""

import asyncio
import signal
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.kafka import KafkaBus
from insula.clock import SystemClock
from insula.gateways import run
from insula.gateways.fake import FakeFieldBus
from insula.gateways.run import GatewayRunner

TOLD = {"drives its gateway": "leads", "stands by": "stands by"}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def overhear(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if event["event"] in TOLD:
        say(TOLD[event["event"]])
    raise structlog.DropEvent


async def main(servers: str, name: str) -> None:
    run.PATIENCE_MS = 500
    structlog.configure(processors=[overhear])
    bus = KafkaBus({"bootstrap.servers": servers}, SystemClock())
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    field_bus = FakeFieldBus(telegrams_per_s=0.01)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, field_bus.cut)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(channel.follow_devices())
        tasks.create_task(GatewayRunner("knx", "knx", field_bus, channel, bus.clock, name).run())
        say("starts")
        while True:
            say(f"sent {(await field_bus.see()).id}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
