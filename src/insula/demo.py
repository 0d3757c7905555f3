"""``insula demo``: a simulated building and every part, in one process and one folder."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from insula.bootstrap import Installation, installation
from insula.building.demo import demo_plan
from insula.building.model import BuildingPlan
from insula.clock import SystemClock
from insula.errors import InputError
from insula.settings import Settings
from insula.simulator.simulation import Simulation
from insula.store.building import import_plan, stored_plan
from insula.store.engine import Store

CLOCK_FILE = "clock"
KEEP_CLOCK_S = 2.0


@dataclass(frozen=True)
class DemoOptions:
    """``rooms``: of a new demo building; ports: of the simulated interfaces (0: any free one)."""

    rooms: int = 4
    knx_port: int = 13671
    zwave_port: int = 13000
    control_port: int = 8090
    seed: int = 1
    reset: bool = False


@dataclass
class Demo:
    installation: Installation
    simulation: Simulation
    fresh: bool


@asynccontextmanager
async def demo(settings: Settings, options: DemoOptions) -> AsyncIterator[Demo]:
    """The simulated building started, its plan imported if the folder was empty; parts not yet running."""
    folder = Path(settings.data)
    if options.reset:
        _empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    clock = _clock(settings, folder)
    async with installation(settings, clock) as at:
        plan, fresh = await _plan(at.store, options)
        simulation = Simulation(plan, clock, control_port=options.control_port, seed=options.seed)
        await simulation.start()
        if fresh:
            await import_plan(at.store, simulation.served_plan())
        keeper = asyncio.create_task(_keep_clock(clock, folder / CLOCK_FILE))
        try:
            yield Demo(at, simulation, fresh)
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
            await simulation.stop()


async def run_demo(settings: Settings, options: DemoOptions, ready: Callable[[Demo], None]) -> None:
    """Run the building until cancelled; ``ready`` is called once HTTP answers."""
    async with demo(settings, options) as it, asyncio.TaskGroup() as tasks:
        tasks.create_task(it.simulation.run(), name="simulation")
        tasks.create_task(it.installation.run(), name="installation")
        await it.installation.ready.wait()
        ready(it)


async def _plan(store: Store, options: DemoOptions) -> tuple[BuildingPlan, bool]:
    """The building of this folder, or the demo's for a folder without one (True)."""
    plan = await stored_plan(store)
    if plan.rooms:
        return plan, False
    return demo_plan(options.rooms, options.knx_port, options.zwave_port), True


def _empty(folder: Path) -> None:
    """Only a folder that a demo made is emptied. Raises InputError for any other that holds something."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / CLOCK_FILE).exists():
        raise InputError(f"{folder} is no folder of a demo: it is left as it is")
    shutil.rmtree(folder)


def _clock(settings: Settings, folder: Path) -> SystemClock:
    """Goes on where the demo in this folder stopped, unless an epoch is given."""
    epoch = settings.clock.start_ms()
    file = folder / CLOCK_FILE
    if epoch is None and file.exists():
        text = file.read_text(encoding="ascii").strip()
        epoch = int(text) if text.isdecimal() else None
    return SystemClock(settings.clock.speed, epoch)


async def _keep_clock(clock: SystemClock, file: Path) -> None:
    """Written ahead of the clock while it runs, so that after a kill it never goes back before what was recorded."""
    try:
        while True:
            _write(file, clock.now() + round(2 * KEEP_CLOCK_S * clock.speed * 1000))
            await clock.real_sleep(KEEP_CLOCK_S)
    finally:
        _write(file, clock.now())


def _write(file: Path, now: int) -> None:
    new = file.with_suffix(".new")
    new.write_text(str(now), encoding="ascii")
    new.replace(file)
