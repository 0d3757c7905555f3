"""What is wrong now with a device, a gateway or a part. Pure.

Each function answers by kind of alert: a Condition, when that is wrong; None, when nothing can be said about it now, so
that what is open stays open; a kind that is missing is well. What a dead gateway hides is None: it is one alert, its
devices' silence is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from insula.alerts.orders import Order
from insula.building.vitals import Vitals, silent_after
from insula.bus.health import SILENT_MS, STANDBY
from insula.messages import AlertKind, DeviceRecord, Health, Severity

RETURN_MS = 60_000
"""A gateway that came back has so long to tell what it knows (building's clock)."""
DEAD_MS = 60_000
"""A node that does not answer is dead after so long: it may be a moment's interference (building's clock)."""
NOTICE_MS = 20_000
"""By then (real time) it is known that a gateway is away: before, its devices only seem silent."""
BATTERY_BAND = 5.0
"""%: a battery is well again when it has so much more than the limit."""
LOAD_HIGH, LOAD_WELL = 0.9, 0.7
"""Shares of what the field bus carries: above the one it is too much, below the other it is well again."""
LOAD_MS = 60_000

DEVICE_KINDS: tuple[AlertKind, ...] = ("away", "battery", "unconfirmed")
GATEWAY_KINDS: tuple[AlertKind, ...] = ("away", "load")
PART_KINDS: tuple[AlertKind, ...] = ("away",)


@dataclass(frozen=True, slots=True)
class Condition:
    """Something wrong. A person is told when it has been so for ``for_ms`` of the building's clock and for
    ``for_real_ms`` of real time."""

    severity: Severity
    text: str
    for_ms: int = 0
    for_real_ms: int = 0
    point: str = ""
    value: float | None = None


Found = Mapping[AlertKind, Condition | None]
NOTHING_KNOWN: Found = dict.fromkeys(DEVICE_KINDS)


@dataclass(frozen=True, slots=True)
class Limits:
    """``away_ms``: a gateway or part may be away for so long (real time); ``battery``: %."""

    away_ms: int = 30_000
    battery: float = 15.0


LIMITS = Limits()


# --- parts and gateways


def ailing(health: Health | None, real: int) -> str:
    """What is wrong with who says this of itself; empty: nothing. None: it has said nothing."""
    if health is None:
        return "it does not run"
    silent_ms = real - health.at
    if silent_ms > SILENT_MS:
        return "it says nothing any more"
    return (health.why or "degraded") if health.status != "ok" else ""


def of_part(name: str, health: Health, real: int, limits: Limits) -> Found:
    """Who stands by is missed by nobody yet."""
    why = ailing(health, real)
    severity: Severity = "warning" if health.part == STANDBY else "critical"
    return {"away": Condition(severity, f"part {name}: {why}", for_real_ms=limits.away_ms)} if why else {}


def of_gateway(gateway_id: str, devices: int, health: Health | None, real: int, limits: Limits) -> Found:
    """``devices``: how many it serves."""
    if why := ailing(health, real):
        text = f"gateway {gateway_id} with {devices} device{'' if devices == 1 else 's'}: {why}"
        return {"away": Condition("critical", text, for_real_ms=limits.away_ms), "load": None}
    counters = health.counters if health is not None else {}
    rate, most = counters.get("bus_per_s", 0.0), counters.get("bus_limit_per_s", 0.0)
    if not most or rate < LOAD_WELL * most:
        return {}
    if rate < LOAD_HIGH * most:
        return {"load": None}
    text = f"gateway {gateway_id}: {rate:.0f} telegrams/s of {most:.0f} that its bus can carry"
    return {"load": Condition("warning", text, for_real_ms=LOAD_MS)}


# --- devices


@dataclass(frozen=True, slots=True)
class Link:
    """How a device's gateway is: connected since (ms, building's clock; 0: for longer than is known), or None: away,
    or just back."""

    since: int | None = None


def link_of(health: Health | None, now: int, real: int) -> Link:
    if health is None or ailing(health, real):
        return Link()
    since = int(health.counters.get("connected_since", 0))
    return Link(since) if now - since >= RETURN_MS else Link()


def of_device(
    device: DeviceRecord,
    vitals: Vitals,
    unanswered: list[Order],
    overdue: Order | None,
    link: Link,
    now: int,
    low: float,
) -> Found:
    """``unanswered``: commands it has not shown so far; ``overdue``: one of them that it should have by now; ``low``:
    the battery's limit, %."""
    if link.since is None:
        return NOTHING_KNOWN
    away = _away(device, vitals, link.since, now)
    found: dict[AlertKind, Condition | None] = {**away, **_battery(device, vitals, low)}
    if away:
        found["unconfirmed"] = None
    elif overdue is not None:
        found["unconfirmed"] = _unconfirmed(device, overdue)
    elif unanswered:
        found["unconfirmed"] = None
    return found


def _away(device: DeviceRecord, vitals: Vitals, back_at: int, now: int) -> Found:
    if silent_after(device) is None and not vitals.dead:
        return {}
    who = named(device)
    if vitals.dead and vitals.seen_at is not None and vitals.seen_at >= back_at:
        text = f"{who} does not answer"
        return {"away": Condition("warning", text, for_ms=DEAD_MS, for_real_ms=NOTICE_MS)}
    if vitals.seen_at is None:
        text = f"{who} has never reported"
        return {"away": Condition("warning", text, for_ms=silent_after(device) or 0, for_real_ms=NOTICE_MS)}
    if vitals.silent(device, now, since=back_at):
        minutes = (now - vitals.seen_at) // 60_000
        return {"away": Condition("warning", f"{who} has been silent for {minutes} min", for_real_ms=NOTICE_MS)}
    return {"away": None} if vitals.dead or vitals.silent(device, now) else {}


def _battery(device: DeviceRecord, vitals: Vitals, low: float) -> Found:
    if device.point("battery") is None:
        return {}
    if vitals.battery is None:
        return {"battery": None}
    if vitals.battery <= low:
        return {"battery": Condition("info", f"{named(device)}: battery at {vitals.battery:.0f} %")}
    return {"battery": None} if vitals.battery < low + BATTERY_BAND else {}


def _unconfirmed(device: DeviceRecord, order: Order) -> Condition:
    text = f"{named(device)} was set to {order.point} {order.value:g}, and never showed it"
    return Condition("warning", text, point=order.point, value=order.value)


def named(device: DeviceRecord) -> str:
    """For a person."""
    return f"{device.name or device.kind} in room {device.room_number} (device {device.device_id})"
