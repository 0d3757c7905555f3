"""Recorded days, rehearsed room after room: from the database alone."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from sqlalchemy.ext.asyncio import AsyncConnection

from insula.building.rules import SETS, CompiledRules, compile_ruleset, load_ruleset
from insula.errors import InputError, RuleError
from insula.messages import Decision, RuleSet
from insula.rehearsal.events import events_of
from insula.rehearsal.figures import USUAL, Figures, Limits, total
from insula.rehearsal.records import Building, RoomRecords, read_building, read_events, read_log, recorded_span
from insula.rehearsal.replay import Replay
from insula.rehearsal.reproduction import TOLERANCE_MS, Comparison, Reproduction
from insula.store.building import rules_in_force
from insula.store.engine import Store
from insula.store.rule_versions import find_version

WARM_UP_MS = 24 * 3_600_000
"""So long before the time that is asked for it begins, so that all is known by then: values, leases, lamps' light."""
Progress = Callable[[int, int], None]
"""Called with the rooms done and all there are."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Times are ms of the building's clock. ``figures``: by rule set, the present one first; ``reproduction``: None
    with a changed set; ``rows``: of Log that were read; ``names``: of blinds, by device id."""

    begin: int
    end: int
    rooms: int
    rows: int
    figures: list[tuple[RuleSet, Figures]]
    reproduction: Reproduction | None
    names: dict[int, str]


@dataclass(frozen=True, slots=True)
class Question:
    """``begin`` and ``end``: ms; None: the last ``days`` that are recorded. ``changed``: None: do the rules that were
    in force decide the same again?"""

    changed: RuleSet | None = None
    begin: int | None = None
    end: int | None = None
    days: float = 7
    limits: Limits = USUAL


async def rehearse_recorded(
    store: Store,
    question: Question,
    progress: Progress = lambda done, all_: None,
    again: Callable[[Decision], None] = lambda decision: None,
) -> Outcome:
    """``again`` gets what the rules in force decide again. Raises InputError: nothing is recorded of that time."""
    present = (await rules_in_force(store)).ruleset
    sets = [present] if question.changed is None else [present, question.changed]
    async with store.read() as connection:
        begin, end = await _span(connection, question)
        start = begin - WARM_UP_MS
        rooms, heard = await read_events(connection, start, end)
        building = await read_building(connection, heard)
        decisions = [decision for records in rooms.values() for decision in records.decisions]
        old = await _rules_of(connection, decisions, present)
        work = _Work(building, question, begin, end, _distinct(sets), old, _rate(rooms.values()))
        rows = 0
        for done, (room_id, devices) in enumerate(sorted(building.devices.items())):
            progress(done, len(building.devices))
            records = rooms.get(room_id, RoomRecords(room_id))
            records.log = await read_log(connection, [device.device_id for device in devices], start, end)
            rows += len(records.log)
            for decision in work.room(records):
                again(decision)
            records.log = ()
            await asyncio.sleep(0)
        progress(len(building.devices), len(building.devices))
    found = [total(figures) for figures in work.figures]
    return Outcome(
        begin,
        end,
        len(building.devices),
        rows,
        [(ruleset, found[min(place, len(found) - 1)]) for place, ruleset in enumerate(sets)],
        work.reproduction if question.changed is None else None,
        blind_names(building),
    )


class _Work:
    """One room after the other, its figures and what was reproduced."""

    def __init__(
        self,
        building: Building,
        question: Question,
        begin: int,
        end: int,
        tried: list[CompiledRules],
        old: RuleSet,
        rate: float,
    ) -> None:
        self.figures: list[list[Figures]] = [[] for _ in tried]
        self.reproduction = Reproduction()
        self._building = building
        self._question = question
        self._begin = begin
        self._end = end
        self._tried = tried
        self._old = old
        self._rate = rate

    def room(self, records: RoomRecords) -> list[Decision]:
        """Gives what was decided again."""
        again = self._question.changed is None
        comparison = Comparison(records.decisions, self._begin, TOLERANCE_MS * max(1.0, self._rate)) if again else None
        replay = Replay(
            self._building,
            records.room_id,
            self._begin,
            self._tried,
            rules=self._old if again else None,
            comparison=comparison,
            limits=self._question.limits,
            rate=self._rate,
        )
        devices = self._building.devices[records.room_id]
        events = events_of(records, self._building.heard, devices, commands=not again, rate=self._rate)
        for figures, one in zip(self.figures, replay.run(events, self._end), strict=True):
            figures.append(one)
        if comparison is not None:
            self.reproduction.add(comparison.result())
        return comparison.made if comparison is not None else []


async def _span(connection: AsyncConnection, question: Question) -> tuple[int, int]:
    building = await read_building(connection, [])
    devices = [device.device_id for some in building.devices.values() for device in some]
    span = await recorded_span(connection, devices)
    if span is None:
        raise InputError("nothing is recorded of this building; rehearse simulated days: --simulated 7")
    end = question.end if question.end is not None else span[1] + 1
    begin = question.begin if question.begin is not None else max(span[0], end - round(question.days * 86_400_000))
    if begin >= min(end, span[1] + 1) or end <= span[0]:
        raise InputError("nothing is recorded of that time")
    return max(begin, span[0]), end


async def _rules_of(connection: AsyncConnection, decisions: Iterable[Decision], present: RuleSet) -> RuleSet:
    """The rules with which the time began, as far as its decisions say; each change of them was heard of."""
    first = min(decisions, key=lambda decision: decision.decided_at, default=None)
    if first is None or first.version == present.version:
        return present
    kept = await find_version(connection, first.version)
    if kept is not None:
        return kept.ruleset
    try:
        own = (load_ruleset(file.stem) for file in sorted(SETS.glob("*.toml")))
        return next((ruleset for ruleset in own if ruleset.version == first.version), present)
    except RuleError:
        return present


def _distinct(sets: list[RuleSet]) -> list[CompiledRules]:
    """The same rules under two names are tried once."""
    return [compile_ruleset(one) for one in {ruleset.version: ruleset for ruleset in sets}.values()]


def _rate(rooms: Iterable[RoomRecords]) -> float:
    """How fast the building's clock ran beside the real one."""
    moments = sorted(
        {
            *((one.at, one.decided_at) for records in rooms for one in records.decisions),
            *((result.command.at, timestamp) for records in rooms for timestamp, result in records.results),
        }
    )
    pairs = pairwise(moments)
    rates = [(building - before) / (real - since) for (since, before), (real, building) in pairs if real - since > 100]
    found = median(rates) if rates else 1.0
    return found if found > 1.05 else 1.0


def blind_names(building: Building) -> dict[int, str]:
    """For people: what a blind is called, by its device's id."""
    return {
        device.device_id: f"{device.name or device.kind} {device.device_id} in room {device.room_number}"
        for devices in building.devices.values()
        for device in devices
        if device.point("position") is not None or device.point("move") is not None
    }
