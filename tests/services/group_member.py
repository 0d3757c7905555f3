"""A member of a group, to be killed: arguments ``SERVERS GROUP TOPIC``; it prints how many partitions it has."""

import asyncio
import sys
from collections.abc import Sequence

from insula.bus.kafka import KafkaBus
from insula.bus.port import Partition
from insula.clock import SystemClock
from insula.logs import configure
from insula.settings import LogSettings


async def assigned(partitions: Sequence[Partition]) -> None:
    sys.stdout.write(f"{len(partitions)}\n")
    sys.stdout.flush()


async def revoked(partitions: Sequence[Partition]) -> None:
    pass


async def main(servers: str, group: str, topic: str) -> None:
    configure(LogSettings(level="error"))
    bus = KafkaBus({"bootstrap.servers": servers}, SystemClock())
    await bus.start()
    await bus.join(group, topic, assigned=assigned, revoked=revoked)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
