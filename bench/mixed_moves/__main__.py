"""1,000 mixed moves in the simulated building over the real protocols: does Insula know who moved what, and why?

An app (the API), wall switches, an outside KNX writer (a client of its own on a tunnel of its own) and rules move the
blinds, valves and lamps of 12 rooms; the clock runs 20 times as fast. After each move ``GET /why`` is asked at once;
all of it again after a restart of everything: ``make chaos``.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from bench.demo_process import DemoProcess, demo
from bench.machine import percentile
from bench.mixed_moves.rooms import Building, Move, Room, Seen, outside, room_of
from insula.building.demo import demo_plan

COUNT, ROOMS, SPEED = 1_000, 12, 20
NIGHT = "2026-01-15T01:00+01:00"
"""Nobody comes in by himself, and the lamp follows whoever is there."""
LEAST_RIGHT, ANSWER_S = 0.995, 1.0
SETTLE_S = 8.0
"""Each room is empty and dry, and kept so; by then that is known, and the rules have done what they do."""


async def _live(process: DemoProcess, count: int, seed: int, progress: Progress) -> list[Seen]:
    async with outside(process) as at:
        plans = demo_plan(ROOMS).rooms
        for plan in plans:
            await at.ask("POST", f"{at.control}/world/rooms/{plan.number}", json={"people": 0, "humidity": 40})
        await asyncio.sleep(SETTLE_S)
        rooms = [await room_of(at, plan, seed) for plan in plans]
        since = await at.moment()
        bar = progress.add_task("moves", total=count)

        def made() -> int:
            return sum(room.seen.count for room in rooms)

        async def work(room: Room) -> None:
            while made() < count:
                await room.move()
                progress.update(bar, completed=min(made(), count))

        await asyncio.gather(*map(work, rooms))
        await asyncio.sleep(1)
        for room in rooms:
            room.seen.since, room.seen.until = since, await at.moment()
        return [room.seen for room in rooms]


async def _judge(process: DemoProcess, seen: Sequence[Seen]) -> tuple[int, list[str], list[float]]:
    """How many are right, what is wrong, and how long each answer took: all that is told of each device, in order."""
    right, wrong, asked_s = 0, list[str](), list[float]()
    async with outside(process) as at:
        for room in seen:
            for device_id, moves in room.moves.items():
                entries, took_s = await _all(at, device_id, room.since, room.until)
                asked_s += took_s
                its_wrong = _compared(moves, entries)
                right += len(moves) - sum(line.startswith("not told") for line in its_wrong)
                wrong += its_wrong
    return right, wrong, asked_s


def _compared(moves: Sequence[Move], entries: Sequence[dict[str, Any]]) -> list[str]:
    """What was not told, and what was told and never was: both in the same order."""
    wrong, at = [], 0
    for move in moves:
        found = next((n for n in range(at, min(at + 5, len(entries))) if move.fits(entries[n])), None)
        if found is None:
            wrong.append(f"not told: {move}")
        else:
            wrong += [f"never was: {entry['text']}" for entry in entries[at:found]]
            at = found + 1
    return wrong + [f"never was: {entry['text']}" for entry in entries[at:]]


async def _all(at: Building, device_id: int, since: int, until: int) -> tuple[list[dict[str, Any]], list[float]]:
    """Of that time: after a restart the rules may have gone on."""
    entries: list[dict[str, Any]] = []
    asked_s, before = [], ""
    while True:
        page, took_s = await at.why(device_id, before, since=since, until=until)
        entries = page["entries"] + entries
        asked_s.append(took_s)
        if page["after"] is None:
            return entries, asked_s
        before = page["after"]


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    console, began = Console(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        arguments = ("--rooms", str(ROOMS), "--speed", str(SPEED))
        with demo(data, *arguments, "--epoch", NIGHT) as process, Progress(console=console) as progress:
            seen = asyncio.run(_live(process, count, seed, progress))
            verdicts = {"while it ran": asyncio.run(_judge(process, seen))}
        with demo(data, *arguments) as process:
            verdicts["after a restart of everything"] = asyncio.run(_judge(process, seen))
    asked_s = [took_s for room in seen for took_s in room.asked_s]
    known_s = [took_s for room in seen for took_s in room.known_s]
    moves = [move for room in seen for its in room.moves.values() for move in its]
    console.print(f"{len(moves)} moves by {dict(Counter(move.kind for move in moves))}, seed {seed}")
    console.print(f"told after the move: p50 {percentile(known_s, 0.5):.2f} s, p99 {percentile(known_s, 0.99):.2f} s")
    slow, fine = _said(console, "asked at once", asked_s), True
    for when, (right, wrong, took_s) in verdicts.items():
        console.print(f"{when}: {right} of {len(moves)} right ({right / len(moves):.2%})")
        console.print("\n".join(wrong), markup=False)
        slow += _said(console, when, took_s)
        fine = len(wrong) + slow <= (1 - LEAST_RIGHT) * len(moves) and fine
    console.print(f"{time.monotonic() - began:.0f} s")
    return 0 if fine and len(moves) >= count else 1


def _said(console: Console, when: str, took_s: Sequence[float]) -> int:
    """How many took too long."""
    slow = sum(took > ANSWER_S for took in took_s)
    times = ", ".join(f"{name} {percentile(took_s, part):.3f} s" for name, part in (("p50", 0.5), ("p99", 0.99)))
    console.print(f"{when}: {len(took_s)} answers, {times}, slowest {max(took_s):.3f} s; {slow} over {ANSWER_S:g} s")
    return slow


if __name__ == "__main__":
    sys.exit(main())
