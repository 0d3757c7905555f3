"""A gateway: joins the bus above and a field bus below (port.py) until it is cancelled.

Commands come in by ``commands.py``, past the gate (``gate.py``), wait in ``pending.py`` and are sent; what the field
bus tells goes out by ``reports.py`` and ``values.py``. ``outbox.py`` publishes it all.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from insula.bus.channel import Channel, Reader, Received
from insula.bus.codec import RESULT
from insula.bus.health import STANDBY, standby_name
from insula.bus.port import Positions, Record, Start, reached
from insula.bus.topics import EVENTS, STATE, partitions_of
from insula.clock import Clock
from insula.gateways import reasons
from insula.gateways.commands import FORGET_MS, Commands
from insula.gateways.leadership import Leadership
from insula.gateways.load import BusLoad
from insula.gateways.outbox import LOT, Outbox
from insula.gateways.port import FieldBus
from insula.gateways.reports import Reports
from insula.gateways.standby import Reserve
from insula.gateways.state import GatewayState
from insula.gateways.values import LastValues
from insula.messages import (
    COMMAND_LIFE_MS,
    BuildingSettings,
    Command,
    CommandResult,
    DeviceRecord,
    Health,
    Lease,
    Protocol,
    Reading,
    RoomRecord,
)

log = structlog.get_logger("insula.gateways")

RESEND_S: Final = 5.0
"""Every value again, from memory (building's clock)."""
HEALTH_S: Final = 5.0
RESTART_S: Final = 1.0
LOOK_S: Final = 1.0
BEFORE_MS: Final = COMMAND_LIFE_MS + FORGET_MS
"""So far back a gateway that starts reads what was asked and answered (real time)."""
PATIENCE_MS: Final = 5_000
"""Who drives and has no link for so long (real time) gives way to one that has."""
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
        self._instance = instance
        self._name = f"gateway {gateway_id} {instance}"
        self._reserve = Reserve(gateway_id, instance)
        self._state = GatewayState(LastValues(gateway_id))
        self._load = BusLoad()
        self._topics = (protocol, EVENTS.name)
        self._leadership = Leadership(
            gateway_id, self._topics, channel.bus, clock, gained=self._take_over, lost=self._hand_over
        )
        may_send = self._leadership.certain
        self._outbox = Outbox(channel, clock, may_send)
        self._commands = Commands(gateway_id, field_bus, channel.devices, self._state, self._outbox, clock, may_send)
        self._reports = Reports(self._state, self._commands, self._outbox, clock, self._tell_health, may_send)
        self._first: Positions = {}
        """Where commands begin to be ours."""
        self._known: Positions = {}
        """What was asked and answered until there, before this process started or began to drive, is not known yet."""
        self._readers: list[Reader] = []
        self._served: Sequence[DeviceRecord] | None = None

    async def run(self) -> None:
        """Until cancelled. Commands published from then on are carried out; what was asked before, and nobody answered,
        expires."""
        await self._channel.devices.complete()
        changed = asyncio.Event()
        stop_listening = self._channel.devices.on_change(changed.set)
        self._state.down_since = self._clock.real()
        try:
            await self._leadership.open()
            if not self._leadership.leads:
                self._outbox.stand_by()
            commands = await self._read([self._protocol, EVENTS.name], "nowhere", self._concerns_us)
            self._known = await commands.follow(partitions_of(self._topics), self._clock.real() - BEFORE_MS)
            state = await self._read([STATE.name], "beginning", self._concerns_gateways)
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
                    self._report_health(commands),
                    self._give_way(),
                ):
                    tasks.create_task(work)
        finally:
            stop_listening()
            await self._leadership.close()
            for reader in self._readers:
                await reader.close()

    async def _read(self, topics: Sequence[str], start: Start, wanted: Callable[[Record], bool]) -> Reader:
        reader = await self._channel.read(topics, name=f"{self._name} {topics[0]}", start=start, wanted=wanted)
        self._readers.append(reader)
        return reader

    # --- who drives the gateway

    async def _take_over(self, first: Positions) -> None:
        """What was asked before is known here, but not ours: it has been carried out, or expires."""
        self._first = self._known = first
        self._outbox.lead()
        self._field_bus.lead()
        self._tell_health()

    def _hand_over(self) -> None:
        self._commands.hand_over()
        self._outbox.stand_by()
        self._tell_health()

    async def _give_way(self) -> None:
        """A link that is down drives nothing, while another process may have one that is up."""
        while True:
            await self._clock.real_sleep(LOOK_S)
            real = self._clock.real()
            down = not self._state.gate.connected and real - self._state.down_since >= PATIENCE_MS
            if down and self._leadership.leads and self._reserve.ready(real):
                log.warning("gives way: another has a link", gateway=self._gateway_id, why=self._state.why)
                await self._leadership.give_way()

    def _concerns_us(self, record: Record) -> bool:
        """Readings have the header ``point`` (those of 2020's programs have not): who drives needs none of them."""
        if record.topic == EVENTS.name:
            heeds = not self._leadership.certain() or self._commands.owes or bool(self._known)
            return record.key == RESULT and heeds
        device_id, found, _ = record.headers.get("point", "").partition("/")
        return not found or (not self._leadership.leads and self._serves(device_id))

    def _serves(self, device_id: str) -> bool:
        return device_id.isdecimal() and any(device.device_id == int(device_id) for device in self._served or ())

    # --- the bus

    async def _follow_commands(self, reader: Reader) -> None:
        while True:
            for received in await reader.batch():
                self._take(received)

    def _take(self, received: Received) -> None:
        record = received.record
        match received.message:
            case Command() as command:
                ours = record.offset >= self._first.get((record.topic, record.partition), 0)
                if self._leadership.leads and ours:
                    self._commands.accept(command)
                else:
                    self._commands.note(command)
            case CommandResult() as result:
                self._commands.answered(result.command)
            case Reading(gateway_id=self._gateway_id) as reading if not self._leadership.leads:
                self._outbox.untold.told(reading)
                self._state.values.adopt(reading, connected=self._state.gate.connected)

    async def _catch_up(self, reader: Reader) -> None:
        """Know every lease before the first command: who holds what was decided while we were away."""
        end = await self._channel.bus.end_positions([STATE.name])
        while not reached(reader.positions(), end):
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
                case Health() as health:
                    self._reserve.heard(health)
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
            if not self._leadership.leads:
                continue
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

    async def _report_health(self, commands: Reader) -> None:
        while True:
            if reached(commands.positions(), self._known):
                self._known = {}
            self._commands.sweep(informed=not self._known)
            self._tell_health()
            await self._clock.real_sleep(HEALTH_S)

    def _tell_health(self) -> None:
        """Of the gateway, who drives it; of itself, who stands by."""
        drives = self._leadership.leads
        self._outbox.put(
            Health(
                part="gateway" if drives else STANDBY,
                instance=self._gateway_id if drives else standby_name(self._gateway_id, self._instance),
                driven_by=self._instance if drives else "",
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
            "connected_since": self._state.connected_at,
            "bus_per_s": round(self._load.per_s(self._field_bus.telegrams, self._clock.real()), 2),
            "bus_limit_per_s": self._field_bus.carries_per_s,
            "pending": self._commands.pending,
            "undecodable": sum(reader.undecodable for reader in self._readers),
            "dropped": self._outbox.dropped,
        }

    def _concerns_gateways(self, record: Record) -> bool:
        return record.key.startswith((LEASE, ROOM, SETTINGS, self._reserve.keys))
