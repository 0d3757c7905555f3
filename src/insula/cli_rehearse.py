"""``insula rehearse``: what other rules would do on recorded days, or on simulated ones; from the database alone."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from insula.cli import DataFolder, SettingsFile, _run, _store
from insula.errors import InputError

if TYPE_CHECKING:
    from insula.building.model import BuildingPlan
    from insula.messages import Decision, RuleSet
    from insula.rehearsal.figures import Figures
    from insula.rehearsal.recorded import Outcome
    from insula.store.engine import Store

SHOWN = 20
"""Lines of a list; how many more there are is said."""
ROWS = (
    ("blind_moves", "moves of blinds", ""),
    ("commands", "commands in all", ""),
    ("valve_open_h", "valves open", "h"),
    ("valve_percent_h", "valves, how far and long (energy)", "% h"),
    ("heat_kwh", "heat of the radiators", "kWh"),
    ("lamp_percent_h", "lamps, how bright and long", "% h"),
    ("occupied_min", "occupied", "min"),
    ("occupied_and_dark_min", "occupied and dark", "min"),
    ("occupied_and_cold_min", "occupied and cold", "min"),
)
"""Figure, its name and unit for people."""

Rules = Annotated[str, Parameter(help="a file of rules (.toml), or a set that comes with Insula; none: the same rules")]


def rehearse(
    rules: Rules = "",
    *,
    days: Annotated[float, Parameter(help="the last days that are recorded")] = 7,
    begin: Annotated[str, Parameter(name="--from", help="a time (ISO 8601); before --days")] = "",
    end: Annotated[str, Parameter(name="--to", help="a time (ISO 8601)")] = "",
    simulated: Annotated[float | None, Parameter(help="so many simulated days instead of recorded ones")] = None,
    rooms: Annotated[int, Parameter(help="of the simulated building, if the database has none")] = 4,
    seed: Annotated[int, Parameter(help="of the simulated people")] = 1,
    dark: Annotated[float, Parameter(help="lux up to which a room is dark")] = 20,
    cold: Annotated[float, Parameter(help="°C under which it is cold")] = 20,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="for programs")] = False,
    data: DataFolder = None,
    settings: SettingsFile = None,
) -> None:
    """What rules would do beside the present ones: on recorded days, or simulated ones. Without rules: whether the
    present ones decide again what is recorded. Insula may go on running; nothing is driven."""
    from insula.rehearsal.figures import Limits
    from insula.rehearsal.recorded import Question, rehearse_recorded
    from insula.rehearsal.simulated import Days

    changed, limits = _ruleset(rules), Limits(dark, cold)
    question = Question(changed, _moment(begin, "--from"), _moment(end, "--to"), days, limits)

    async def work() -> None:
        async with _store(settings, data) as store:
            if simulated is not None:
                start = question.begin if question.begin is not None else _monday()
                found = await _simulated(store, changed, Days(start, simulated, seed, limits), rooms)
                _show_simulated(found, as_json)
                return
            with _bar("rooms") as progress:
                outcome = await rehearse_recorded(store, question, progress)
            _show_recorded(outcome, as_json)

    _run(work())


async def _simulated(
    store: "Store", changed: "RuleSet | None", days: Any, rooms: int
) -> "list[tuple[RuleSet, Figures]]":
    from insula.building.demo import demo_plan
    from insula.rehearsal.simulated import rehearse_simulated
    from insula.store.building import rules_in_force, stored_plan

    plan: BuildingPlan = await stored_plan(store)
    if not plan.rooms:
        plan = demo_plan(rooms)
    present = (await rules_in_force(store)).ruleset
    sets = [present] if changed is None else [present, changed]
    with _bar("simulated hours") as progress:
        return list(zip(sets, await rehearse_simulated(plan, sets, days, progress), strict=True))


# --- shown


def _show_simulated(found: "list[tuple[RuleSet, Figures]]", as_json: bool) -> None:
    if as_json:
        _print_json({"sets": _sets(found)})
        return
    Console().print(_table(found, "simulated days, by what was true in the world"))


def _show_recorded(outcome: "Outcome", as_json: bool) -> None:
    again = outcome.reproduction
    if as_json:
        report: dict[str, Any] = {
            "from": outcome.begin,
            "to": outcome.end,
            "rooms": outcome.rooms,
            "rows": outcome.rows,
            "sets": _sets(outcome.figures),
        }
        if again is not None:
            report["reproduced"] = {
                "recorded": again.recorded,
                "reproduced": again.reproduced,
                "missed": [_decision_json(one) for one in again.missed],
                "extra": [_decision_json(one) for one in again.extra],
            }
        _print_json(report)
        return
    console = Console()
    span = f"{_iso(outcome.begin)} to {_iso(outcome.end)}, {outcome.rooms} rooms, {outcome.rows} rows of Log"
    console.print(_table(outcome.figures, span))
    if len(outcome.figures) > 1:
        console.print("as if commands were carried out at once; temperatures are as measured: see --simulated")
        _show_blinds(console, outcome)
    if again is not None:
        share = 100 * again.reproduced / again.recorded if again.recorded else 100.0
        console.print(f"{again.reproduced} of {again.recorded} recorded decisions were made again ({share:.4g} %)")
        _list(console, again.missed, "recorded, but not made again")
        _list(console, again.extra, "made again, but not recorded")


def _table(figures: "list[tuple[RuleSet, Figures]]", title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    for place, (ruleset, _) in enumerate(figures):
        kind = "present" if place == 0 else "changed"
        table.add_column(f"{kind}: {ruleset.name} {ruleset.version[:8]}", justify="right")
    if len(figures) > 1:
        table.add_column("difference", justify="right")
    values = [one.as_json() for _, one in figures]
    for name, text, unit in ROWS:
        if name not in values[0]:
            continue
        numbers = [float(one[name]) for one in values]
        cells = [f"{number:.10g} {unit}".rstrip() for number in numbers]
        table.add_row(text, *cells, *([_difference(numbers)] if len(numbers) > 1 else []))
    return table


def _difference(numbers: list[float]) -> str:
    before, after = numbers
    share = f" ({100 * (after - before) / before:+.0f} %)" if before else ""
    return f"{after - before:+.6g}{share}"


def _show_blinds(console: Console, outcome: "Outcome") -> None:
    """Those whose moves differ, the most first."""
    (_, present), (_, changed) = outcome.figures
    blinds = {*present.moves, *changed.moves}
    differing = [one for one in blinds if present.moves[one] != changed.moves[one]]
    differing.sort(key=lambda one: (-abs(changed.moves[one] - present.moves[one]), one))
    table = Table(title=f"moves of {len(differing)} blinds differ", title_justify="left")
    for heading in ("blind", "present", "changed"):
        table.add_column(heading, justify="left" if heading == "blind" else "right")
    for one in differing[:SHOWN]:
        table.add_row(outcome.names.get(one, f"device {one}"), str(present.moves[one]), str(changed.moves[one]))
    if differing:
        console.print(table)


def _list(console: Console, decisions: "list[Decision]", title: str) -> None:
    if not decisions:
        return
    console.print(f"{len(decisions)} {title}:")
    for one in decisions[:SHOWN]:
        console.print(
            f"  {_iso(one.decided_at)} device {one.device_id}, {one.point} to {one.value:g}: rule '{one.rule}'"
            f" (version {one.version[:8]}); {one.because or one.trigger}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    if len(decisions) > SHOWN:
        console.print(f"  and {len(decisions) - SHOWN} more")


def _sets(figures: "list[tuple[RuleSet, Figures]]") -> list[dict[str, Any]]:
    return [{"name": one.name, "version": one.version, **found.as_json()} for one, found in figures]


def _decision_json(one: "Decision") -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(one)
    return found


def _print_json(report: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


@contextmanager
def _bar(what: str) -> Iterator[Any]:
    """On standard error; gone when all is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


# --- asked


def _ruleset(rules: str) -> "RuleSet | None":
    from insula.building.rules import load_ruleset

    return load_ruleset(rules) if rules else None


def _moment(text: str, option: str) -> int | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text}: no time such as 2026-03-11T14:00") from None
    return round((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _monday() -> int:
    """The first Monday of this year's January, 0 h UTC: a winter week, the same for all who ask this year."""
    year = datetime.now(UTC).year
    day = next(day for day in range(1, 8) if datetime(year, 1, day, tzinfo=UTC).weekday() == 0)
    return round(datetime(year, 1, day, tzinfo=UTC).timestamp() * 1000)


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
