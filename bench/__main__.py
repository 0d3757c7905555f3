"""Runs every measurement, prints the figures as a table and writes them to bench/results.json.

``python -m bench WORDS...`` runs those whose title has one of the words alone; the other figures stay as they were.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import (
    at_the_wire,
    broker_failover,
    comfort_week,
    interface_restart,
    kafka_rule,
    lag_10k_rooms,
    latest,
    live,
    memory,
    reading_to_command,
    recorder_rows,
    rehearse,
    scale_two,
    start,
)
from bench.machine import idle_cores

RESULTS = Path(__file__).with_name("results.json")
README = RESULTS.parent.parent / "README.md"

MEASUREMENTS: dict[str, Callable[[], dict[str, float]]] = {
    "a reading to a rule's command": reading_to_command.measure,
    "other rules on a recorded week of 50 rooms": rehearse.measure,
    "a winter week under each rule set and a thermostat": comfort_week.measure,
    "the demo starts": start.measure,
    "request and report to telegram": at_the_wire.measure,
    "the latest value and the mean of three hours, with many rows": latest.measure,
    "1,000 live clients": live.measure,
    "the interfaces are killed and come back": interface_restart.measure,
    "one of three brokers is killed": broker_failover.measure,
    "a reading to a rule's command over Kafka, and a bare process": kafka_rule.measure,
    "memory of each part at 1,000 rooms": memory.measure,
    "two processes of a part share its work": scale_two.measure,
    "from Kafka into Log": recorder_rows.measure,
    "10,000 rooms for ten minutes": lag_10k_rooms.measure,
}
LIMITS = {
    "reading_to_command_p50_ms": 0.3,
    "reading_to_command_p99_ms": 1.0,
    "decide_unchanged_us": 10,
    "decide_changed_us": 100,
    "decide_comfort_changed_us": 100,
    "rehearse_7d_50rooms_s": 120,
    "rehearse_missed": 0,
    "rehearse_extra": 0,
    "http_to_telegram_p99_ms": 30,
    "sensor_to_telegram_p99_ms": 30,
    "live_1000_p99_ms": 200,
    "live_rights_cut_1000_s": 1,
    "energy_vs_pi": 0.9,
    "discomfort_vs_pi": 1.0,
    "later_start_s": 3,
    "latest_10M_vs_10k": 1.1,
    "avg_10M_p99_ms": 10,
    "interfaces_back_max_s": 2,
    "broker_failover_s": 3,
    "kafka_rule_p50_vs_echo": 1.25,
    "kafka_rule_p99_vs_echo": 1.5,
    "rss_mb_max_1000_rooms": 120,
    "scale_two_cpu_ratio": 1.15,
    "decided_twice": 0,
    "lag_10k_rooms_p99_s": 0.25,
    "lag_10k_rooms_max_s": 2,
}
"""At most so much."""
GOALS = {
    "latest_rps_16": 8_000,
    "latest_vs_bare_route": 0.75,
    "recorder_sqlite_rows_s": 50_000,
    "recorder_mariadb_rows_s": 40_000,
    "recorder_sqlite_vs_bare": 0.5,
    "recorder_mariadb_vs_bare": 0.5,
}
"""At least so much."""


def main(words: Sequence[str]) -> int:
    console = Console()
    figures: dict[str, dict[str, float]] = json.loads(RESULTS.read_text())["figures"] if words else {}
    for title, measure in MEASUREMENTS.items():
        if words and not any(word in title for word in words):
            continue
        with console.status(f"measuring: {title} ..."):
            idle = idle_cores()
            for name, value in measure().items():
                figures[name] = {"value": round(value, 4), "idle_cores": idle}
    console.print(_table(figures))
    RESULTS.write_text(
        json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "figures": figures}, indent=2) + "\n"
    )
    _into_readme(figures)
    missed = [name for name in figures if not _holds(name, figures[name]["value"])]
    missed += sorted((LIMITS.keys() | GOALS.keys()) - figures.keys())
    if missed:
        console.print(f"[red]outside of the limits: {', '.join(missed)}")
    return 1 if missed else 0


def _holds(name: str, value: float) -> bool:
    return LIMITS.get(name, value) >= value >= GOALS.get(name, value)


def _into_readme(figures: dict[str, dict[str, float]]) -> None:
    """The same table, and the week's, between the marks that are there for them."""
    rows = "".join(
        f"| `{name}` | {figure['value']:g} | {_limit(name)} | {figure['idle_cores']:g} |\n"
        for name, figure in figures.items()
        if not name.startswith(comfort_week.OF_A_WEEK)
    )
    _between("figures", f"| figure | value | limit | idle cores |\n|---|---|---|---|\n{rows}")
    _between("week", comfort_week.table({name: figure["value"] for name, figure in figures.items()}))


def _between(mark: str, text: str) -> None:
    before, begin, rest = README.read_text().partition(f"<!-- {mark} -->\n")
    _, end, after = rest.partition(f"<!-- /{mark} -->")
    README.write_text(f"{before}{begin}{text}{end}{after}")


def _limit(name: str) -> str:
    """What the figure may be; empty: anything."""
    if name in GOALS:
        return f"≥ {GOALS[name]:g}"
    return f"≤ {LIMITS[name]:g}" if name in LIMITS else ""


def _table(figures: dict[str, dict[str, float]]) -> Table:
    table = Table("figure", "value", "limit", "idle cores")
    for name, figure in figures.items():
        table.add_row(name, f"{figure['value']:g}", _limit(name), f"{figure['idle_cores']:g}")
    return table


sys.exit(main(sys.argv[1:]))
