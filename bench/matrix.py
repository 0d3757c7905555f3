"""Every route, for each of 200 people, in each of 125 rooms and of each of 500 devices. Of what changes something all
that must be refused is asked, and enough of what is allowed. ``make test`` asks a sample (tests/matrix).

``python -m bench.matrix EVERY``: for each EVERY-th of the people alone.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import Progress

from insula.clock import settle
from tests.matrix.estate import EstateRoom
from tests.matrix.live import follow
from tests.matrix.matrix import Matrix, matrix
from tests.matrix.people import Asker
from tests.matrix.routes import LIVE, ROUTES, Of

AT_ONCE = 16
"""Rooms that are asked for at the same time."""
ENOUGH = 100
"""So often each act is carried out by people with the same level: after it, much is to be looked up again."""
SHOWN = 20
"""Faults; of more, their number."""


async def main() -> int:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    console, began, used = Console(), time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, Progress(console=console) as progress:
        async with matrix(Path(folder)) as it:
            for one in progress.track(it.askers[::every], description="people"):
                await _asks_all(it, one)
            await follow(it, LIVE, it.askers)
    for fault in it.faults[:SHOWN]:
        console.print(fault, markup=False)
    took, busy = time.monotonic() - began, time.process_time() - used
    console.print(
        f"{it.asked.total()} questions in {took:.0f} s ({busy:.0f} s of CPU): {len(it.faults)} faults; {_how(it)}"
    )
    return 1 if it.faults else 0


async def _asks_all(it: Matrix, one: Asker) -> None:
    """First what changes nothing: after a change all that is kept in memory of people is looked up again."""
    it.report()
    await settle(200)
    await it.whole(one)
    acts = {name for name, call in ROUTES.items() if isinstance(call, Of) and call.acts}
    rooms = iter(it.rooms)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(_in_rooms(it, one, rooms, ROUTES.keys() - acts))
    await _in_rooms(it, one, iter(it.rooms), acts)  # one by one: the clock goes on for who waits


async def _in_rooms(it: Matrix, one: Asker, rooms: Iterator[EstateRoom], names: Collection[str]) -> None:
    for room in rooms:
        await it.in_room(one, room, [name for name in names if not _is_enough(it, one, room, name)])


def _is_enough(it: Matrix, one: Asker, room: EstateRoom, name: str) -> bool:
    """Of acts that are allowed; each that is not is asked."""
    call = ROUTES[name]
    if not isinstance(call, Of) or not call.acts or not one.may(call.level, room.id):
        return False
    return it.asked[name, one.levels[room.id]] >= ENOUGH


def _how(it: Matrix) -> str:
    """How often, by what the asker was to the room."""
    by = Counter[str]()
    for (_, relation), count in it.asked.items():
        by[relation] += count
    return ", ".join(f"{relation} {count}" for relation, count in by.most_common())


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
