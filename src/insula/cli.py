"""The command line: ``insula demo | run | simulate | ...``: ``insula --help`` names them all."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from insula import __version__
from insula.cli_topics import topics
from insula.errors import InsulaError, first_of

app = App(name="insula", help="Runs a smart building: KNX and Z-Wave over Apache Kafka.", version=__version__)
building = App(name="building", help="The building's file: check, import, export.")
bus = App(name="bus", help="Look at the bus of a running Insula.")
app.command(building)
app.command("insula.cli_zwave:zwave", help="Z-Wave devices: include, exclude, reset.")
app.command(bus)
app.command(topics)
app.command("insula.cli_control:lease", help="Who holds which device: list, end.")
app.command("insula.cli_control:hands_off", help="Nothing that a rule wishes is written: building, floor or room.")
app.command("insula.cli_control:hands_on", help="The rules drive again: building, floor or room.")
app.command("insula.cli_control:why", help="Why something moved in a room, or a device did.")
app.command("insula.cli_rules:rules", help="The rules: show, check, apply, shadow, versions, export, restore.")
app.command("insula.cli_rehearse:rehearse", help="What other rules would do, on recorded or simulated days.")
app.command("insula.cli_status:status", help="Parts, gateways, devices and alerts at a glance.")
app.command("insula.cli_status:alerts", help="Alerts: list, acknowledge.")
app.command("insula.cli_users:user", help="Who may sign in: add, list, password, close, open, remove.")
app.command("insula.cli_users:right", help="Who may do what where: give, list, take.")
app.command("insula.cli_users:token", help="By what this machine's command line is known to the API.")
app.command("insula.cli_guests:guests", help="Rooms that allow guests: allow, renew, away, stop, print, list.")
app.command("insula.cli_db:db", help="The database's tables: upgrade.")
app.command("insula.cli_backup:backup", help="All that the database holds, as one file, while Insula runs.")
app.command("insula.cli_backup:restore", help="Put a backup into an empty database, of either kind.")

DataFolder = Annotated[Path | None, Parameter(help="folder of the database (settings: data)")]
SettingsFile = Annotated[Path | None, Parameter(help="settings file (default: insula.toml, if there)")]
Speed = Annotated[float | None, Parameter(help="the building's clock runs so many times as fast")]
Epoch = Annotated[str | None, Parameter(help="the building's clock starts here (ISO 8601)")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Errors made by input end with one clear line and status 1."""
    try:
        app(sys.argv[1:] if arguments is None else arguments)
    except InsulaError as error:
        sys.exit(f"insula: {error}")
    except BrokenPipeError:  # whoever read our output has had enough
        sys.stdout = None
        sys.exit(0)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(f"insula: {place}{error.strerror or error}")


@app.command
def demo(
    *,
    host: str | None = None,
    port: int | None = None,
    data: DataFolder = None,
    rooms: Annotated[int | None, Parameter(help="of a new building (default 4)")] = None,
    knx_port: Annotated[int | None, Parameter(help="of the simulated interface (default 13671)")] = None,
    zwave_port: Annotated[int | None, Parameter(help="of the simulated server (default 13000)")] = None,
    control_port: int = 8090,
    speed: Speed = None,
    epoch: Epoch = None,
    seed: int = 1,
    reset: Annotated[bool, Parameter(negative="", help="empty the folder first")] = False,
    settings: SettingsFile = None,
) -> None:
    """A simulated building and every part, in one process."""
    from insula.demo import Demo, DemoOptions, run_demo

    loaded = _settings(settings, host=host, port=port, data=data or Path("data/demo"), speed=speed, epoch=epoch)
    options = DemoOptions(rooms, knx_port, zwave_port, control_port, seed, reset)

    def ready(it: Demo) -> None:
        made = "new building" if it.fresh else "building as it was left"
        _say(f"Insula runs ({made}): {it.installation.address()}")
        for name, address in it.simulation.addresses().items():
            _say(f"  {name}: {address}")
        for one in it.people:
            _say(f"  sign in as {one.name} with {one.password}: {one.about}")

    _run(run_demo(loaded, options, ready))


@app.command
def run(
    *parts: str,
    host: str | None = None,
    port: int | None = None,
    data: DataFolder = None,
    speed: Speed = None,
    epoch: Epoch = None,
    settings: SettingsFile = None,
) -> None:
    """Your building: all parts in one process (or only those named)."""
    from insula.bootstrap import PARTS, Installation, run_parts

    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise InsulaError(f"no part {unknown[0]}; there are: {', '.join(PARTS)}")
    loaded = _settings(settings, host=host, port=port, data=data, speed=speed, epoch=epoch)

    def ready(at: Installation) -> None:
        _say(f"Insula runs: {at.address() or ', '.join(parts)}")
        if at.new_admin:
            _say(f"  the first administrator is admin, with the password {at.new_admin} (it is not said again)")

    _run(run_parts(loaded, parts or PARTS, ready))


