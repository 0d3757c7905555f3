"""A building of 10,000 rooms, larger than the names of 2020 reach, and what its gateways put on the bus."""

from collections.abc import Iterator
from itertools import count
from random import Random

from insula.building.model import BuildingPlan, DevicePlan, GatewayPlan, RoomPlan
from insula.messages import BuildingSettings, Command, CommandResult, DeviceRecord, Origin, Point, Reading

POINTS = {
    "blind": ("position",),
    "radiator": ("valve",),
    "sensor": ("temperature", "humidity", "illuminance", "motion"),
    "lamp": ("level",),
}
QUIET = {"motion": 0, "humidity": 40, "illuminance": 500, "temperature": 20, "position": 50, "valve": 10, "level": 0}
NOISE = {"humidity": 3, "illuminance": 20, "temperature": 0.4, "position": 5, "valve": 3, "level": 0, "motion": 0}
"""What changes stays near what the rules leave as it is: the commands are those that are asked for here."""
A_NETWORK = 115
"""Rooms whose nodes are in one Z-Wave network."""
ROUND_S = 5
"""Gateways say every value again so often."""
CHANGED = 0.2


def plan(rooms: int) -> BuildingPlan:
    return BuildingPlan(
        site="Campus",
        settings=BuildingSettings(name="Campus"),
        gateways=(
            GatewayPlan(id="knx", type="knx", default=True),
            *(GatewayPlan(id=f"zwave-{n}", type="zwave", default=n == 0) for n in range(rooms // A_NETWORK + 1)),
        ),
        rooms=tuple(_room(number) for number in range(1, rooms + 1)),
    )


def _room(number: int) -> RoomPlan:
    network, place = divmod(number, A_NETWORK)
    nodes = {"sensor": 2 + 2 * place, "lamp": 3 + 2 * place}
    devices = [
        DevicePlan(
            source=f"{kind} {number}",
            type="zwave" if kind in nodes else "knx",
            gateway_id=f"zwave-{network}" if kind in nodes else "knx",
            kind=kind,
            node_id=nodes.get(kind),
            points=tuple(Point(role=role) for role in roles),
        )
        for kind, roles in POINTS.items()
    ]
    return RoomPlan(number=number, floor=number // 1000, devices=tuple(devices))


class Traffic:
    """Readings of all points in turn, a fifth of them changed; and commands by hand, each with its result."""

    def __init__(self, devices: list[DeviceRecord], seed: int = 1) -> None:
        self._random = Random(seed)
        self._points = [(device, point.role) for device in devices for point in device.points]
        self._random.shuffle(self._points)
        self._last: dict[tuple[int, str], Reading] = {}
        self._blinds = [device for device in devices if device.kind == "blind"]
        self._number = count()

    @property
    def readings_s(self) -> float:
        return len(self._points) / ROUND_S

    def first(self, now: int) -> Iterator[Reading]:
        """One of each point, as at the gateways' start."""
        return (self._new(device, role, now) for device, role in self._points)

    def next(self, now: int, number: int) -> Iterator[Reading]:
        for _ in range(number):
            device, role = self._points[next(self._number) % len(self._points)]
            before = self._last[device.device_id, role]
            if self._random.random() < CHANGED and NOISE[role]:
                yield self._new(device, role, now)
            else:
                yield _again(before, now)

    def _new(self, device: DeviceRecord, role: str, now: int) -> Reading:
        value = round(QUIET[role] + self._random.uniform(-1, 1) * NOISE[role], 1)
        times = {"at": now, "measured_at": now, "changed_at": now, "seen_at": now}
        place = {"device_id": device.device_id, "gateway_id": device.gateway_id, "point": role}
        reading = Reading(**times, **place, value=value)
        self._last[device.device_id, role] = reading
        return reading

    def commands(self, now: int, number: int) -> Iterator[Command | CommandResult]:
        for _ in range(number):
            blind = self._random.choice(self._blinds)
            place = {"device_id": blind.device_id, "gateway_id": blind.gateway_id, "point": "position"}
            origin = Origin(kind="user", name="bench")
            command = Command(at=now, expires_at=now + 30_000, **place, value=50, origin=origin)
            yield command
            yield CommandResult(at=now, command=command, outcome="done")


def _again(reading: Reading, now: int) -> Reading:
    return Reading(
        id=reading.id,
        at=now,
        device_id=reading.device_id,
        gateway_id=reading.gateway_id,
        point=reading.point,
        value=reading.value,
        measured_at=reading.measured_at,
        changed_at=reading.changed_at,
        seen_at=now,
        resend=True,
    )
