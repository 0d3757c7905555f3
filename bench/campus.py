"""Parts as processes of their own, over one broker and SQLite: what the figures of a campus have in common."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from insula.building.demo import demo_plan
from insula.building.rules import load_ruleset
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.kafka import KafkaBus
from insula.bus.kafka_client import admin_client
from insula.bus.kafka_topics import KafkaTopics
from insula.clock import SystemClock
from insula.directory.directory import Directory
from insula.messages import BuildingSettings, DeviceRecord, Health, Reading
from insula.points import ROLES
from insula.store.building import import_plan
from insula.store.devices import list_devices
from insula.store.engine import Store
from tests.services import kafka

PATIENCE_S = 60
PROCESS_CLOCK = 2
"""Linux's clocks of other processes are numbered so (clock_getcpuclockid(3)); to the nanosecond, not to the tick."""
QUIET = {"motion": 0.0, "humidity": 40.0, "illuminance": 500.0, "temperature": 20.0, "position": 50.0, "valve": 10.0}
"""Values at which the default rules want nothing by day; of other roles the lowest."""


@dataclass(frozen=True)
class PartProcess:
    """``began``: when it was started (ms, real time)."""

    began: int
    process: "subprocess.Popen[bytes]"
    output: Path

    def rss_mb(self) -> float:
        """Resident memory, MB (2^20 bytes)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def cpu_s(self) -> float:
        """User and system time of all its threads since its start, seconds."""
        return time.clock_gettime((~self.process.pid << 3) | PROCESS_CLOCK)

    def runs(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"a part ended:\n{self.output.read_text()[-2000:]}")
        return "Insula runs" in self.output.read_text()


@dataclass(frozen=True)
class Campus:
    """``devices`` are on ``db``, settings and rules on ``state``; no part runs yet."""

    servers: str
    folder: Path
    channel: Channel
    clock: SystemClock
    devices: list[DeviceRecord]

    @contextmanager
    def part(self, name: str, **settings: object) -> Iterator[PartProcess]:
        """``insula run NAME``, once it says that it runs; ended by its id."""
        given = {"bus_kind": "kafka", "bus_servers": self.servers, "data": self.folder / "data", "api_port": 0}
        environment = {f"INSULA_{key.upper()}": str(value) for key, value in {**given, **settings}.items()}
        command = [sys.executable, "-c", "from insula.cli import main; main()", "run", name]
        output = self.folder / f"{name}-{time.monotonic_ns()}.log"
        began = self.clock.real()
        with output.open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
        try:
            part = PartProcess(began, process, output)
            _wait(part.runs)
            yield part
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()

    async def health(self, part: str, since: int, enough: Callable[[list[Health]], bool]) -> None:
        """Returns once the part's reports since ``since`` (ms) are ``enough``. Raises TimeoutError."""
        seen: list[Health] = []
        reader = await self.channel.read(["state"], name="bench", start="beginning")
        async with asyncio.timeout(PATIENCE_S):
            while not enough(seen):
                for received in await reader.batch():
                    health = received.message
                    if isinstance(health, Health) and health.part == part and health.at >= since:
                        seen.append(health)
        await reader.close()

    def reading(self, device: DeviceRecord, role: str, value: float | None = None) -> Reading:
        """Measured now; without a value one at which the rules want nothing."""
        now = self.clock.now()
        value = QUIET.get(role, ROLES[role].low) if value is None else value
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

    async def quiet(self, devices: Iterable[DeviceRecord] | None = None) -> None:
        """A reading of every point (of these devices)."""
        readings = [
            self.reading(device, point.role)
            for device in (self.devices if devices is None else devices)
            for point in device.points
            if point.role not in ("move", "stop")
        ]
        await self.channel.send(*readings)


@asynccontextmanager
async def campus(rooms: int) -> AsyncIterator[Campus]:
    """One broker, the topics, and the demo's building of so many rooms in SQLite and on the topics; it is noon."""
    with tempfile.TemporaryDirectory() as temporary, kafka.running(Path(temporary) / "kafka") as cluster:
        folder, clock = Path(temporary), SystemClock()
        await KafkaTopics(admin_client(cluster.config), clock).apply()
        bus = KafkaBus(cluster.config, clock)
        await bus.start()
        (folder / "data").mkdir()
        store = Store(f"sqlite:///{folder / 'data' / 'insula.db'}")
        await store.start()
        channel = Channel(bus, DeviceIndex())
        try:
            await import_plan(store, demo_plan(rooms))
            async with store.read() as connection:
                devices = list(await list_devices(connection))
            await Directory(channel, store, clock, rules=load_ruleset).look()
            await channel.send(BuildingSettings(time_zone=_where_it_is_noon()))
            for device in devices:
                channel.devices.put(device)
            yield Campus(cluster.servers, folder, channel, clock, devices)
        finally:
            await store.stop()
            await bus.stop()


def _where_it_is_noon() -> str:
    """Rules that look at the time of day then give the same answer at any time of the measurement."""
    ahead = 12 - time.gmtime().tm_hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "UTC"


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("a part does not run")
        time.sleep(0.05)
