"""CPU time for 1,000 messages with two processes of a part that share the work, over the same with one.

Every point of the building sends again, round after round, as in a live one: a fifth of the temperatures change, and in
the first round somebody comes into each room, or leaves it; as many a second as 10,000 rooms send. What the processes
cost when nothing is sent is measured over as long a time, and taken off. A round is sent at once, so that each process
finds it in a few large batches.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack, asynccontextmanager

import msgspec

from bench.campus import Campus, PartProcess, campus
from insula.building.state import SETTLE_MS
from insula.bus.channel import Reader
from insula.messages import BusMessage, Command, CommandResult, Decision, Health, Reading

ROOMS = 1_000
ROUNDS = 8
ROUND_S = 0.5
TURNS = 2
"""People come, and go again."""
REST_S = 2.0
DECIDES = "controller"


def measure() -> dict[str, float]:
    """The ratio a part, and the worse of the two; ``decided_twice``: rooms, for one cause."""
    return asyncio.run(_measure())


async def _measure() -> dict[str, float]:
    figures: dict[str, float] = {}
    async with campus(ROOMS) as at:
        for part in (DECIDES, "recorder"):
            one, two = [await _cpu_ms(at, part, count, figures) for count in (1, 2)]
            figures |= {f"{part}_cpu_ms": one, f"scale_two_{part}": two / one}
    worst = max(figures["scale_two_controller"], figures["scale_two_recorder"])
    return {"scale_two_cpu_ratio": worst, **figures}


async def _cpu_ms(at: Campus, part: str, count: int, figures: dict[str, float]) -> float:
    """Milliseconds for 1,000 messages, of all processes together."""
    with ExitStack() as running:
        processes = [running.enter_context(at.part(part)) for _ in range(count)]
        if part == DECIDES:
            await at.health(part, max(one.began for one in processes), lambda seen: _shared(seen, count))
        await at.quiet()
        await asyncio.sleep(SETTLE_MS / 1000)
        span = TURNS * (ROUNDS * ROUND_S + REST_S)
        idle = await _spent(processes, asyncio.sleep(span))
        async with _heard(at) as heard:
            busy, sent = 0.0, 0
            for turn in range(TURNS):
                rounds = [_round(at, turn, number) for number in range(ROUNDS)]
                sent += sum(map(len, rounds))
                busy += await _spent(processes, _send(at, rounds))
                await _answer(at, heard)
        if part == DECIDES:
            _check(heard, figures, count)
    return (busy - idle) / sent * 1e6


def _shared(seen: list[Health], count: int) -> bool:
    """Whether their last reports say that they decide for all rooms together, each for its share."""
    rooms = [health.counters["rooms"] for health in seen[-2 * count :]]
    return len(rooms) >= 2 * count and all(number <= ROOMS * 0.75 or count == 1 for number in rooms) and min(rooms) > 0


async def _spent(processes: list[PartProcess], work: Awaitable[None]) -> float:
    before = sum(process.cpu_s() for process in processes)
    await work
    return sum(process.cpu_s() for process in processes) - before


def _round(at: Campus, turn: int, number: int) -> list[Reading]:
    readings = []
    for index, device in enumerate(at.devices):
        for point in device.points:
            if point.role == "motion":
                readings.append(at.reading(device, point.role, float(turn % 2 == 0)))
            elif point.role == "temperature" and (index + number) % 5 == 0:
                readings.append(at.reading(device, point.role, 20.0 + number % 2))
            elif point.role not in ("move", "stop"):
                readings.append(msgspec.structs.replace(at.reading(device, point.role), resend=True))
    return readings


async def _send(at: Campus, rounds: list[list[Reading]]) -> None:
    for readings in rounds:
        due = time.monotonic() + ROUND_S
        await at.channel.send(*readings)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.sleep(REST_S)


@asynccontextmanager
async def _heard(at: Campus) -> AsyncIterator[list[BusMessage]]:
    """Commands and decisions, as they come."""
    heard: list[BusMessage] = []
    reader = await at.channel.read(["knx", "zwave", "events"], name="bench")
    task = asyncio.create_task(_listen(reader, heard))
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await reader.close()


async def _listen(reader: Reader, heard: list[BusMessage]) -> None:
    while True:
        for received in await reader.batch():
            if isinstance(received.message, Command | Decision):
                heard.append(received.message)


async def _answer(at: Campus, heard: list[BusMessage]) -> None:
    """Each command of the turn was carried out, and its device is where it was sent."""
    devices = {device.device_id: device for device in at.devices}
    commands = {message.id: message for message in heard if isinstance(message, Command)}
    answers: list[BusMessage] = []
    for command in commands.values():
        answers.append(CommandResult(at=at.clock.real(), command=command, outcome="done"))
        answers.append(at.reading(devices[command.device_id], command.point, command.value))
    await at.channel.send(*answers)
    await asyncio.sleep(REST_S)


def _check(heard: list[BusMessage], figures: dict[str, float], count: int) -> None:
    """What one cause made one device do twice."""
    decided = Counter((one.trigger, one.device_id) for one in heard if isinstance(one, Decision))
    figures[f"decisions_with_{count}"] = len(decided)
    figures["decided_twice"] = figures.get("decided_twice", 0) + sum(number > 1 for number in decided.values())
