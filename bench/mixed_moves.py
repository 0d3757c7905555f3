"""1,000 mixed moves in the simulated building over the real protocols: does Insula know who moved what, and why?

An app (the API), wall switches, an outside KNX writer (a client of its own on a tunnel of its own) and rules move the
blinds, valves and lamps of 12 rooms; the clock runs 20 times as fast. After each move ``GET /why`` is asked at once;
all of it again after a restart of everything: ``make chaos``.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import Progress
from xknx import XKNX
from xknx.dpt import DPTArray
from xknx.io import ConnectionConfig, ConnectionType
from xknx.telegram import GroupAddress, Telegram
from xknx.telegram.apci import GroupValueWrite

from bench.demo_process import DemoProcess, demo
from bench.machine import percentile
from insula.building.demo import demo_plan
from insula.building.model import DevicePlan, RoomPlan

COUNT, ROOMS, SPEED = 1_000, 12, 20
NIGHT = "2026-01-15T01:00+01:00"
"""Nobody comes in by himself, and the lamp follows whoever is there."""
LEAST_RIGHT, ANSWER_S = 0.995, 1.0
ASK_S = 0.2
SETTLE_S = 8.0
"""Each room is empty and dry, and kept so; by then that is known, and the rules have done what they do."""
BOUNDS = {"position": (20, 90), "valve": (20, 80), "level": (15, 85)}
"""Where hands put things: nowhere near what the rules wish."""
RULES = {"valve": ("radiator low in an empty room", 10.0), "level": ("lamp on when dark or by night", 0.0)}
"""What the rules wish in an empty room, as soon as nobody holds the device."""


@dataclass(frozen=True)
class Move:
    """``reason``: what the answer must say in words."""

    device_id: int
    point: str
    value: float
    kind: str
    name: str
    reason: str

    def fits(self, entry: dict[str, Any]) -> bool:
        told = entry["actor"]["kind"], entry["actor"]["name"], entry["point"], entry["outcome"]
        return (
            told == (self.kind, self.name, self.point, "done")
            and abs(entry["value"] - self.value) <= 1
            and self.reason in entry["text"]
        )


@dataclass
class Seen:
    """``asked_s``: how long each answer took. ``until``: the end (ms, building's clock)."""

    moves: dict[int, list[Move]] = field(default_factory=dict)
    until: int = 0
    asked_s: list[float] = field(default_factory=list)
    known_s: list[float] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(map(len, self.moves.values()))


class Building:
    """The demo from outside: HTTP, the control API for the wall and the sensors, and a tunnel of our own."""

    def __init__(self, process: DemoProcess, session: aiohttp.ClientSession, writer: XKNX) -> None:
        self.process, self.session, self.writer = process, session, writer
        self.api = f"http://127.0.0.1:{process.http}"
        self.control = f"http://127.0.0.1:{process.control}"

    async def ask(self, method: str, url: str, **more: Any) -> Any:
        async with self.session.request(method, url, **more) as answer:
            if answer.status >= 300:
                raise RuntimeError(f"{method} {url}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def fault(self, **what: object) -> None:
        await self.ask("POST", f"{self.control}/world/faults", json=what)

    async def why(
        self, device_id: int, before: str = "", limit: int = 100, until: int = 10**14
    ) -> tuple[dict[str, Any], float]:
        began = time.monotonic()
        query = {"device": device_id, "from": 0, "to": until, "limit": limit, "before": before}
        answer = await self.ask("GET", f"{self.api}/api/v1/why", params=query)
        return answer, time.monotonic() - began


class Room:
    """One move after the other in one room."""

    def __init__(self, building: Building, plan: RoomPlan, devices: dict[str, int], chance: random.Random) -> None:
        self.at, self.plan, self.devices, self.chance = building, plan, devices, chance
        self.seen = Seen(moves={device_id: [] for device_id in devices.values()})
        self.sensor = next(device.node_id for device in plan.devices if device.name == "Multisensor 6")
        self.stands = 100.0
        """The blind."""

    def device(self, point: str) -> DevicePlan:
        return next(one for one in self.plan.devices if any(its.role == point for its in one.points))

    async def move(self) -> None:
        kinds = [self.app, self.app, self.wall, self.wall, self.outside, self.outside, self.somebody]
        await self.chance.choice([*kinds, self.humid] if self.stands >= 10 else kinds)()

    async def app(self) -> None:
        point = self.chance.choice(["position", "valve", "level"])
        route = {"position": "percentage_blinds", "valve": "percentage_radiator", "level": "percentage_dimmers"}[point]
        value, beacon = self._value(point), self.plan.beacons[0]
        query = {"uuid": beacon.uuid, "major": beacon.major, "minor": beacon.minor, "percentage": value}
        await self.at.ask("GET", f"{self.at.api}/{route}", params=query)
        await self._by_hand(point, value, "user", "", "over the API")

    async def wall(self) -> None:
        point, address = self.chance.choice(["position", "valve"]), f"1.1.{self.chance.randrange(200, 250)}"
        value = self._value(point)
        where = {"room": self.plan.number, "kind": self.device(point).kind}
        await self.at.fault(fault="wall_switch", **where, point=point, value=value, address=address)
        await self._by_hand(point, value, "switch", address, f"at the wall: {address}")

    async def outside(self) -> None:
        point = self.chance.choice(["position", "valve"])
        value, address = self._value(point), str(self.at.writer.current_address)
        raw = round((100 - value if point == "position" else value) * 2.55)
        group = next(its.write for its in self.device(point).points if its.role == point)
        await self.at.writer.telegrams.put(Telegram(GroupAddress(group), payload=GroupValueWrite(DPTArray((raw,)))))
        await self._by_hand(point, value, "switch", address, f"{address} wrote on the bus")

    async def humid(self) -> None:
        await self._senses("humidity", 60)
        await self._ruled("position", 0.0, "blinds close when humid", "saw humidity 60")
        self.stands = 0.0
        await self._senses("humidity", 40)

    async def somebody(self) -> None:
        """Comes in, and goes."""
        await self._senses("motion", 1)
        await self._ruled("valve", 90.0, "radiator high in an occupied room", "saw occupied true")
        await self._ruled("level", 90.0, RULES["level"][0], "occupied true")
        await self._senses("motion", 0)
        await self._ruled("valve", RULES["valve"][1], RULES["valve"][0], "saw occupied false")
        await self._ruled("level", RULES["level"][1], RULES["level"][0], "occupied false")

    # --- parts of it

    def _value(self, point: str) -> int:
        """Somewhere else than where the blind stands: what moves nothing is no move."""
        low, high = BOUNDS[point]
        near = range(round(self.stands) - 9, round(self.stands) + 10) if point == "position" else range(0)
        return self.chance.choice([value for value in range(low, high + 1) if value not in near])

    async def _senses(self, point: str, value: float) -> None:
        await self.at.fault(fault="sensor_reports", node_id=self.sensor, point=point, value=value)

    async def _by_hand(self, point: str, value: float, kind: str, name: str, reason: str) -> None:
        """Then nobody is to hold it any more, and where the rules wish something, they move it back."""
        await self._moved(Move(self.devices[point], point, float(value), kind, name, reason))
        await self.at.ask("DELETE", f"{self.at.api}/api/v1/leases/{self.devices[point]}")
        if point == "position":
            self.stands = value
        else:
            rule, back = RULES[point]
            await self._ruled(point, back, rule, "nobody holds device")

    async def _ruled(self, point: str, value: float, rule: str, reason: str) -> None:
        await self._moved(Move(self.devices[point], point, value, "rule", rule, reason))

    async def _moved(self, move: Move) -> None:
        """Asks who did it until that is told; then where the thing is, until it is there."""
        began = time.monotonic()
        self.seen.moves[move.device_id].append(move)
        while time.monotonic() - began < 10:
            answer, took_s = await self.at.why(move.device_id, limit=5)
            if answer["entries"] and move.fits(answer["entries"][-1]):
                self.seen.asked_s.append(took_s)
                self.seen.known_s.append(time.monotonic() - began)
                break
            await asyncio.sleep(ASK_S)
        while time.monotonic() - began < 10 and not self._there(await self._truth(), move):
            await asyncio.sleep(ASK_S)

    async def _truth(self) -> Any:
        return await self.at.ask("GET", f"{self.at.control}/world/rooms/{self.plan.number}")

    @staticmethod
    def _there(truth: Any, move: Move) -> bool:
        blind, valve, lamp = truth["blinds"][0]["position"], truth["valves"][0], truth["lamps"][0]
        return abs({"position": blind, "valve": valve, "level": lamp}[move.point] - move.value) <= 1.5


# --- the whole


async def _live(process: DemoProcess, count: int, seed: int, progress: Progress) -> list[Seen]:
    async with _outside(process) as at:
        plans = demo_plan(ROOMS).rooms
        for plan in plans:
            await at.ask("POST", f"{at.control}/world/rooms/{plan.number}", json={"people": 0, "humidity": 40})
        await asyncio.sleep(SETTLE_S)
        rooms = [await _room(at, plan, seed) for plan in plans]
        for room in rooms:  # what it did to settle is none of the moves
            for device_id in room.devices.values():
                entries = (await at.why(device_id))[0]["entries"]
                room.seen.moves[device_id] += [_told(entry) for entry in entries]
        before = sum(room.seen.count for room in rooms)
        bar = progress.add_task("moves", total=count)

        def made() -> int:
            return sum(room.seen.count for room in rooms) - before

        async def work(room: Room) -> None:
            while made() < count:
                await room.move()
                progress.update(bar, completed=min(made(), count))

        await asyncio.gather(*map(work, rooms))
        await asyncio.sleep(1)
        until = (await at.ask("GET", f"{at.control}/world"))["moment"]
        for room in rooms:
            room.seen.until = until
        return [room.seen for room in rooms]


def _told(entry: dict[str, Any]) -> Move:
    actor = entry["actor"]
    return Move(entry["device_id"], entry["point"], entry["value"], actor["kind"], actor["name"], "")


async def _room(at: Building, plan: RoomPlan, seed: int) -> Room:
    beacon = plan.beacons[0]
    query = {"uuid": beacon.uuid, "major": beacon.major, "minor": beacon.minor}
    found = (await at.ask("GET", f"{at.api}/get_devices", params=query))["devices"]
    ids = {one["name"]: one["id"] for one in found}
    devices = {"position": ids["blind"], "valve": ids["radiator"], "level": ids["ZE27"]}
    return Room(at, plan, devices, random.Random(f"{seed}/{plan.number}"))


@asynccontextmanager
async def _outside(process: DemoProcess) -> AsyncIterator[Building]:
    config = ConnectionConfig(
        connection_type=ConnectionType.TUNNELING_TCP,
        gateway_ip="127.0.0.1",
        gateway_port=process.knx,
        local_ip="127.0.0.1",
    )
    writer = XKNX(connection_config=config)
    await writer.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Building(process, session, writer)
    finally:
        await writer.stop()


async def _judge(process: DemoProcess, seen: Sequence[Seen]) -> tuple[int, list[str], list[float]]:
    """How many are right, what is wrong, and how long each answer took: all that is told of each device, in order."""
    right, wrong, asked_s = 0, list[str](), list[float]()
    async with _outside(process) as at:
        for room in seen:
            for device_id, moves in room.moves.items():
                entries, took_s = await _all(at, device_id, room.until)
                asked_s += took_s
                its_wrong = _compared(moves, entries)
                right += len(moves) - sum(line.startswith("not told") for line in its_wrong)
                wrong += its_wrong
    return right, wrong, asked_s


def _compared(moves: Sequence[Move], entries: Sequence[dict[str, Any]]) -> list[str]:
    """What was not told, and what was told and never was: both in the same order."""
    wrong, at = [], 0
    for move in moves:
        found = next((n for n in range(at, min(at + 5, len(entries))) if move.fits(entries[n])), None)
        if found is None:
            wrong.append(f"not told: {move}")
        else:
            wrong += [f"never was: {entry['text']}" for entry in entries[at:found]]
            at = found + 1
    return wrong + [f"never was: {entry['text']}" for entry in entries[at:]]


async def _all(at: Building, device_id: int, until: int) -> tuple[list[dict[str, Any]], list[float]]:
    """Up to ``until``: after a restart the rules may have gone on."""
    entries: list[dict[str, Any]] = []
    asked_s, before = [], ""
    while True:
        page, took_s = await at.why(device_id, before, until=until)
        entries = page["entries"] + entries
        asked_s.append(took_s)
        if page["after"] is None:
            return entries, asked_s
        before = page["after"]


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    console, began = Console(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        arguments = ("--rooms", str(ROOMS), "--speed", str(SPEED))
        with demo(data, *arguments, "--epoch", NIGHT) as process, Progress(console=console) as progress:
            seen = asyncio.run(_live(process, count, seed, progress))
            verdicts = {"while it ran": asyncio.run(_judge(process, seen))}
        with demo(data, *arguments) as process:
            verdicts["after a restart of everything"] = asyncio.run(_judge(process, seen))
    asked_s = [took_s for room in seen for took_s in room.asked_s]
    known_s = [took_s for room in seen for took_s in room.known_s]
    moves = [move for room in seen for its in room.moves.values() for move in its]
    console.print(f"{len(moves)} moves by {dict(Counter(move.kind for move in moves))}, seed {seed}")
    console.print(f"told after the move: p50 {percentile(known_s, 0.5):.2f} s, p99 {percentile(known_s, 0.99):.2f} s")
    slow, fine = _said(console, "asked at once", asked_s), True
    for when, (right, wrong, took_s) in verdicts.items():
        console.print(f"{when}: {right} of {len(moves)} right ({right / len(moves):.2%})")
        console.print("\n".join(wrong), markup=False)
        slow += _said(console, when, took_s)
        fine = len(wrong) + slow <= (1 - LEAST_RIGHT) * len(moves) and fine
    console.print(f"{time.monotonic() - began:.0f} s")
    return 0 if fine and len(moves) >= count else 1


def _said(console: Console, when: str, took_s: Sequence[float]) -> int:
    """How many took too long."""
    slow = sum(took > ANSWER_S for took in took_s)
    times = ", ".join(f"{name} {percentile(took_s, part):.3f} s" for name, part in (("p50", 0.5), ("p99", 0.99)))
    console.print(f"{when}: {len(took_s)} answers, {times}, slowest {max(took_s):.3f} s; {slow} over {ANSWER_S:g} s")
    return slow


if __name__ == "__main__":
    sys.exit(main())
