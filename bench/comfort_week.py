"""A winter week of a simulated building in fast time: heating energy and discomfort under each rule set, under a room
thermostat, and with nobody at the valves.

Rules and constants of the set ``comfort``, and the thermostat's timetable, were chosen on ``CHOSEN_ON``;
the figures are those of ``SCORED_ON``, added up: other weeks and other people in the same building. ``ELSEWHERE`` are
weeks of buildings in milder and colder places, with the same rules and the same timetable: no figure to be met.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from bench.fast_building import Building, by_hand, by_rules, by_thermostats, mixed_building
from insula.building.rules import compile_ruleset, load_ruleset

USES = ("office",) * 8 + ("meeting",) * 3 + ("guest",)
BEFORE_DAYS, DAYS = 3, 7
"""The building begins on a Friday, and counts from Monday to Monday: weekends before and behind are alike."""


@dataclass(frozen=True)
class Week:
    """``latitude``: how cold it is: -1 to 7 °C at 48°, -8 to 0 °C at 57°."""

    monday: date
    seed: int
    latitude: float


CHOSEN_ON = Week(date(2026, 1, 12), seed=1, latitude=48)
SCORED_ON = tuple(
    Week(monday, seed, latitude=48)
    for seed, monday in enumerate((date(2026, 2, 9), date(2025, 12, 15), date(2026, 1, 5)), start=11)
)
"""Looked at for the first time when nothing was changed any more."""
ELSEWHERE = tuple(replace(week, latitude=place) for week, place in zip(SCORED_ON, (46, 52, 57), strict=True))

REGIMES: dict[str, Callable[[Building], Building]] = {
    "comfort": lambda building: by_rules(building, compile_ruleset(load_ruleset("comfort"))),
    "default": lambda building: by_rules(building, compile_ruleset(load_ruleset("default"))),
    "2020": lambda building: by_rules(building, compile_ruleset(load_ruleset("2020"))),
    "none": by_hand,
    "pi": by_thermostats,
}
OF_A_WEEK = "week_"
"""With this begin the figures of one regime, which stand in a table of their own."""
COLUMNS = {
    "kwh": "heating, kWh",
    "kh": "below 21 °C with somebody there, K·h",
    "valve": "moves of a valve a day",
    "blind": "of a blind",
    "lamp": "of a lamp",
}
"""Energy and discomfort of a room in a week."""
TITLES = {
    "comfort": "set `comfort`",
    "default": "set `default`",
    "2020": "set `2020`",
    "none": "none: valves at 40 %, blinds open",
    "pi": "PI room thermostat, no blinds, no lamps",
}


def measure() -> dict[str, float]:
    """The mean over rooms and score weeks of each regime; ``comfort`` over the thermostat, and in its worst week."""
    weeks = {name: [_lived(week, regime) for week in SCORED_ON] for name, regime in REGIMES.items()}
    figures = {name: value for regime in weeks for name, value in _means(regime, weeks[regime]).items()}
    elsewhere: dict[str, float] = {}
    for name in ("comfort", "pi"):
        elsewhere |= _means(name, [_lived(week, REGIMES[name]) for week in ELSEWHERE])
    pairs = list(zip(weeks["comfort"], weeks["pi"], strict=True))
    return {
        "energy_vs_pi": figures["week_comfort_kwh"] / figures["week_pi_kwh"],
        "energy_vs_pi_worst_week": max(ours.kwh.total() / pi.kwh.total() for ours, pi in pairs),
        "discomfort_vs_pi": figures["week_comfort_kh"] / figures["week_pi_kh"],
        "elsewhere_energy_vs_pi": elsewhere["week_comfort_kwh"] / elsewhere["week_pi_kwh"],
        "elsewhere_discomfort_vs_pi": elsewhere["week_comfort_kh"] / elsewhere["week_pi_kh"],
        **figures,
    }


def table(figures: dict[str, float]) -> str:
    """Regimes side by side, in Markdown."""
    lines = [["", *COLUMNS.values()], ["---"] * (len(COLUMNS) + 1)]
    for regime, title in TITLES.items():
        lines.append([title, *(f"{figures[f'{OF_A_WEEK}{regime}_{column}']:.1f}" for column in COLUMNS)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _lived(week: Week, regime: Callable[[Building], Building]) -> Building:
    plan = mixed_building(week.latitude, USES)
    first = week.monday - timedelta(days=BEFORE_DAYS)
    start = datetime.combine(first, time(), ZoneInfo(plan.settings.time_zone)).timestamp()
    building = regime(Building(plan, round(start * 1000), week.seed))
    building.run(BEFORE_DAYS * 24)
    building.forget()
    building.run(DAYS * 24)
    return building


def _means(regime: str, weeks: list[Building]) -> dict[str, float]:
    rooms = len(USES) * len(weeks)
    moves = partial(_moves, weeks)
    values = {
        "kwh": sum(one.kwh.total() for one in weeks) / rooms,
        "kh": sum(one.discomfort.total() for one in weeks) / rooms,
        "valve": moves("valve") / rooms / DAYS,
        "blind": moves("position") / rooms / DAYS,
        "lamp": moves("level") / rooms / DAYS,
    }
    return {f"{OF_A_WEEK}{regime}_{column}": value for column, value in values.items()}


def _moves(weeks: list[Building], point: str) -> int:
    return sum(one.moves(point) for one in weeks)
