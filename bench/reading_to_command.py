"""How long a Reading on the in-memory bus takes to become the rule's Command, and what deciding costs."""

import asyncio
import time
from zoneinfo import ZoneInfo

from bench.machine import percentile
from insula.building.decide import decide
from insula.building.place import Place
from insula.building.rules import compile_ruleset, load_ruleset
from insula.building.state import RoomState
from insula.bus.channel import Channel, Reader
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import SystemClock
from insula.controller.controller import Controller
from insula.messages import BuildingSettings, Command, CommandResult, DeviceRecord, Point, Reading

ROOMS = 50
CHANGES = 2_000
REST_S = 0.001
MANY_ROOMS = 1_000
QUIET = {"motion": 0, "humidity": 40, "illuminance": 500, "temperature": 20, "position": 50, "valve": 10, "level": 0}


def measure() -> dict[str, float]:
    """Milliseconds and microseconds; somebody comes and goes in one room after the other."""
    durations = asyncio.run(_reading_to_command())
    return {
        "reading_to_command_p50_ms": percentile(durations, 0.5) * 1e3,
        "reading_to_command_p99_ms": percentile(durations, 0.99) * 1e3,
        **_deciding(),
    }


def _devices(room_id: int) -> list[DeviceRecord]:
    def device(number: int, type_: str, kind: str, *roles: str) -> DeviceRecord:
        return DeviceRecord(
            device_id=4 * room_id + number,
            room_id=room_id,
            room_number=room_id,
            type="knx" if type_ == "knx" else "zwave",
            gateway_id=type_,
            kind=kind,
            bloc=room_id if type_ == "knx" else None,
            floor=4 if type_ == "knx" else None,
            node_id=4 * room_id + number if type_ == "zwave" else None,
            points=tuple(Point(role=role) for role in roles),
        )

    return [
        device(0, "knx", "blind", "position"),
        device(1, "knx", "radiator", "valve"),
        device(2, "zwave", "sensor", "temperature", "humidity", "illuminance", "motion"),
        device(3, "zwave", "lamp", "level"),
    ]


def _reading(device: DeviceRecord, role: str, value: float, now: int) -> Reading:
    return Reading(
        at=now,
        device_id=device.device_id,
        gateway_id=device.gateway_id,
        point=role,
        value=value,
        measured_at=now,
        changed_at=now,
        seen_at=now,
    )


def _quiet(devices: list[DeviceRecord], now: int) -> list[Reading]:
    return [_reading(device, point.role, QUIET[point.role], now) for device in devices for point in device.points]


async def _reading_to_command() -> list[float]:
    noon = 1_767_265_200_000
    clock = SystemClock(epoch=noon)
    bus = MemoryBus(clock)
    await bus.start()
    channel = Channel(bus, DeviceIndex())
    rooms = {room_id: _devices(room_id) for room_id in range(1, ROOMS + 1)}
    for devices in rooms.values():
        for device in devices:
            channel.devices.put(device)
    channel.devices.completed()
    await channel.send(BuildingSettings())
    running = asyncio.create_task(Controller(channel, clock).run())
    await asyncio.sleep(0.1)
    for devices in rooms.values():
        await channel.send(*_quiet(devices, clock.now()))
    await asyncio.sleep(0.2)
    durations = [await _change(channel, clock, rooms[1 + number % ROOMS], number) for number in range(CHANGES)]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await bus.stop()
    return durations[CHANGES // 10 :]


async def _change(channel: Channel, clock: SystemClock, devices: list[DeviceRecord], number: int) -> float:
    """Seconds from sending the reading to the command for the radiator, as a gateway reads it."""
    _, radiator, sensor, _ = devices
    reader = await channel.read(["knx"], name="bench")
    started = time.perf_counter()
    await channel.send(_reading(sensor, "motion", float(number // ROOMS % 2 == 0), clock.now()))
    command = await _next_command(reader)
    duration = time.perf_counter() - started
    await reader.close()
    await channel.send(CommandResult(at=clock.real(), command=command, outcome="done"))
    await channel.send(_reading(radiator, "valve", command.value, clock.now()))
    await asyncio.sleep(REST_S)
    return duration


async def _next_command(reader: Reader) -> Command:
    while True:
        for received in await reader.batch():
            if isinstance(received.message, Command):
                return received.message


def _deciding() -> dict[str, float]:
    """Microseconds in the controller for a reading that changes nothing, and for one that changes the answer, in one
    of many rooms after the other."""
    unchanged, changed = _in_many_rooms("default")
    _, comfort = _in_many_rooms("comfort")
    return {"decide_unchanged_us": unchanged, "decide_changed_us": changed, "decide_comfort_changed_us": comfort}


def _in_many_rooms(name: str) -> tuple[float, float]:
    """``now`` stands still: the sensors' values are fresh."""
    place, now = Place(ZoneInfo("Europe/Zurich")), 1_767_265_200_000
    rules = compile_ruleset(load_ruleset(name))
    rooms = [_known_room(number, now) for number in range(1, MANY_ROOMS + 1)]
    sensors = [_devices(room.room_id)[2] for room in rooms]
    rounds = [[_reading(sensor, "motion", value, now) for sensor in sensors] for value in (1.0, 0.0) * 3]
    for room in rooms:
        decide(rules, room, now, place)
    started = time.perf_counter()
    for readings in rounds:
        for room, reading in zip(rooms, readings, strict=True):
            room.take(reading, now)
            decide(rules, room, now, place)
    changed = time.perf_counter() - started
    started = time.perf_counter()
    for _ in rounds:
        for room, reading in zip(rooms, rounds[-1], strict=True):
            room.take(reading, now)
    unchanged = time.perf_counter() - started
    times = len(rounds) * len(rooms)
    return unchanged / times * 1e6, changed / times * 1e6


def _known_room(room_id: int, now: int) -> RoomState:
    room = RoomState(room_id)
    room.set_devices(_devices(room_id))
    for reading in _quiet(_devices(room_id), now):
        room.take(reading, now)
    return room
