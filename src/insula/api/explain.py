"""In words: what was asked of a device, by whom and why, and what became of it. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from insula.messages import CommandResult, Decision, DeviceRecord, Origin
from insula.points import ROLES
from insula.store.events import Why
from insula.store.moves import Move

BUSES = {"knx": "KNX", "zwave": "Z-Wave"}
ARRIVED_SHARE = 0.05
"""A device that stands within so much of the point's range of what was asked has arrived."""


@dataclass(frozen=True, slots=True)
class Explainer:
    """``devices``: by id; those that are gone have only their id. ``conditions``: by version and rule's name. ``now``,
    and what ``building`` makes of a real time: ms, building's clock."""

    devices: Mapping[int, DeviceRecord]
    conditions: Mapping[tuple[str, str], str]
    zone: ZoneInfo
    now: int
    building: Callable[[int], int]

    def text(self, why: Why) -> str:
        """One line."""
        parts = [part for part in (*self._reasons(why), *self._outcomes(why)) if part]
        return f"{self._time(why.timestamp)} {self._what(why)}: {'; '.join(parts)}"

    def row(self, why: Why) -> dict[str, Any]:
        """The same for programs. Times are ms of the building's clock."""
        device_id, point, value = what(why)
        device, decision, origin = self.devices.get(device_id), why.decision, actor(why)
        result, arrival = why.results[-1] if why.results else None, arrived(why)
        row: dict[str, Any] = {
            "at": why.timestamp,
            "id": why.command_id,
            "device_id": device_id,
            "room_number": device.room_number if device is not None else None,
            "point": point,
            "value": value,
            "actor": {"kind": origin.kind, "name": origin.name},
            "outcome": outcome(why),
            "reason": result.reason if result is not None else "",
            "taken_at": self.building(result.at) if result is not None and result.outcome == "done" else None,
            "arrived_at": arrival.timestamp if arrival is not None else None,
            "arrived": arrival.value if arrival is not None else None,
        }
        if decision is not None:
            row |= {
                "rule": decision.rule,
                "version": decision.version,
                "condition": self.conditions.get((decision.version, decision.rule), ""),
                "trigger": decision.trigger,
                "because": self._trigger(decision),
                "values": decision.values,
                "lost": decision.lost,
            }
        return {**row, "text": self.text(why)}

    # --- what and why

    def _what(self, why: Why) -> str:
        device_id, point, value = what(why)
        device = self.devices.get(device_id)
        name = f"device {device_id}" if device is None else f"{device.name or device.kind} {device_id}"
        place = f" in room {device.room_number}" if device is not None else ""
        if point == "stop":
            return f"{name}{place} stopped"
        return f"{name}{place}, {point} to {_with_unit(point, value)}"

    def _reasons(self, why: Why) -> Iterator[str]:
        decision = why.decision
        if decision is None:
            yield who(actor(why), self._bus(why))
            return
        yield f"{'shadow ' if decision.shadow else ''}rule '{decision.rule}' (version {decision.version[:8]})"
        if condition := self.conditions.get((decision.version, decision.rule)):
            yield f"when {condition}"
        yield f"because {self._trigger(decision)}" if self._trigger(decision) else ""
        seen = ", ".join(f"{name} {_plain(value)}" for name, value in sorted(decision.values.items()))
        yield f"saw {seen}" if seen else ""
        yield f"lost: {', '.join(decision.lost)}" if decision.lost else ""

    def _trigger(self, decision: Decision) -> str:
        if decision.because:
            return decision.because
        kind, _, moment = decision.trigger.partition(":")
        return f"it was {self._time(int(moment))}" if kind == "time" and moment.isdecimal() else ""

    # --- what became of it

    def _outcomes(self, why: Why) -> Iterator[str]:
        if why.decision is not None and why.decision.shadow:
            yield "not done: these rules are only tried, as shadow"
            return
        if why.decision is not None and why.decision.observed:
            yield "not done: hands are off here, it was only observed"
            return
        for result in why.results:
            yield self._result(result, why)
        if why.decision is not None and not why.results:
            yield "no gateway has answered"
        arrival, asked = arrived(why), what(why)[2]
        if arrival is not None:
            told = (
                "arrived" if _near(arrival, asked) else f"last heard of at {_with_unit(arrival.point, arrival.value)}"
            )
            yield f"{told} {self._time(arrival.timestamp)}"
        elif any(result.outcome == "done" for result in why.results):
            yield "the device has told nothing of it since"

    def _result(self, result: CommandResult, why: Why) -> str:
        at = self._time(self.building(result.at))
        if result.outcome == "done":
            return f"{self._bus(why)} took it {at}"
        return f"{result.outcome} {at}: {result.reason}"

    def _bus(self, why: Why) -> str:
        device = self.devices.get(what(why)[0])
        return BUSES[device.type] if device is not None else "the bus"

    def _time(self, at: int) -> str:
        """The day only if it is not today."""
        time, today = (datetime.fromtimestamp(moment / 1000, self.zone) for moment in (at, self.now))
        return time.strftime("%H:%M:%S" if time.date() == today.date() else "%Y-%m-%d %H:%M:%S")


def what(why: Why) -> tuple[int, str, float]:
    """The device, the point and the value that was asked for. What was asked at the wall is not told by a blind that is
    on its way: it is where it went."""
    first = why.decision or why.command or why.moves[0]
    value = first.value
    if isinstance(first, Move):
        value = [move.value for move in why.moves if move.point == first.point][-1]
    return first.device_id, first.point, value


def actor(why: Why) -> Origin:
    if why.decision is not None:
        return Origin(kind="rule", name=why.decision.rule, cause=why.decision.trigger)
    return why.command.origin if why.command is not None else why.moves[0].origin


def outcome(why: Why) -> str:
    """``open``: not answered; ``observed`` and ``shadow``: only told; a press at the wall is ``done``."""
    if why.decision is not None and why.decision.shadow:
        return "shadow"
    if why.decision is not None and why.decision.observed:
        return "observed"
    if why.results:
        return why.results[-1].outcome
    return "open" if why.decision is not None else "done"


def arrived(why: Why) -> Move | None:
    """What the device told last because of it: where it stands, if it told so at all."""
    point = what(why)[1]
    target = ROLES[point].target if point in ROLES else point
    told = [move for move in why.moves if move.point in (target, point)]
    if why.decision is None and not why.results:
        told = [move for move in told if move is not why.moves[0]]
    reached = (move for move in told if _near(move, what(why)[2]))
    return next(reached, told[-1] if told else None)


def who(origin: Origin, bus: str) -> str:
    """Who did it by hand, in words."""
    match origin.kind:
        case "user":
            return f"by {origin.name or 'somebody'}, over the API"
        case "guest":
            return f"by guest {origin.name}, with the room's code"
        case "switch" if bus == "KNX":
            return f"by hand at the wall: {origin.name} wrote on the bus"
        case "switch":
            return f"by hand at the device: {origin.name}"
        case "unknown":
            return "by a program that does not say who it is"
    return f"by {origin.kind} {origin.name}".rstrip()


def _near(move: Move, value: float) -> bool:
    role = ROLES.get(move.point)
    return role is not None and abs(move.value - value) <= ARRIVED_SHARE * (role.high - role.low)


def _with_unit(point: str, value: float) -> str:
    unit = ROLES[point].unit if point in ROLES else ""
    return f"{_plain(value)} {unit}".rstrip()


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
