"""A room of the demo's kind, and what its devices report: the vocabulary of the rule and controller tests."""

from datetime import datetime
from zoneinfo import ZoneInfo

from insula.building.place import Place
from insula.building.rules import CompiledRules, compile_ruleset, load_ruleset
from insula.building.state import RoomState
from insula.messages import DeviceRecord, Lease, Origin, Point, Quality, Reading, Rule, RuleSet

ZONE = ZoneInfo("Europe/Zurich")
PLACE = Place(ZONE, 46.52, 6.57)
BLIND, RADIATOR, SENSOR, LAMP = 1, 2, 3, 4
POINTS = {"position": BLIND, "valve": RADIATOR, "level": LAMP}
MINUTE, HOUR = 60_000, 3_600_000


def local(text: str) -> int:
    """ms of a local time, ``2026-03-11 07:00``."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp() * 1000)


NOON = local("2026-03-11 12:00")


def points(*roles: str) -> tuple[Point, ...]:
    return tuple(Point(role=role) for role in roles)


def devices(room_id: int = 1) -> list[DeviceRecord]:
    """Blind, radiator, Multisensor 6 and ZE27 dimmer, numbered from 10 x (room - 1) + 1 on."""
    first = 10 * (room_id - 1)
    knx = {"room_id": room_id, "room_number": room_id, "type": "knx", "gateway_id": "knx", "bloc": room_id, "floor": 4}
    zwave = {"room_id": room_id, "room_number": room_id, "type": "zwave", "gateway_id": "zwave"}
    return [
        DeviceRecord(device_id=first + BLIND, kind="blind", points=points("position", "wind_alarm"), **knx),
        DeviceRecord(device_id=first + RADIATOR, kind="radiator", points=points("valve"), **knx),
        DeviceRecord(
            device_id=first + SENSOR,
            kind="sensor",
            node_id=2 * room_id,
            name="Multisensor 6",
            points=points("temperature", "humidity", "illuminance", "motion"),
            **zwave,
        ),
        DeviceRecord(
            device_id=first + LAMP, kind="lamp", node_id=2 * room_id + 1, name="ZE27", points=points("level"), **zwave
        ),
    ]


def reading(
    point: str,
    value: float,
    at: int = NOON,
    *,
    device_id: int | None = None,
    changed_at: int | None = None,
    quality: Quality = "good",
    origin: Origin | None = None,
    id: str = "",
    resend: bool = False,
) -> Reading:
    device_id = POINTS.get(point, SENSOR) if device_id is None else device_id
    return Reading(
        id=id or f"{device_id}/{point}={value:g}@{at}",
        at=at,
        device_id=device_id,
        gateway_id="knx" if device_id % 10 in (BLIND, RADIATOR) else "zwave",
        point=point,
        value=float(value),
        measured_at=at,
        changed_at=at if changed_at is None else changed_at,
        quality=quality,
        origin=origin or Origin(kind="device"),
        resend=resend,
    )


def room(now: int = NOON, **values: float | None) -> RoomState:
    """A room in which all is known, as in ``values``; None: this was never heard of. Nobody there, dry, bright."""
    known: dict[str, float | None] = {
        "motion": 0,
        "humidity": 40,
        "illuminance": 500,
        "temperature": 20,
        "position": 50,
        "valve": 50,
        "level": 0,
        **values,
    }
    state = RoomState(1)
    state.set_devices(devices())
    for point, value in known.items():
        if value is not None:
            state.take(reading(point, value, now), now)
    return state


def rules(name: str = "default") -> CompiledRules:
    return compile_ruleset(load_ruleset(name))


def compiled(*some: Rule) -> CompiledRules:
    return compile_ruleset(RuleSet(name="test", version="1", rules=some))


def lease(device_id: int, since: int, until: int, class_: str = "occupant") -> Lease:
    return Lease(device_id=device_id, owner=Origin(kind="user", name="anna"), class_=class_, since=since, until=until)
