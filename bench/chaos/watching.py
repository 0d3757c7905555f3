"""What is seen from outside: what Insula's process does on the wires, what it tells people, and what it answers."""

import asyncio
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from xknx.telegram import GroupAddress, Telegram
from xknx.telegram.apci import GroupValueWrite

from bench.demo_process import free_ports
from insula.clock import SystemClock
from insula.console import token_for
from insula.messages import Point
from insula.simulator.knx_values import from_payload
from insula.simulator.simulation import Simulation
from insula.simulator.zwave_nodes import TARGET, VirtualNode

POINTS = ("position", "valve", "level")


@dataclass(frozen=True)
class Actuation:
    """A device was told something else than before (ms, building's clock)."""

    at: int
    room: int
    point: str
    value: float


class Wires:
    """Listens in the simulated interface and server: Insula is their only client."""

    def __init__(self, simulation: Simulation, clock: SystemClock) -> None:
        self.actuations: list[Actuation] = []
        self._clock = clock
        self._last: dict[tuple[int, str], float] = {}
        self._groups: dict[int, tuple[int, Point]] = {}
        self._lamps: dict[int, int] = {}
        for room in simulation.plan.rooms:
            for device in room.devices:
                if device.kind == "lamp" and device.node_id is not None:
                    self._lamps[device.node_id] = room.number
                for point in device.points:
                    if point.role in POINTS and point.write and device.type == "knx":
                        self._groups[GroupAddress(point.write).raw] = room.number, point
        for interface in simulation.interfaces.values():
            interface.on_telegram(self._telegram)
        for server in simulation.servers.values():
            server.on_set.append(self._set)

    def _telegram(self, telegram: Telegram) -> None:
        address, payload = telegram.destination_address, telegram.payload
        if isinstance(address, GroupAddress) and isinstance(payload, GroupValueWrite) and address.raw in self._groups:
            room, point = self._groups[address.raw]
            self._told(room, point.role, round(from_payload(point, payload.value)))

    def _set(self, node: VirtualNode, value_id: str, value: object) -> None:
        if value_id == TARGET and isinstance(value, int | float):
            self._told(self._lamps[node.node_id], "level", 100.0 if value >= 99 else float(value))

    def _told(self, room: int, point: str, value: float) -> None:
        if self._last.get((room, point)) != value:
            self._last[room, point] = value
            self.actuations.append(Actuation(self._clock.now(), room, point, value))


@dataclass
class Letters:
    """The house's own program that is told of alerts: each POST is a letter."""

    url: str = ""
    letters: list[dict[str, Any]] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Letters"]:
        app = web.Application()
        app.router.add_post("/", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            yield self
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.letters.append(await request.json())
        return web.Response()


class Insula:
    """``insula run`` with all its parts, as a process that can be killed."""

    def __init__(self, folder: Path, data: Path, clock: SystemClock, letters: Letters, epoch: str) -> None:
        self.port = free_ports(1)[0]
        self.api = f"http://127.0.0.1:{self.port}"
        self._data = data
        self._log = folder / "insula.log"
        where = ["--data", str(data), "--host", "127.0.0.1", "--port", str(self.port)]
        time = ["--speed", f"{clock.speed:g}", "--epoch", epoch]
        self._command = [str(Path(sys.executable).with_name("insula")), "run", *where, *time]
        self._environment = {
            **os.environ,
            "INSULA_ALERTS_WEBHOOK_URL": letters.url,
            "INSULA_ALERTS_THROTTLE_S": "0",
            "INSULA_ALERTS_AWAY_S": "5",
            "INSULA_ALERTS_CONFIRM_S": "1800",
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it answers."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, env=self._environment
            )
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(self._answers):
                if self._process.returncode is not None:
                    raise RuntimeError(f"insula run ended: {self._log.read_text()[-2000:]}")
                await asyncio.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.api}/health", timeout=2):
            return True
        return False

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()

    def errors(self) -> list[str]:
        """What its log says went wrong that nobody had foreseen."""
        return [line for line in self._log.read_text().splitlines() if "[error" in line or "Traceback" in line]

    # --- what it answers

    async def devices(self) -> list[dict[str, Any]]:
        return list((await self._get("/devices/health", all="true"))["shown"])

    async def alerts(self) -> list[dict[str, Any]]:
        """All there ever were."""
        return await self._pages("/alerts", "alerts", all="true", limit=100)

    async def why(self, device_id: int) -> list[dict[str, Any]]:
        return await self._pages("/why", "entries", device=device_id, limit=1000, **{"from": 0, "to": 10**14})

    async def _pages(self, path: str, name: str, **query: Any) -> list[dict[str, Any]]:
        found, before = [], ""
        while True:
            page = await self._get(path, before=before, **query)
            found += page[name]
            if not page.get("after"):
                return found
            before = page["after"]

    async def _get(self, path: str, **query: Any) -> dict[str, Any]:
        signed = {"Authorization": f"Bearer {token_for(self.api, {'INSULA_DATA': str(self._data)})}"}
        url = f"{self.api}/api/v1{path}"
        async with aiohttp.ClientSession(headers=signed) as session, session.get(url, params=query) as answer:
            answer.raise_for_status()
            body: dict[str, Any] = await answer.json()
            return body
