"""The last value of a point as the API shows it: with its quality, its age, and what it came from. From memory."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from insula.api.values import LastValues
from insula.building.freshness import is_fresh, why_stale
from insula.clock import Clock
from insula.messages import DeviceRecord, Origin, OriginKind, Quality, Reading
from insula.points import ROLES, Role

PEOPLE = ("user", "guest", "unknown")


class Cause(msgspec.Struct, frozen=True):
    """Who or what made it so; ``id``: of the command or the message that caused it."""

    kind: OriginKind
    name: str
    id: str


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Times are ms of the building's clock."""

    device_id: int
    point: Annotated[str, Meta(examples=["temperature"])]
    unit: Annotated[str, Meta(examples=["°C"])]
    value: Annotated[float, Meta(examples=[21.5])]
    quality: Quality
    fresh: Annotated[bool, Meta(description="whether rules and means count it")]
    why: Annotated[str, Meta(description="why it is not fresh; empty if it is")]
    measured_at: int
    changed_at: int
    age_s: Annotated[float, Meta(ge=0, description="since it was measured")]
    cause: Cause


class Mean(msgspec.Struct, frozen=True, kw_only=True):
    """What the fresh values of a room's devices come to; ``value`` None: there is none, and ``why``."""

    point: str
    unit: str
    value: float | None
    why: str
    devices: Annotated[int, Meta(description="that have this point")]


class Latest:
    def __init__(self, values: LastValues, clock: Clock) -> None:
        self._values = values
        self._clock = clock

    def of(self, device: DeviceRecord, *, names: bool = True) -> list[Value]:
        """One each of its points that has given one. ``names``: with those of people."""
        now = self._clock.now()
        return [_shown(reading, now, names) for reading in self._values.all_of(device)]

    def means(self, devices: Iterable[DeviceRecord]) -> Iterator[Mean]:
        """Of the roles that can be averaged, those that these devices have."""
        having: dict[str, list[DeviceRecord]] = {}
        for device in devices:
            for point in device.points:
                having.setdefault(point.role, []).append(device)
        now = self._clock.now()
        for name, of in having.items():
            meaning = ROLES.get(name)
            if meaning is not None and meaning.average in ("time", "any"):
                value, why = self._values.mean(of, meaning, now)
                yield Mean(point=name, unit=meaning.unit, value=value, why=why, devices=len(of))


def cause_of(origin: Origin, *, names: bool) -> Cause:
    """``names``: with those of people."""
    return Cause(origin.kind, origin.name if names or origin.kind not in PEOPLE else "", origin.cause)


def _shown(reading: Reading, now: int, names: bool) -> Value:
    meaning: Role | None = ROLES.get(reading.point)
    return Value(
        device_id=reading.device_id,
        point=reading.point,
        unit=meaning.unit if meaning is not None else "",
        value=reading.value,
        quality=reading.quality,
        fresh=is_fresh(reading, now),
        why=why_stale(reading, now),
        measured_at=reading.measured_at,
        changed_at=reading.changed_at,
        age_s=max(0, now - reading.measured_at) / 1000,
        cause=cause_of(reading.origin, names=names),
    )
