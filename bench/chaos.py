"""A simulated day over the wire with random cuts and dead sensors: ``make chaos``.

Checked at the end: every command was explained by a rule, answered once, and made from values that were true in the
simulated world at some moment within the freshness limit; nothing was replayed after a cut; the lamp and the blind of
no room flapped.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from insula.bootstrap import PARTS, Installation, installation
from insula.building.demo import demo_building
from insula.building.file import parse_plan
from insula.clock import SystemClock
from insula.logs import configure
from insula.messages import Command, CommandResult, Decision
from insula.points import MINUTE
from insula.settings import LogSettings, Settings
from insula.simulator.faults import (
    AnyFault,
    NodeAlive,
    NodeDead,
    SensorDies,
    SensorRevives,
    TunnelCut,
    TunnelRestored,
    ZwaveCut,
    ZwaveRestored,
)
from insula.simulator.simulation import Simulation
from insula.simulator.truth import TruthLog
from insula.store.building import import_plan

SPEED = 480
EPOCH = 1_768_431_600_000  # 2026-01-15 00:00 in Paris
DAY_MS = 86_400_000
LIMIT_MS = int(30 * MINUTE * 1000)
SLACK_MS = 10 * 60_000
"""Motion clears four minutes after the last move, and sensors report in cycles of four: what a value may lag."""
WITHOUT_API = [part for part in PARTS if part != "api"]
SENSORS = (2, 4, 6, 8)
MOVES_A_DAY = 40
"""More commands to one blind or lamp in a day than this would be flapping: people come and go a dozen times."""


@dataclass
class Seen:
    commands: dict[str, Command] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    results: dict[str, list[CommandResult]] = field(default_factory=lambda: defaultdict(list))
    faults: Counter[str] = field(default_factory=Counter)


async def day(seed: int, speed: float, progress: Progress) -> list[str]:
    """The faults found; empty if all holds."""
    clock, truth, seen = SystemClock(speed, EPOCH), TruthLog(), Seen()
    plan = parse_plan(demo_building(4))
    simulation = Simulation(plan, clock, knx_port=0, zwave_port=0, control_port=0, seed=seed, log=truth)
    await simulation.start()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=str(Path(folder) / "data"))
        async with installation(settings, clock) as at:
            await import_plan(at.store, simulation.served_plan())
            tasks = [
                asyncio.create_task(work)
                for work in (
                    simulation.run(),
                    at.run(WITHOUT_API),
                    _watch(at, seen),
                    _break(simulation, clock, seed, seen),
                )
            ]
            await _until(clock, EPOCH + DAY_MS, progress, tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            rooms = {device.room_id: device.room_number for device in at.channel.devices}
    await simulation.stop()
    return _judge(seen, truth, rooms)


async def _until(clock: SystemClock, end: int, progress: Progress, tasks: list[asyncio.Task[None]]) -> None:
    bar = progress.add_task("simulated hours", total=24)
    while clock.now() < end:
        progress.update(bar, completed=(clock.now() - EPOCH) / 3_600_000)
        await asyncio.wait(tasks, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()


async def _watch(at: Installation, seen: Seen) -> None:
    reader = await at.channel.read(["knx", "zwave", "events"], name="chaos", start="beginning", slow="latest")
    while True:
        for received in await reader.batch():
            match received.message:
                case Command() as command:
                    seen.commands[command.id] = command
                case Decision() as decision:
                    seen.decisions[decision.command_id] = decision
                case CommandResult() as result:
                    seen.results[result.command.id].append(result)


async def _break(simulation: Simulation, clock: SystemClock, seed: int, seen: Seen) -> None:
    """Something breaks every 10 to 60 minutes, for 1 to 40."""
    chance = random.Random(seed)
    async with asyncio.TaskGroup() as tasks:
        while True:
            await clock.sleep(chance.uniform(10, 60) * MINUTE)
            node = chance.choice(SENSORS)
            begin, end = chance.choice(
                [
                    (TunnelCut(), TunnelRestored()),
                    (ZwaveCut(), ZwaveRestored()),
                    (SensorDies(node_id=node), SensorRevives(node_id=node)),
                    (NodeDead(node_id=node), NodeAlive(node_id=node)),
                ]
            )
            seen.faults[type(begin).__name__] += 1
            tasks.create_task(_for_a_while(simulation, clock, begin, end, chance.uniform(1, 40) * MINUTE))


async def _for_a_while(
    simulation: Simulation, clock: SystemClock, begin: AnyFault, end: AnyFault, seconds: float
) -> None:
    simulation.field.inject(begin)
    await clock.sleep(seconds)
    simulation.field.inject(end)


# --- judging


def _judge(seen: Seen, truth: TruthLog, rooms: dict[int, int]) -> list[str]:
    outcomes = Counter(result.outcome for results in seen.results.values() for result in results)
    Console().print(f"faults {dict(seen.faults)}; {len(seen.commands)} commands; results {dict(outcomes)}")
    faults = []
    for command in seen.commands.values():
        decision = seen.decisions.get(command.id)
        if decision is None:
            faults.append(f"command {command.id} to device {command.device_id} has no decision")
            continue
        faults += _untrue(decision, truth, rooms[decision.room_id])
        if len(seen.results[command.id]) > 1:
            faults.append(f"command {command.id} has {len(seen.results[command.id])} results")
    return faults + _unanswered(seen) + _flapping(seen)


def _untrue(decision: Decision, truth: TruthLog, room: int) -> list[str]:
    begin, end = decision.decided_at - LIMIT_MS - SLACK_MS, decision.decided_at
    faults = []
    for name, value in decision.values.items():
        if name == "occupied":
            true = truth.was(room, "occupied", float(value), begin, end)
        elif name == "humidity":
            true = truth.was(room, "humidity", float(value), begin, end, 2.0)
        elif name == "illuminance":
            true = truth.was(room, "daylight", float(value), begin, end, max(15.0, float(value) * 0.25))
        else:
            continue
        if not true:
            known = truth.between(room, "daylight" if name == "illuminance" else name, begin, end)
            low, high = min(value for _, value in known), max(value for _, value in known)
            faults.append(f"room {room}: {decision.rule} saw {name} {value}, true was {low:g} to {high:g}")
    return faults


def _unanswered(seen: Seen) -> list[str]:
    last = max((command.at for command in seen.commands.values()), default=0)
    return [
        f"command {command.id} to device {command.device_id} has no result"
        for command in seen.commands.values()
        if not seen.results[command.id] and last - command.at > 1000
    ]


def _flapping(seen: Seen) -> list[str]:
    moves = Counter(
        (results[0].command.device_id, results[0].command.point)
        for results in seen.results.values()
        if results and results[0].outcome == "done"
    )
    Console().print(f"carried out, a device: {dict(sorted(moves.items()))}")
    return [f"device {device} {point}: {n} moves in a day" for (device, point), n in moves.items() if n > MOVES_A_DAY]


def main() -> int:
    configure(LogSettings(level="error"))
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    speed = float(sys.argv[2]) if len(sys.argv) > 2 else SPEED
    began = time.monotonic()
    with Progress() as progress:
        faults = asyncio.run(day(seed, speed, progress))
    console = Console()
    console.print(f"24 hours with seed {seed} in {time.monotonic() - began:.0f} s: {len(faults)} faults")
    for fault in faults[:40]:
        console.print(f"[red]{fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
