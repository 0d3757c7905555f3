"""A room's verdict -> its commands, each with the Decision that explains it."""

import hashlib

from msgspec.structs import replace

from insula.building.decide import Verdict, Wish, decide, seen_by
from insula.building.place import Place
from insula.building.rules import CompiledRules
from insula.building.state import RoomState
from insula.clock import Clock
from insula.messages import COMMAND_LIFE_MS, Command, Decision, Origin, Reading


def decisions(
    rules: CompiledRules, room: RoomState, cause: str, clock: Clock, place: Place, because: str = ""
) -> tuple[list[tuple[Command, Decision]], int | None]:
    """What is due in the room now, and when that may next change by itself (ms, building's clock). ``because``: the
    cause in words."""
    now = clock.now()
    verdict = decide(rules, room, now, place)
    room.held, room.comfort = verdict.held, verdict.comfort
    made = [_decision(wish, rules, verdict, room, cause, now, clock.real()) for wish in verdict.due]
    return [(command, replace(decision, because=because)) for command, decision in made], verdict.changes_at


def command_id(cause: str, version: str, device_id: int, point: str) -> str:
    """The same cause, rules and device make the same command: whoever decides it twice says it once."""
    return hashlib.sha256(f"{cause}/{version}/{device_id}/{point}".encode()).hexdigest()[:32]


def became(reading: Reading) -> str:
    """A reading as a cause in words."""
    return f"{reading.point} of device {reading.device_id} became {reading.value:g}"


def _decision(
    wish: Wish, rules: CompiledRules, verdict: Verdict, room: RoomState, cause: str, now: int, real: int
) -> tuple[Command, Decision]:
    device = wish.device
    command = Command(
        id=command_id(cause, rules.version, device.device_id, wish.point),
        at=real,
        device_id=device.device_id,
        gateway_id=device.gateway_id,
        point=wish.point,
        value=wish.value,
        class_=wish.rule.class_,
        expires_at=real + COMMAND_LIFE_MS,
        origin=Origin(kind="rule", name=wish.rule.name, cause=cause),
    )
    return command, Decision(
        id=f"d{command.id}",
        at=real,
        decided_at=now,
        room_id=room.room_id,
        device_id=device.device_id,
        point=wish.point,
        value=wish.value,
        rule=wish.rule.name,
        version=rules.version,
        command_id=command.id,
        trigger=cause,
        values=seen_by(wish, verdict, room),
        lost=wish.lost,
    )
