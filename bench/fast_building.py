"""A simulated building in fast time, without a wire: the world, the sensors as the simulator has them, and the real
deciding code; or a room thermostat in its place."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from msgspec.structs import replace

from bench.thermostat import Thermostat
from insula.building.decide import Wish, decide
from insula.building.demo import demo_plan
from insula.building.model import BuildingPlan
from insula.building.place import Place, place_of
from insula.building.rules import CompiledRules
from insula.building.state import RoomState
from insula.clock import ManualClock
from insula.messages import COMMAND_LIFE_MS, Command, DeviceRecord, Reading
from insula.simulator.climate import RADIATOR_W_K
from insula.simulator.physical import Blind, Lamp, RoomWorld, Valve
from insula.simulator.world import World
from insula.simulator.zwave_network import Multisensor
from insula.simulator.zwave_nodes import HUMIDITY, ILLUMINANCE, MOTION, TEMPERATURE

WISH = 21.0
"""°C that people want."""
SENSED = {TEMPERATURE: "temperature", HUMIDITY: "humidity", ILLUMINANCE: "illuminance", MOTION: "motion"}
STEP_S = 60.0
ALIVE_MS = 5 * 60_000
"""Actuators show signs of life so often: their values stay fresh."""


class Automation(Protocol):
    """What drives a room's devices."""

    moves: Counter[str]

    def step(self, seconds: float, now: int) -> None: ...


@dataclass
class ByHand:
    """Nobody drives anything."""

    moves: Counter[str] = field(default_factory=Counter)

    def step(self, seconds: float, now: int) -> None:
        """Everything stays where it is."""


@dataclass
class Ruled:
    """A room that is decided for by rules. Its devices do at once what they are told, and report it."""

    room: RoomWorld
    rules: CompiledRules
    place: Place
    devices: tuple[DeviceRecord, ...]
    moves: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.state = RoomState(self.room.number)
        self.state.set_devices(self.devices)
        self._by_role = {point.role: device for device in self.devices for point in device.points}
        self._sensor = Multisensor(2, self.room)
        self._wake_at = 0
        self._now = 0

    def step(self, seconds: float, now: int) -> None:
        self._now = now
        self._sensor.step(seconds, self._report)
        if (motion := self.state.last(self._by_role["motion"].device_id, "motion")) is not None:
            self._take("motion", motion.value)  # any report of the sensor is a sign of life
        room = self.room
        self._actuator("position", room.blinds[0].position, room.blinds[0].moving)
        self._actuator("valve", room.valves[0].position, False)
        self._actuator("level", room.lamps[0].level, False)
        if self._wake_at <= now:
            self._decide()

    def _report(self, value_id: str, value: object) -> None:
        if isinstance(value, (int, float)) and value_id in SENSED:
            self._take(SENSED[value_id], float(value))

    def _actuator(self, role: str, value: float, moving: bool) -> None:
        old = self.state.last(self._by_role[role].device_id, role)
        if old is None or (old.value != value and not moving) or self._now - old.measured_at >= ALIVE_MS:
            self._take(role, value)

    def _take(self, role: str, value: float) -> None:
        device, now = self._by_role[role], self._now
        old = self.state.last(device.device_id, role)
        reading = Reading(
            at=now,
            device_id=device.device_id,
            gateway_id=device.gateway_id,
            point=role,
            value=value,
            measured_at=now,
            changed_at=old.changed_at if old is not None and old.value == value else now,
            seen_at=now,
        )
        if self.state.take(reading, now) and role in self.rules.roles:
            self._decide()

    def _decide(self) -> None:
        now = self._now
        if not self.state.settled(self.rules.roles, now):
            self._wake_at = self.state.settled_at
            return
        verdict = decide(self.rules, self.state, now, self.place)
        self.state.held, self.state.comfort = verdict.held, verdict.comfort
        self._wake_at = verdict.changes_at or now + ALIVE_MS
        for wish in verdict.due:
            self._carry_out(wish)

    def _carry_out(self, wish: Wish) -> None:
        command = Command(
            device_id=wish.device.device_id,
            gateway_id=wish.device.gateway_id,
            point=wish.point,
            value=wish.value,
            class_=wish.rule.class_,
            at=self._now,
            expires_at=self._now + COMMAND_LIFE_MS,
        )
        self.state.commanded(command, self._now)
        self.state.target(command.device_id, command.point).carried_out()
        self.moves[wish.point] += 1
        match wish.point:
            case "position":
                self.room.blinds[0].go(wish.value)
            case "valve":
                self.room.valves[0].set(wish.value)
            case "level":
                self.room.lamps[0].set(wish.value)


