"""A gateway: joins the bus above and a field bus below (port.py) until it is cancelled.

Commands come in by ``commands.py``, past the gate (``gate.py``), wait in ``pending.py`` and are sent; what the field
bus tells goes out by ``reports.py`` and ``values.py``. ``outbox.py`` publishes it all.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from insula.bus.channel import Channel, Reader, Received
from insula.bus.port import Record, Start
from insula.clock import Clock
from insula.gateways import reasons
from insula.gateways.commands import Commands
from insula.gateways.outbox import LOT, Outbox
from insula.gateways.port import FieldBus
from insula.gateways.reports import Reports
from insula.gateways.state import GatewayState
from insula.gateways.values import LastValues
from insula.messages import BuildingSettings, Command, DeviceRecord, Health, Lease, Protocol, RoomRecord

log = structlog.get_logger("insula.gateways")

RESEND_S: Final = 5.0
"""Every value again, from memory (building's clock)."""
HEALTH_S: Final = 5.0
RESTART_S: Final = 1.0
LEASE: Final = "lease/"
ROOM: Final = "room/"
SETTINGS: Final = "settings/"
COUNTERS: Final = (
    *("commands", "done", "refused", "expired", "failed", "superseded", "telegrams_sent", "repeats"),
    *("unknown_telegrams", "invalid_values", "deaths", "resends"),
)


class GatewayRunner:
    """One gateway. ``instance`` tells several processes apart that may serve it, one at a time."""

    def __init__(
        self,
        gateway_id: str,
        protocol: Protocol,
        field_bus: FieldBus,
        channel: Channel,
        clock: Clock,
        instance: str = "1",
    ) -> None:
        self._gateway_id = gateway_id
        self._protocol = protocol
        self._field_bus = field_bus
        self._channel = channel
        self._clock = clock
        self._name = f"gateway {gateway_id} {instance}"
        self._state = GatewayState(LastValues(gateway_id))
        self._outbox = Outbox(channel, clock)
        self._commands = Commands(gateway_id, field_bus, channel.devices, self._state, self._outbox, clock)
        self._reports = Reports(self._state, self._commands, self._outbox, clock, self._tell_health)
        self._readers: list[Reader] = []
        self._served: Sequence[DeviceRecord] | None = None

    async def run(self) -> None:
        """Until cancelled. Commands published from when the building's devices are known on are answered."""
        await self._channel.devices.complete()
        changed = asyncio.Event()
        stop_listening = self._channel.devices.on_change(changed.set)
        try:
            commands = await self._read(self._protocol, "end", _not_a_reading)
            state = await self._read("state", "beginning", _concerns_gateways)
            await self._catch_up(state)
            await self._serve_devices()
            async with asyncio.TaskGroup() as tasks:
                self._commands.start(tasks)
                for work in (
                    self._outbox.run(),
                    self._run_field_bus(),
                    self._follow_devices(changed),
                    self._follow_state(state),
                    self._follow_commands(commands),
                    self._resend(),
                    self._report_health(),
                ):
                    tasks.create_task(work)
        finally:
            stop_listening()
            for reader in self._readers:
                await reader.close()

    async def _read(self, topic: str, start: Start, wanted: Callable[[Record], bool]) -> Reader:
        reader = await self._channel.read([topic], name=f"{self._name} {topic}", start=start, wanted=wanted)
        self._readers.append(reader)
        return reader

    # --- the bus

    async def _follow_commands(self, reader: Reader) -> None:
        while True:
            for received in await reader.batch():
                if isinstance(received.message, Command):
                    self._commands.accept(received.message)

    async def _catch_up(self, reader: Reader) -> None:
        """Know every lease before the first command: who holds what was decided while we were away."""
        end = await self._channel.bus.end_positions(["state"])
        while any(reader.positions().get(place, 0) < offset for place, offset in end.items()):
            self._apply(await reader.batch())

    async def _follow_state(self, reader: Reader) -> None:
        while True:
            self._apply(await reader.batch())

    def _apply(self, batch: Sequence[Received]) -> None:
        gate = self._state.gate
        for received in batch:
            match received.message:
                case Lease() as lease:
                    gate.lease(lease)
                case BuildingSettings() as settings:
                    gate.settings = settings
                case RoomRecord() as room:
                    gate.room(room.room_id, room.mode)
                case None if (device := received.record.key.removeprefix(LEASE)).isdecimal():
                    gate.release(int(device), self._clock.now())

    async def _follow_devices(self, changed: asyncio.Event) -> None:
        while True:
            await changed.wait()
            changed.clear()
            await self._serve_devices()

    async def _serve_devices(self) -> None:
        devices = sorted(self._channel.devices.of_gateway(self._gateway_id), key=lambda device: device.device_id)
        if devices == self._served:
            return
        for gone in {device.device_id for device in self._served or ()} - {device.device_id for device in devices}:
            self._commands.drop(reasons.NO_DEVICE, gone)
        self._served = devices
        self._state.keep(devices)
        await self._field_bus.serve(devices)

    # --- the field bus

    async def _run_field_bus(self) -> None:
        """A field bus never ends by itself; a fault in one must not end the others."""
        while True:
            try:
                await self._field_bus.run(self._reports)
            except Exception:
                log.exception("field bus ended", gateway=self._gateway_id)
            self._reports.disconnected(reasons.OUR_FAULT)
            await self._clock.real_sleep(RESTART_S)

    # --- every 5 s

    async def _resend(self) -> None:
        """Every value again, in lots that let commands through; a bus that is away gets no second round on top."""
        while True:
            await self._clock.sleep(RESEND_S)
            self._repeat()
            keys = self._state.values.keys()
            for first in range(0, len(keys), LOT):
                await self._outbox.idle()
                again = self._state.values.again(keys[first : first + LOT], self._clock.now(), self._clock.real())
                self._state.counters["resends"] += len(again)
                self._outbox.put(*again)

    def _repeat(self) -> None:
        if self._state.gate.connected:
            for device_id, value in self._state.repeats.due(self._clock.now()):
                self._state.counters["repeats"] += 1
                self._commands.repeat(device_id, value)

    async def _report_health(self) -> None:
        while True:
            self._commands.sweep()
            self._tell_health()
            await self._clock.real_sleep(HEALTH_S)

    def _tell_health(self) -> None:
        self._outbox.put(
            Health(
                part="gateway",
                instance=self._gateway_id,
                at=self._clock.real(),
                status="ok" if self._state.gate.connected else "degraded",
                why=self._state.why,
                counters=self._counters(),
                clock_offset_ms=self._channel.bus.clock_offset_ms(),
            )
        )

    def _counters(self) -> Mapping[str, float]:
        return {
            **{name: self._state.counters[name] for name in COUNTERS},
            "pending": self._commands.pending,
            "undecodable": sum(reader.undecodable for reader in self._readers),
            "dropped": self._outbox.dropped,
        }


def _not_a_reading(record: Record) -> bool:
    """Readings have the header ``point``; those of 2020's programs have not, and are passed over once decoded."""
    return "point" not in record.headers


def _concerns_gateways(record: Record) -> bool:
    return record.key.startswith((LEASE, ROOM, SETTINGS))
