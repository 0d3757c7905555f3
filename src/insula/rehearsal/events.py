"""A room's records, as what its controller heard, in order. Pure."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from insula.controller.decisions import became
from insula.messages import COMMAND_LIFE_MS, Command, CommandResult, DeviceRecord, LeaseEnd, Origin, Reading
from insula.points import ROLES
from insula.rehearsal.records import LogLine, RoomRecords
from insula.store.heard import LEASE_END, QUALITY, START, HeardIn
from insula.store.moves import MoveRow
from insula.store.rollups import ROLE_OF

STATE, DOUBTED, DECIDED, AGAIN, MEASURED, LESS, ASKED = range(7)
"""The order of what was heard at one time: ``DOUBTED``: what a device that is back may have told meanwhile, before it
tells anything; ``DECIDED``: for which something was decided; ``AGAIN``: what counts again, ``LESS``: no longer."""
DEVICE = Origin(kind="device")
_reading = msgspec.json.Decoder(Reading).decode
_lease_end = msgspec.json.Decoder(LeaseEnd).decode


class Start(NamedTuple):
    """A process began, and remembered nothing."""


Happened = Reading | Command | CommandResult | LeaseEnd | HeardIn | Start


class Event(NamedTuple):
    """``at``: when it was heard (ms, building's clock); ``order``: of what is heard at one time; ``news``: whether it
    can change a figure."""

    at: int
    order: int
    what: Happened
    news: bool = True


def events_of(
    records: RoomRecords,
    heard: Sequence[HeardIn],
    devices: Sequence[DeviceRecord],
    *,
    commands: bool,
    rate: float = 1.0,
) -> list[Event]:
    """All that was heard, in order. ``heard``: of the whole building. ``commands``: those that the rules in force gave
    as well, for who does not decide anew; ``rate``: how fast the building's clock ran beside the real one."""
    starts = [one.timestamp for one in heard if one.key == START]
    anew = {device.device_id: starts for device in devices if device.type == "knx"}
    readings = list(_readings(records, anew))
    events = [
        *(readings if commands else _attached(readings, records)),
        *(event for one in (*heard, *records.heard) if (event := _heard(one)) is not None),
        *_answers(records, rate, commands),
    ]
    return _from_the_start(sorted(_latest(events), key=itemgetter(0, 1)))


def _from_the_start(events: list[Event]) -> list[Event]:
    """What was measured before the first process began was heard when it did."""
    place = next((place for place, event in enumerate(events) if isinstance(event.what, Start)), 0)
    before, start = events[:place], events[place : place + 1]
    if any(event.order != MEASURED for event in before):
        return events
    return [*start, *(event._replace(at=start[0].at) for event in before), *events[place + 1 :]]


def _latest(events: list[Event]) -> list[Event]:
    """Of what was told of a point at one time the controller hears the last: here, that it no longer counts."""
    less = {_point(event) for event in events if event.order == LESS}
    return [event for event in events if event.order != MEASURED or _point(event) not in less] if less else events


def _point(event: Event) -> tuple[int, int, str] | None:
    reading = event.what
    return (event.at, reading.device_id, reading.point) if isinstance(reading, Reading) else None


# --- readings


def _readings(records: RoomRecords, anew: Mapping[int, Sequence[int]]) -> Iterator[Event]:
    """From Log, with the id and the origin of those that are known to tell of a move. ``anew``: when a device's
    gateway began to remember (ms)."""
    moves = {(one.move.device_id, one.move.point, one.move.timestamp): one for one in records.moves}
    for (device_id, reason), lines in groupby(records.log, key=itemgetter(3, 2)):
        role = ROLE_OF.get(reason)
        if role is not None:
            yield from _series(device_id, role.name, lines, moves, anew.get(device_id, ()))
    for move in moves.values():  # that changed nothing, or was never logged
        yield Event(move.move.timestamp, MEASURED, _told(move))


def _series(
    device_id: int,
    point: str,
    lines: Iterator[LogLine],
    moves: dict[tuple[int, str, int], MoveRow],
    starts: Sequence[int],
) -> Iterator[Event]:
    changed_at, before, each = 0, float("nan"), ROLES[point].freshness == "measured"
    coming = deque(starts)
    for at, value, _, _ in lines:
        news = value != before
        while coming and coming[0] <= at:
            coming.popleft()
            news = True
        if news:
            changed_at, before = at, value
        move = moves.pop((device_id, point, at), None)
        id_, origin = (move.id, move.move.origin) if move is not None else (f"{device_id}/{point}@{at}", DEVICE)
        reading = Reading(
            id=id_,
            at=at,
            device_id=device_id,
            gateway_id="",
            point=point,
            value=value,
            measured_at=at,
            changed_at=changed_at,
            seen_at=0 if each else at,
            origin=origin,
        )
        yield Event(at, MEASURED, reading, news)


def _told(one: MoveRow) -> Reading:
    move = one.move
    return Reading(
        id=one.id,
        at=move.timestamp,
        device_id=move.device_id,
        gateway_id="",
        point=move.point,
        value=move.value,
        measured_at=move.timestamp,
        changed_at=move.timestamp,
        seen_at=move.timestamp,
        origin=move.origin,
    )


def _attached(events: list[Event], records: RoomRecords) -> list[Event]:
    """A reading for which something was decided gets the id that the decision names, and the time at which it was
    heard: Log holds neither. Of what was heard at one time it was the first, unless it is among what counts again."""
    again = {one.what.id for one in map(_heard, records.heard) if one is not None and isinstance(one.what, Reading)}
    wanted = {decision.because for decision in records.decisions if decision.because}
    places: dict[str, list[int]] = {}
    for place, event in enumerate(events):
        if isinstance(event.what, Reading) and event.news:
            text = became(event.what)
            if text in wanted:
                places.setdefault(text, []).append(place)
    for decision in records.decisions:
        heard = [place for place in places.get(decision.because, ()) if events[place].at <= decision.decided_at]
        if heard:
            place = max(heard, key=lambda place: events[place].at)
            event = events[place]
            assert isinstance(event.what, Reading)
            order = MEASURED if decision.trigger in again else DECIDED
            events[place] = Event(decision.decided_at, order, replace(event.what, id=decision.trigger))
    return events


# --- the rest


def _heard(one: HeardIn) -> Event | None:
    match one.key:
        case str(key) if key == START:
            return Event(one.timestamp, STATE, Start())
        case str(key) if key == QUALITY:
            reading = _reading(one.value)
            return Event(one.timestamp, _order(reading), reading)
        case str(key) if key == LEASE_END:
            return Event(one.timestamp, ASKED, _lease_end(one.value))
    return Event(one.timestamp, STATE, one)


def _order(reading: Reading) -> int:
    if reading.quality == "uncertain" and ROLES[reading.point].in_range(reading.value):
        return DOUBTED
    return AGAIN if reading.quality == "good" else LESS


def _answers(records: RoomRecords, rate: float, commands: bool) -> Iterator[Event]:
    """Results, and before them the commands: real times become the building's."""
    results: dict[str, CommandResult] = {}
    for timestamp, result in records.results:
        command = replace(result.command, at=timestamp, expires_at=round(timestamp / rate) + COMMAND_LIFE_MS)
        results[command.id] = result
        at = timestamp + round((result.at - result.command.at) * rate)
        if command.origin.kind != "rule":
            yield Event(timestamp, ASKED, command)
        yield Event(at, ASKED, replace(result, at=at, command=command))
    if commands:
        yield from (Event(command.at, ASKED, command) for command in _commands(records, results, rate))


def _commands(records: RoomRecords, results: Mapping[str, CommandResult], rate: float) -> Iterator[Command]:
    """Those of the rules that were in force."""
    for decision in records.decisions:
        if not decision.observed:
            yield Command(
                id=decision.command_id,
                at=decision.decided_at,
                device_id=decision.device_id,
                gateway_id="",
                point=decision.point,
                value=decision.value,
                class_=results[decision.command_id].command.class_ if decision.command_id in results else "comfort",
                expires_at=round(decision.decided_at / rate) + COMMAND_LIFE_MS,
                origin=Origin(kind="rule", name=decision.rule, cause=decision.trigger),
            )
