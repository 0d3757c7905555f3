"""``insula demo``: a simulated building and every part, in one process and one folder."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from insula.bootstrap import Installation, installation, listening, only_one
from insula.building.demo import demo_plan
from insula.building.model import BuildingPlan
from insula.clock import SystemClock
from insula.demo_people import DemoPerson, demo_people
from insula.errors import InputError
from insula.settings import Settings
from insula.simulator.simulation import Simulation
from insula.simulator.snapshot import decode, encode, restore, snapshot
from insula.store.building import import_plan, stored_plan

CLOCK_FILE, WORLD_FILE, PEOPLE_FILE = "clock", "world.json", "people.json"
KEEP_S = 2.0
ROOMS = 4

log = structlog.get_logger("insula.demo")


@dataclass(frozen=True)
class DemoOptions:
    """Ports of the simulated interfaces, 0: any free one. None: as they are in the folder's building, or the usual."""

    rooms: int | None = None
    knx_port: int | None = None
    zwave_port: int | None = None
    control_port: int = 8090
    seed: int = 1
    reset: bool = False


@dataclass
class Demo:
    installation: Installation
    simulation: Simulation
    fresh: bool
    people: list[DemoPerson]


@asynccontextmanager
async def demo(settings: Settings, options: DemoOptions) -> AsyncIterator[Demo]:
    """The simulated building started, its plan imported; parts not yet running."""
    folder = Path(settings.data)
    with listening(settings) as http:
        if options.reset:
            _empty(folder)
        clock = _clock(settings, folder)
        async with installation(settings, clock, http) as at:
            stored = await stored_plan(at.store)
            simulation = _simulation(stored, clock, options, folder)
            await simulation.start()
            keeper = asyncio.create_task(_keep(clock, simulation, folder))
            try:
                await import_plan(at.store, simulation.served_plan())
                people = await demo_people(at.store, clock, folder / PEOPLE_FILE)
                yield Demo(at, simulation, not stored.rooms, people)
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


def _simulation(stored: BuildingPlan, clock: SystemClock, options: DemoOptions, folder: Path) -> Simulation:
    """Of the building in this folder, as it was left; a folder without one gets the demo's. Raises InputError."""
    if stored.rooms and options.rooms not in (None, len(stored.rooms)):
        raise InputError(f"{folder} has a building of {len(stored.rooms)} rooms: --reset makes a new one")
    plan = stored if stored.rooms else demo_plan(ROOMS if options.rooms is None else options.rooms)
    simulation = Simulation(
        plan,
        clock,
        knx_port=options.knx_port,
        zwave_port=options.zwave_port,
        control_port=options.control_port,
        seed=options.seed,
    )
    with suppress(FileNotFoundError, msgspec.MsgspecError):
        restore(simulation.world.rooms, decode((folder / WORLD_FILE).read_bytes()))
    return simulation


def _empty(folder: Path) -> None:
    """Only a folder that a demo made is emptied. Raises InputError for any other that holds something."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / CLOCK_FILE).exists():
        raise InputError(f"{folder} is no folder of a demo: it is left as it is")
    with only_one(folder):
        shutil.rmtree(folder)


def _clock(settings: Settings, folder: Path) -> SystemClock:
    """Goes on where the demo in this folder stopped, unless an epoch is given."""
    epoch, anchor = settings.clock.start()
    file = folder / CLOCK_FILE
    if epoch is None and file.exists():
        text = file.read_text(encoding="ascii").strip()
        epoch = int(text) if text.isdecimal() else None
    return SystemClock(settings.clock.speed, epoch, anchor)


async def _keep(clock: SystemClock, simulation: Simulation, folder: Path) -> None:
    """The clock, written ahead while it runs, so that after a kill it never goes back before what was recorded; and
    where every actuator stands."""
    try:
        while True:
            _write(folder / CLOCK_FILE, str(clock.now() + round(2 * KEEP_S * clock.speed * 1000)).encode())
            _write(folder / WORLD_FILE, encode(snapshot(simulation.world.rooms)))
            await clock.real_sleep(KEEP_S)
    finally:
        _write(folder / CLOCK_FILE, str(clock.now()).encode())
        _write(folder / WORLD_FILE, encode(snapshot(simulation.world.rooms)))


def _write(file: Path, content: bytes) -> None:
    """A full disk is no reason to stop: the next time is in two seconds."""
    new = file.with_suffix(".new")
    try:
        new.write_bytes(content)
        new.replace(file)
    except OSError as error:
        log.warning("not kept", file=str(file), why=error.strerror)
