"""``make chaos``: kill -9 and SIGSTOP of every kind of program, at random and under load; nothing may be lost."""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.faults import campus as campuses
from bench.faults.campus import Campus
from bench.faults.chaos import Chaos
from bench.faults.judge import Verdict, judge_commands, judge_readings, judge_tables, judge_telegrams
from bench.faults.records import read_all
from insula.logs import configure
from insula.messages import COMMAND_LIFE_MS
from insula.settings import LogSettings

END_S = 60
CALM_S = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=2000, help="readings/s")
    parser.add_argument("--commands", type=float, default=4, help="commands/s")
    parser.add_argument("--gateways", type=int, default=2, help="processes of each protocol; the second stands by")
    parser.add_argument("--keep", action="store_true", help="keep the folder with everyone's log")
    options = parser.parse_args()
    configure(LogSettings(level="error"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # everyone is ended then, as by ctrl-C
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="insula-faults-"))
    with campuses.running(folder, options.gateways) as campus:
        verdict, chaos = _run(campus, options, console)
    console.print(_table(verdict, chaos))
    for what, examples in verdict.examples.items():
        console.print(f"[red]{what}: {verdict.faults[what]}, such as {'; '.join(examples[:3])}", highlight=False)
    console.print(f"{options.rounds} rounds with seed {options.seed}: {sum(verdict.faults.values())} faults")
    if verdict.faults or options.keep:
        console.print(f"everyone's log: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if verdict.faults else 0


def _run(campus: Campus, options: argparse.Namespace, console: Console) -> tuple[Verdict, Chaos]:
    folder, servers = campus.folder, campus.cluster.servers
    readings = campus.load("readings", servers, str(options.rate), f"{folder}/readings")
    building = f"{folder}/building.toml"
    commands = campus.load("commands", servers, str(options.commands), f"{folder}/commands", building, *campus.urls)
    chaos, began = Chaos(campus, random.Random(options.seed)), time.monotonic()
    try:
        for load in (readings, commands):
            load.start()

        def tell(what: str) -> None:
            number = sum(chaos.counts.values()) + 1
            console.print(
                f"{time.monotonic() - began:6.1f} s  round {number}/{options.rounds}: {what}", highlight=False
            )

        chaos.rounds(options.rounds, tell)
        chaos.calm(CALM_S)
        tell("calm")
        for load in (readings, commands):
            load.ask_to_end()
            load.wait(END_S)
    finally:
        for load in (readings, commands):
            load.stop()
    verdict = Verdict()
    for name, number in chaos.fell().items():
        verdict.fault("parts that ended by themselves", name, number)
    _judge(campus, chaos, verdict)
    return verdict, chaos


def _judge(campus: Campus, chaos: Chaos, verdict: Verdict) -> None:
    chaos.calm(COMMAND_LIFE_MS / 1000 + 1)
    records = asyncio.run(read_all(campus))
    judge_readings(campus, records, verdict)
    judge_commands(campus, records, chaos.faults, time.time_ns() // 1_000_000, verdict)
    judge_telegrams(campus, records, verdict)
    judge_tables(campus, records, verdict)


def _table(verdict: Verdict, chaos: Chaos) -> Table:
    table = Table("what", "count")
    for counts in (chaos.counts, verdict.counts):
        for name, number in sorted(counts.items()):
            table.add_row(name, str(number))
    for name, number in verdict.faults.items():
        table.add_row(f"[red]{name}", f"[red]{number}")
    return table


sys.exit(main())
