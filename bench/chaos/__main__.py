"""24 simulated hours with random kills, cuts and dead sensors: ``python -m bench.chaos [SEED ...] [--speed 240]``.

Insula's process is on the wires of the simulated building and can be killed; the world, its truth and what breaks are
here. 30 minutes of the building's clock are 7.5 s: what Insula does in real time (an alert's 20 s, a ping's 3.5 s)
counts for as much more, see judging.py.
"""

import asyncio
import random
import sys
import tempfile
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import Progress

from bench.chaos.breaking import INSULA, Breaking
from bench.chaos.judging import Day
from bench.chaos.watching import Insula, Letters, Wires
from insula.bootstrap import open_store
from insula.building.demo import demo_building
from insula.building.file import parse_plan
from insula.clock import SystemClock
from insula.logs import configure
from insula.settings import LogSettings, Settings
from insula.simulator.simulation import Simulation
from insula.simulator.truth import TruthLog
from insula.store.building import import_plan

SPEED = 240.0
EPOCH = 1_768_431_600_000  # 2026-01-15 00:00 in Paris
DAY_MS = 86_400_000
SHOWN = 60


async def day(seed: int, speed: float, hours: float, progress: Progress) -> tuple[Day, list[str]]:
    """What was seen, and the faults that stand in Insula's own log."""
    with tempfile.TemporaryDirectory() as text:
        folder, data = Path(text), Path(text) / "data"
        clock, truth, letters = SystemClock(speed, EPOCH), TruthLog(), Letters()
        plan = parse_plan(demo_building(4))
        simulation = Simulation(plan, clock, knx_port=0, zwave_port=0, control_port=0, seed=seed, log=truth)
        await simulation.start()
        wires = Wires(simulation, clock)
        async with open_store(Settings(data=str(data))) as store:
            await import_plan(store, simulation.served_plan())
        async with letters.open():
            insula = Insula(folder, data, clock, letters, f"{_iso(clock.epoch)}@{_iso(clock.anchor)}")
            breaking = Breaking(simulation, clock, random.Random(seed), insula.kill, insula.start)
            world = asyncio.create_task(simulation.run())
            await insula.start()
            broken = asyncio.create_task(breaking.run())
            try:
                await _until(clock, EPOCH + round(hours / 24 * DAY_MS), progress, [world, broken])
                broken.cancel()
                await asyncio.gather(broken, return_exceptions=True)
                seen = await _seen(insula, breaking, wires, letters, truth, clock)
            finally:
                world.cancel()
                await asyncio.gather(world, return_exceptions=True)
                await insula.stop()
                await simulation.stop()
        return seen, insula.errors()


async def _until(clock: SystemClock, end: int, progress: Progress, tasks: list[asyncio.Task[None]]) -> None:
    bar = progress.add_task("simulated hours", total=(end - EPOCH) / 3_600_000)
    while clock.now() < end:
        progress.update(bar, completed=(clock.now() - EPOCH) / 3_600_000)
        await asyncio.wait(tasks, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()


async def _seen(
    insula: Insula, breaking: Breaking, wires: Wires, letters: Letters, truth: TruthLog, clock: SystemClock
) -> Day:
    end = clock.now()
    if any(outage.what == INSULA and not outage.end for outage in breaking.outages):
        await insula.start()
    await asyncio.sleep(3)  # what has happened is written down by then
    devices = await insula.devices()
    entries = [entry for device in devices for entry in await insula.why(device["device_id"])]
    plan = breaking.simulation.plan
    ids = {(one["room_number"], one["name"]): one["device_id"] for one in devices}
    nodes = {
        device.node_id: ids[room.number, device.name]
        for room in plan.rooms
        for device in room.devices
        if device.node_id is not None
    }
    return Day(
        begin=EPOCH,
        end=end,
        real=clock.speed * 1000,
        zone=ZoneInfo(plan.settings.time_zone),
        truth=truth,
        outages=breaking.outages,
        actuations=[one for one in wires.actuations if one.at <= end],
        entries=entries,
        alerts=[alert for alert in await insula.alerts() if alert["raised_at"] <= end],
        letters=list(letters.letters),
        nodes=nodes,
    )


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")


def main() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, default=[1])
    parser.add_argument("--speed", type=float, default=SPEED)
    parser.add_argument("--hours", type=float, default=24.0)
    asked = parser.parse_args()
    configure(LogSettings(level="error"))
    return max(_one(seed, asked.speed, asked.hours) for seed in asked.seeds)


def _one(seed: int, speed: float, hours: float) -> int:
    began, console = time.monotonic(), Console()
    with Progress() as progress:
        seen, errors = asyncio.run(day(seed, speed, hours, progress))
    faults = list(seen.faults())
    broke = {what: sum(one.what == what for one in seen.outages) for what in {one.what for one in seen.outages}}
    console.print(f"seed {seed}: away {dict(sorted(broke.items()))}")
    console.print(
        f"{len(seen.actuations)} actuations, {len(seen.entries)} entries of why; {len(seen.outages)} times something "
        f"was away, {seen.to_be_told()} of them to be told; {len(seen.alerts)} alerts, {len(seen.letters)} messages"
    )
    for line in [*(f"log: {error}" for error in errors), *faults][:SHOWN]:
        console.print(line, markup=False, style="red")
    for one in seen.actuations if faults else ():
        console.print(f"{(one.at - EPOCH) / 3_600_000:.2f} h room {one.room}: {one.point} {one.value:g}", markup=False)
    console.print(f"{hours:g} hours with seed {seed} in {time.monotonic() - began:.0f} s: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