@app.command
def health(
    *,
    alive: Annotated[bool, Parameter(negative="", help="enough that it lives, whatever it waits for")] = False,
    settings: SettingsFile = None,
) -> None:
    """Whether the process of these settings works, by its heartbeat file: for a container's health check."""
    from insula.heartbeat import look

    _say(look(_settings(settings).heartbeat, alive=alive))


@app.command
def simulate(
    *,
    building: Annotated[Path | None, Parameter(help="building file; without one, the demo's building")] = None,
    rooms: int = 4,
    host: str = "127.0.0.1",
    knx_port: int | None = None,
    zwave_port: int | None = None,
    control_port: int = 8090,
    speed: Speed = None,
    epoch: Epoch = None,
    seed: int = 1,
) -> None:
    """The simulated building alone: KNXnet/IP, Z-Wave JS and the control API."""
    from insula.building.demo import demo_building
    from insula.building.file import load_plan, parse_plan
    from insula.clock import SystemClock
    from insula.simulator.simulation import run_simulation

    loaded = _settings(None, speed=speed, epoch=epoch)
    plan = load_plan(building) if building else parse_plan(demo_building(rooms))
    clock = SystemClock(loaded.clock.speed, *loaded.clock.start())

    def ready(addresses: dict[str, str]) -> None:
        for name, address in addresses.items():
            _say(f"{name}: {address}")
        if (loaded.clock.speed, clock.epoch) != (1, clock.anchor):
            shared = "@".join(_iso(moment) for moment in (clock.epoch, clock.anchor))
            _say(f"the same time for `insula run`: --speed {loaded.clock.speed:g} --epoch {shared}")

    _run(run_simulation(plan, clock, host, knx_port, zwave_port, control_port, seed, ready))


# --- building


@building.command(name="check")
def building_check(file: Path) -> None:
    """Every error of a building file, with its line."""
    from insula.building.file import load_plan

    plan = load_plan(file)
    devices = sum(len(room.devices) for room in plan.rooms)
    _say(f"{file}: {len(plan.rooms)} rooms, {devices} devices, {len(plan.gateways)} gateways: no error")


@building.command(name="import")
def building_import(
    file: Path,
    *,
    data: DataFolder = None,
    settings: SettingsFile = None,
    dry_run: Annotated[bool, Parameter(negative="", help="only show what would change")] = False,
) -> None:
    """Show what the file adds, changes and removes, then do it in one transaction."""
    from insula.building.file import load_plan
    from insula.cli_users import entry_of_console
    from insula.store.building import difference, import_plan, stored_plan

    async def work() -> None:
        async with _store(settings, data) as store:
            known = await stored_plan(store)
            plan = load_plan(file, known)
            changes = difference(plan, known)
            for change in changes:
                _say(str(change))
            if changes and not dry_run:
                said = {"changes": len(changes), "file": str(file)}
                entry = entry_of_console("building imported", plan.settings.name, said)
                await import_plan(store, plan, mode="observe", entry=entry)
            _say(f"{len(changes)} changes{', not made' if dry_run else ''}")

    _run(work())


@building.command(name="export")
def building_export(*, data: DataFolder = None, settings: SettingsFile = None) -> None:
    """The building as a file, on standard output."""
    from insula.store.building import export_plan

    async def work() -> None:
        async with _store(settings, data) as store:
            sys.stdout.write(await export_plan(store))

    _run(work())


# --- bus


@bus.command(name="tail")
def bus_tail(topic: str, *, url: str = "http://127.0.0.1:8080", beginning: bool = False) -> None:
    """Print the records of a topic as they are on the wire, one JSON object a line."""
    from insula.tail import follow

    for line in follow(url, topic, "beginning" if beginning else "end"):
        _say(line)


# --- shared


def _settings(file: Path | None, **flags: object) -> Any:
    from insula.logs import configure
    from insula.settings import load_settings

    names = {"host": "api.host", "port": "api.port", "speed": "clock.speed", "epoch": "clock.epoch"}
    given = {
        names.get(flag, flag): str(value) if isinstance(value, Path) else value
        for flag, value in flags.items()
        if value is not None
    }
    loaded = load_settings(file, flags=given)
    configure(loaded.log)
    return loaded


def _store(settings: Path | None, data: Path | None) -> Any:
    from insula.bootstrap import open_store

    return open_store(_settings(settings, data=data))


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _run(work: Coroutine[Any, Any, Any]) -> None:
    """Run in a new event loop; SIGINT and SIGTERM end it in an orderly way."""
    import uvloop

    async def with_signals() -> None:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    try:
        uvloop.run(with_signals())
    except BaseExceptionGroup as group:
        raise first_of(group) from None
