"""Simulated days in fast time: rules decide in the simulated world, and its physics answer to what they command. No
bus and no gateway: commands go to the devices of the world alone."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from insula.building.model import BuildingPlan
from insula.controller.decider import Decider
from insula.controller.known import Known
from insula.controller.moments import Moments
from insula.messages import (
    BusMessage,
    Command,
    CommandResult,
    Decision,
    DeviceRecord,
    Origin,
    Reading,
    RoomRecord,
    RuleSet,
)
from insula.points import ROLES
from insula.rehearsal.clock import HistoryClock
from insula.rehearsal.field import SimulatedDevices
from insula.rehearsal.figures import USUAL, Figures, Limits, total
from insula.simulator.climate import RADIATOR_W_K
from insula.simulator.physical import RoomWorld
from insula.simulator.world import SUBSTEP_S, World

DEVICE = Origin(kind="device")
WARM_UP_MS = 24 * 3_600_000
"""So long the world settles before it is looked at."""
Watch = Callable[[Reading | Decision | CommandResult], None]
Progress = Callable[[int, int], None]
"""Called with the hours done and all there are."""


@dataclass(frozen=True, slots=True)
class Days:
    """``begin``: ms; ``seed``: of the people, who are the same for each set of rules, as the weather is."""

    begin: int
    days: float = 7
    seed: int = 1
    limits: Limits = USUAL


async def rehearse_simulated(
    plan: BuildingPlan, sets: Sequence[RuleSet], days: Days, progress: Progress = lambda done, all_: None
) -> list[Figures]:
    """The figures of each set, by what is true in the world."""
    hours = len(sets) * (round(days.days * 24) + WARM_UP_MS // 3_600_000)
    done = 0
    found = []
    for ruleset in sets:
        building = SimulatedBuilding(plan, ruleset, days)
        for _ in building.hours():
            done += 1
            progress(done, hours)
            await asyncio.sleep(0)
        found.append(total(building.figures.values()))
    return found


class SimulatedBuilding:
    """One set of rules in a world of its own. ``watch`` gets all that a recorder would."""

    def __init__(self, plan: BuildingPlan, ruleset: RuleSet, days: Days, watch: Watch = lambda message: None) -> None:
        self.figures: dict[int, Figures] = {room.number: Figures() for room in plan.rooms}
        self._days = days
        self._watch = watch
        self._clock = clock = HistoryClock(days.begin - WARM_UP_MS)
        self._world = World(plan, clock, days.seed)
        self._moments: Moments[int] = Moments(clock.now, clock.sleep_until)
        self._known = Known()
        self._decider = Decider(self._known, clock, self._moments, Moments(clock.real, clock.sleep_until))
        self._told: list[Reading] = []
        self._readings: dict[tuple[int, str], Reading] = {}
        self._field: dict[int, SimulatedDevices] = {}
        self._settle(plan, ruleset)

    def _settle(self, plan: BuildingPlan, ruleset: RuleSet) -> None:
        devices = list(device_records(plan))
        self._known.settle(plan.settings)
        for room_id, room in enumerate(plan.rooms, start=1):
            self._known.rooms.describe(
                RoomRecord(room_id=room_id, number=room.number, floor=room.floor, tags=room.tags)
            )
        self._known.rooms.set_devices(devices)
        self._known.take("", ruleset)
        for number, real in self._world.rooms.items():
            own = [device for device in devices if device.room_number == number]
            self._field[number] = SimulatedDevices(real, own, self._tell)
        self._room_of = {device.device_id: device.room_number for device in devices}
        for state in self._known.rooms:
            state.settle(self._clock.now())
        self._decider.look_at(self._known.rooms)

    def hours(self) -> Iterable[None]:
        """Goes on to the end, an hour at a time."""
        end = self._days.begin + round(self._days.days * 86_400_000)
        while self._clock.moment < end:
            hour = self._clock.moment + 3_600_000
            while self._clock.moment < hour:
                self._step()
            yield

    def _step(self) -> None:
        self._world.step(SUBSTEP_S)
        for devices in self._field.values():
            devices.step(SUBSTEP_S)
        self._wake(self._world.moment)
        self._clock.moment = self._world.moment
        told, self._told = self._told, []
        for reading in told:
            self._carry_out(self._decider.take_reading(reading))
        if self._clock.moment > self._days.begin:
            for number, room in self._world.rooms.items():
                self._measure(self.figures[number], room)

    def _wake(self, until: int) -> None:
        """The moments at which an answer may change by itself, up to then."""
        while (moment := self._moments.first()) is not None and moment <= until:
            self._clock.moment = max(self._clock.moment, moment)
            for at, room_id in self._moments.reached():
                room = self._known.rooms.get(room_id)
                if room is not None:
                    self._carry_out(self._decider.wake(room, at)[1])

    def _measure(self, figures: Figures, room: RoomWorld) -> None:
        limits, flow = self._days.limits, self._world.weather.flow
        figures.pass_time(
            SUBSTEP_S,
            occupied=room.occupied,
            dark=room.luminance <= limits.dark,
            cold=room.temperature < limits.cold,
            valves=[valve.position for valve in room.valves],
            lamps=[lamp.level for lamp in room.lamps],
        )
        if room.valves:
            figures.heated(RADIATOR_W_K * room.radiator * max(0.0, flow - room.temperature), SUBSTEP_S)

    def _tell(self, device_id: int, point: str, value: float) -> None:
        """A device reports; what is measured now is heard at the end of the step."""
        now, before = self._world.moment, self._readings.get((device_id, point))
        reading = Reading(
            at=now,
            device_id=device_id,
            gateway_id="",
            point=point,
            value=value,
            measured_at=now,
            changed_at=before.changed_at if before is not None and before.value == value else now,
            seen_at=now,
            origin=DEVICE,
        )
        self._readings[device_id, point] = reading
        self._watch(reading)
        self._told.append(reading)

    def _carry_out(self, messages: Sequence[BusMessage]) -> None:
        for message in messages:
            if isinstance(message, Decision):
                self._watch(message)
            elif isinstance(message, Command):
                number = self._room_of[message.device_id]
                if self._clock.moment > self._days.begin:
                    self.figures[number].commanded(message.device_id, ROLES[message.point].target)
                self._field[number].drive(message.device_id, message.point, message.value)
                result = CommandResult(at=self._clock.real(), command=message, outcome="done")
                self._watch(result)
                self._carry_out(self._decider.take_result(result))


def device_records(plan: BuildingPlan) -> Iterable[DeviceRecord]:
    """The devices of a plan, numbered in their order from 1 on, as the first import of it numbers them."""
    number = 0
    for room_id, room in enumerate(plan.rooms, start=1):
        for device in room.devices:
            number += 1
            yield DeviceRecord(
                device_id=number,
                room_id=room_id,
                room_number=room.number,
                type=device.type,
                gateway_id=device.gateway_id,
                kind=device.kind,
                bloc=device.bloc,
                floor=device.floor,
                node_id=device.node_id,
                name=device.name,
                points=device.points,
                options=device.options,
            )
