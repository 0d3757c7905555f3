"""The named values that a condition may use: what each is at a moment, what it depends on, when it passes a limit."""

import re
from collections.abc import Iterator

from insula.building.place import DAILY, NAMES, SUN, Place
from insula.building.state import RoomState
from insula.points import ROLES

Value = float | bool | str
Values = dict[str, Value]

ALIASES: dict[str, str] = {role.alias: role.name for role in ROLES.values() if role.alias}
PRESENCE = {"empty_for": "empty_since", "occupied_for": "occupied_since"}
AGE = "age_"
FLAGS = ("occupied", "holiday", "vacation")


def samples() -> Values:
    """Every name that a condition may use, with a value of its type."""
    roles = [*ROLES, *ALIASES]
    numbers = [*roles, *sorted(DAILY | SUN), *PRESENCE, *(AGE + role for role in roles)]
    return {**dict.fromkeys(numbers, 1.0), **dict.fromkeys(FLAGS, True), "local_time": "12:00"}


def canonical(name: str) -> str:
    """The name without an alias in it: ``luminance`` is ``illuminance``, ``age_luminance`` its age."""
    if name.startswith(AGE):
        role = name.removeprefix(AGE)
        return AGE + ALIASES.get(role, role)
    return ALIASES.get(name, name)


def spellings(name: str) -> tuple[str, ...]:
    """The name, and its aliases."""
    return (name, *_SPELLINGS.get(name, ()))


def role_of(name: str) -> str | None:
    """The role whose readings the value is made of; None: it does not come from the room."""
    if name == "occupied" or name in PRESENCE:
        return "motion"
    return name.removeprefix(AGE) if name.startswith(AGE) else None if name in NAMES else name


def is_duration(name: str) -> bool:
    """Whether it grows by itself: ``empty_for``, ``occupied_for`` (minutes) and ages (seconds)."""
    return name in PRESENCE or name.startswith(AGE)


def value(name: str, room: RoomState, place: Place, now: int) -> Value | None:
    """None: not known, as it is stale or was never heard of."""
    if name in NAMES:
        return place.value(name, now)
    if name == "occupied":
        motion = room.mean("motion", now)
        return None if motion is None else bool(motion)
    if name in PRESENCE:
        since = _since(name, room, now)
        return (now - since) / 60_000 if since is not None else 0.0 if room.fresh("motion", now) else None
    if name.startswith(AGE):
        since = _since(name, room, now)
        return None if since is None else (now - since) / 1_000
    return room.daylight(now) if name == "illuminance" else room.mean(name, now)


def limits(name: str, condition: str) -> tuple[float, ...] | None:
    """The numbers that a condition compares a growing value with; None if it does anything else with it."""
    names = "|".join(spellings(name))
    number = r"\d+(?:\.\d+)?"
    alone = r"(?!\s*[-+*/%.\w])"
    compared = re.compile(
        rf"\b(?:{names})\s*[<>]=?\s*({number}){alone}|(?<![-+*/%.\w])(?<![-+*/%]\s)({number})\s*[<>]=?\s*(?:{names})\b{alone}"
    )
    found = [float(match[1] or match[2]) for match in compared.finditer(condition)]
    return tuple(found) if len(found) == len(re.findall(rf"\b(?:{names})\b", condition)) else None


def passings(name: str, limit: float, room: RoomState, now: int) -> Iterator[int]:
    """The moments at which a growing value reaches a limit, and is above it."""
    since = _since(name, room, now)
    if since is not None:
        reached = since + int(limit * (60_000 if name in PRESENCE else 1_000))
        yield reached
        yield reached + 1


def _since(name: str, room: RoomState, now: int) -> int | None:
    if name == "empty_for":
        return room.empty_since(now)
    return room.occupied_since(now) if name == "occupied_for" else room.measured_at(name.removeprefix(AGE))


def _spellings() -> dict[str, tuple[str, ...]]:
    plain = {name: (alias,) for alias, name in ALIASES.items()}
    return {**plain, **{AGE + name: (AGE + alias,) for alias, name in ALIASES.items()}}


_SPELLINGS = _spellings()
