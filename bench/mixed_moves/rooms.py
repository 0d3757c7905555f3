"""The rooms of the demo from outside: what is there is moved by an app, wall switches, a KNX writer, and by rules."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from xknx import XKNX
from xknx.dpt.payload import DPTArray
from xknx.io import ConnectionConfig, ConnectionType
from xknx.telegram import GroupAddress, Telegram
from xknx.telegram.apci import GroupValueWrite

from bench.demo_process import DemoProcess, signed
from insula.building.model import DevicePlan, RoomPlan

ASK_S = 0.2
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
    """``asked_s``: how long each answer took. ``since``, ``until``: begin and end (ms, building's clock)."""

    moves: dict[int, list[Move]] = field(default_factory=dict)
    since: int = 0
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
        async with self.session.request(method, url, headers=signed(url), **more) as answer:
            if answer.status >= 300:
                raise RuntimeError(f"{method} {url}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def fault(self, **what: object) -> None:
        await self.ask("POST", f"{self.control}/world/faults", json=what)

    async def moment(self) -> int:
        """ms, the building's clock."""
        return int((await self.ask("GET", f"{self.control}/world"))["moment"])

    async def why(
        self, device_id: int, before: str = "", limit: int = 100, since: int = 0, until: int = 10**14
    ) -> tuple[dict[str, Any], float]:
        began = time.monotonic()
        query = {"device": device_id, "from": since, "to": until, "limit": limit, "before": before}
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
        await self._by_hand(point, value, "user", "console", "over the API")

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
        return bool(abs({"position": blind, "valve": valve, "level": lamp}[move.point] - move.value) <= 1.5)


@asynccontextmanager
async def outside(process: DemoProcess) -> AsyncIterator[Building]:
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


async def room_of(at: Building, plan: RoomPlan, seed: int) -> Room:
    beacon = plan.beacons[0]
    query = {"uuid": beacon.uuid, "major": beacon.major, "minor": beacon.minor}
    found = (await at.ask("GET", f"{at.api}/get_devices", params=query))["devices"]
    ids = {one["name"]: one["id"] for one in found}
    devices = {"position": ids["blind"], "valve": ids["radiator"], "level": ids["ZE27"]}
    return Room(at, plan, devices, random.Random(f"{seed}/{plan.number}"))
