"""Runs every measurement, prints the figures as a table and writes them to bench/results.json."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import at_the_wire, interface_restart, reading_to_command, start
from bench.machine import idle_cores

RESULTS = Path(__file__).with_name("results.json")
README = RESULTS.parent.parent / "README.md"

MEASUREMENTS: dict[str, Callable[[], dict[str, float]]] = {
    "a reading to a rule's command": reading_to_command.measure,
    "the demo starts": start.measure,
    "request and report to telegram": at_the_wire.measure,
    "the interfaces are killed and come back": interface_restart.measure,
}
LIMITS = {
    "reading_to_command_p50_ms": 0.3,
    "reading_to_command_p99_ms": 1.0,
    "decide_unchanged_us": 10,
    "decide_changed_us": 100,
    "decide_comfort_changed_us": 100,
    "http_to_telegram_p99_ms": 30,
    "sensor_to_telegram_p99_ms": 30,
    "later_start_s": 3,
    "interfaces_back_max_s": 2,
}
"""At most so much."""


def main() -> int:
    console = Console()
    figures: dict[str, dict[str, float]] = {}
    for title, measure in MEASUREMENTS.items():
        with console.status(f"measuring: {title} ..."):
            idle = idle_cores()
            for name, value in measure().items():
                figures[name] = {"value": round(value, 4), "idle_cores": idle}
    console.print(_table(figures))
    RESULTS.write_text(
        json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "figures": figures}, indent=2) + "\n"
    )
    _into_readme(figures)
    missed = [name for name, limit in LIMITS.items() if figures[name]["value"] > limit]
    if missed:
        console.print(f"[red]over the limit: {', '.join(missed)}")
    return 1 if missed else 0


def _into_readme(figures: dict[str, dict[str, float]]) -> None:
    """The same table, between the two marks that are there for it."""
    before, _, rest = README.read_text().partition("<!-- figures -->\n")
    _, mark, after = rest.partition("<!-- /figures -->")
    rows = "".join(
        f"| `{name}` | {figure['value']:g} | {LIMITS.get(name, '')} | {figure['idle_cores']:g} |\n"
        for name, figure in figures.items()
    )
    head = "| figure | value | at most | idle cores |\n|---|---|---|---|\n"
    README.write_text(f"{before}<!-- figures -->\n{head}{rows}{mark}{after}")


def _table(figures: dict[str, dict[str, float]]) -> Table:
    table = Table("figure", "value", "at most", "idle cores")
    for name, figure in figures.items():
        limit = LIMITS.get(name)
        table.add_row(name, f"{figure['value']:g}", "" if limit is None else f"{limit:g}", f"{figure['idle_cores']:g}")
    return table


sys.exit(main())