@dataclass
class Building:
    """Rooms with a blind, a radiator and a lamp each, and what drives them; kWh into the rooms, and K·h below the wish
    while somebody was there."""

    plan: BuildingPlan
    start: int
    seed: int
    valve: float = 40.0
    kwh: Counter[int] = field(default_factory=Counter)
    discomfort: Counter[int] = field(default_factory=Counter)
    automations: dict[int, Automation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world = World(self.plan, ManualClock(self.start), self.seed, substep_s=STEP_S)
        for room in self.world.rooms.values():
            room.blinds, room.lamps = [Blind()], [Lamp()]
            room.valves = [Valve(position=self.valve, watch_s=0)]
            room.radiator = self.valve / 100
        self.world.devices.append(self)
        self._before = {number: room.radiator for number, room in self.world.rooms.items()}

    def step(self, seconds: float) -> None:
        """The world has gone on: what was used and felt, and what is done about it."""
        hours, flow = seconds / 3600, self.world.weather.flow
        for number, room in self.world.rooms.items():
            warmth = (self._before[number] + room.radiator) / 2
            self._before[number] = room.radiator
            self.kwh[number] += RADIATOR_W_K * warmth * max(0.0, flow - room.temperature) * hours / 1000
            if room.people:
                self.discomfort[number] += max(0.0, WISH - room.temperature) * hours
            room.blinds[0].step(seconds)
            self.automations[number].step(seconds, self.world.moment)

    def run(self, hours: float) -> None:
        self.world.step(hours * 3600)

    def forget(self) -> None:
        """From now on it counts."""
        self.kwh.clear()
        self.discomfort.clear()
        for one in self.automations.values():
            one.moves.clear()

    def moves(self, point: str) -> int:
        return sum(one.moves[point] for one in self.automations.values())


def by_rules(building: Building, rules: CompiledRules) -> Building:
    """Every room is decided for by these rules."""
    place = place_of(building.plan.settings)
    for number, room in enumerate(building.plan.rooms, start=1):
        devices = tuple(
            DeviceRecord(
                device_id=10 * number + index,
                room_id=number,
                room_number=room.number,
                type=device.type,
                gateway_id=device.gateway_id,
                kind=device.kind,
                name=device.name,
                points=device.points,
            )
            for index, device in enumerate(room.devices)
        )
        building.automations[room.number] = Ruled(building.world.rooms[room.number], rules, place, devices)
    return building


def by_thermostats(building: Building) -> Building:
    """Every room has a room thermostat."""
    place = place_of(building.plan.settings)
    for number, room in building.world.rooms.items():
        building.automations[number] = Thermostat(room, place)
    return building


def by_hand(building: Building) -> Building:
    """Nothing is automated."""
    for number in building.world.rooms:
        building.automations[number] = ByHand()
    return building


def mixed_building(latitude: float, uses: tuple[str, ...]) -> BuildingPlan:
    """A room for each use (people.USES; others are offices)."""
    plan = demo_plan(len(uses))
    rooms = tuple(replace(room, tags=(use,)) for room, use in zip(plan.rooms, uses, strict=True))
    return replace(plan, rooms=rooms, settings=replace(plan.settings, latitude=latitude))
