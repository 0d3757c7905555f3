"""A member of a group, to be killed: arguments ``SERVERS GROUP TOPIC``; it prints how many partitions it has."""

import asyncio
import sys
from collections.abc import Sequence

from insula.bus.kafka import KafkaBus
from insula.bus.port import Partition
from insula.clock import SystemClock
from insula.logs import configure
from insula.settings import LogSettings

held: set[Partition] = set()


def tell() -> None:
    sys.stdout.write(f"{len(held)}\n")
    sys.stdout.flush()


async def assigned(partitions: Sequence[Partition]) -> None:
    held.update(partitions)
    tell()


async def revoked(partitions: Sequence[Partition]) -> None:
    held.difference_update(partitions)
    tell()


async def main(servers: str, group: str, topic: str) -> None:
    configure(LogSettings(level="error"))
    bus = KafkaBus({"bootstrap.servers": servers}, SystemClock())
    await bus.start()
    await bus.join(group, topic, assigned=assigned, revoked=revoked)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
