"""A KNX installation as a field bus: commands become telegrams, telegrams become reports."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from xknx.telegram import GroupAddress, IndividualAddress, Telegram
from xknx.telegram.apci import GroupValueResponse, GroupValueWrite

from insula.clock import Clock
from insula.errors import CommandError, InputError, Refused
from insula.gateways.knx.addresses import AddressIndex, Heard, StatusAddress, driven_group
from insula.gateways.knx.link import KnxLink, Link, connection_config
from insula.gateways.knx.translate import decode, to_read, to_telegram
from insula.gateways.port import Upward
from insula.messages import Command, DeviceRecord, Origin

log = structlog.get_logger("insula.knx")

HAND_MS = 120_000
"""For so long after somebody pressed a wall switch, what the device reports is that hand's doing (real time): a
blind may report its position at the end of its way only, a minute or two later."""
READ_SHARE = 0.5
"""Of the telegrams that the bus may be given, what reading at start may take: people's commands come first."""

ValuePayload = GroupValueWrite | GroupValueResponse


class KnxGateway:
    """A FieldBus (gateways/port.py). ``options``: those of a GatewayPlan (building/model.py); raises InputError
    when one makes no sense."""

    _up: Upward

    def __init__(self, options: Mapping[str, str | int | float | bool], clock: Clock, link: Link | None = None) -> None:
        self.telegrams_per_s = float(options.get("telegrams_per_s", 20))
        self.burst = int(options.get("burst", 5))
        self.concurrent = 1
        self._clock = clock
        self._link = link or KnxLink(connection_config(options), clock)
        self._connected = False
        self._devices: dict[int, DeviceRecord] = {}
        self._addresses = AddressIndex()
        self._asked: frozenset[StatusAddress] = frozenset()
        """On this connection."""
        self._unread: dict[GroupAddress, None] = {}
        """Still to be read, in this order."""
        self._to_read = asyncio.Event()
        self._hands: dict[tuple[int, str], tuple[Origin, int]] = {}
        """Who drove a device's group of roles from outside last, and until when that is believed (real ms)."""
        self._owners: dict[GroupAddress, IndividualAddress] = {}
        """Who answers for an address: where state and command share one (2020's valves), it is no hand."""

    async def serve(self, devices: Sequence[DeviceRecord]) -> None:
        self._devices = {device.device_id: device for device in devices}
        self._addresses = AddressIndex(devices)
        if self._connected:
            self._ask_for(self._addresses.statuses)

    async def run(self, up: Upward) -> None:
        self._up = up
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run(self))
            tasks.create_task(self._read_states())

    async def send(self, command: Command) -> None:
        device = self._devices.get(command.device_id)
        if device is None:
            raise Refused(f"device {command.device_id} is not on this gateway")
        telegram = to_telegram(command, device)
        await self._link.send(telegram)
        self._hands.pop((command.device_id, driven_group(command.point)), None)
        self._assume(telegram)

    # --- what the link tells

    def connected(self) -> None:
        self._connected = True
        self._up.connected()
        self._ask_for(self._addresses.statuses)

    def disconnected(self, why: str) -> None:
        self._connected = False
        self._asked = frozenset()
        self._unread.clear()
        self._hands.clear()
        self._up.disconnected(why)

    def received(self, telegram: Telegram) -> None:
        """A group telegram from the bus. What others ask, and what we sent ourselves, says nothing new."""
        address, payload = telegram.destination_address, telegram.payload
        if not isinstance(address, GroupAddress) or not isinstance(payload, ValuePayload):
            return
        if telegram.source_address == self._link.address:
            return
        self._unread.pop(address, None)
        if isinstance(payload, GroupValueResponse):
            self._owners[address] = telegram.source_address
        meanings = self._addresses.at(address)
        hand = isinstance(payload, GroupValueWrite) and telegram.source_address != self._owners.get(address)
        origin = Origin(kind="switch", name=str(telegram.source_address)) if hand else None
        fits = [self._hear(heard, payload, origin) for heard in meanings]
        if not fits or not all(fits):
            log.debug("telegram fits no point", address=str(address), source=str(telegram.source_address))
            self._up.unknown(str(address))

    # --- from telegrams to reports

    def _hear(self, heard: Heard, payload: ValuePayload, hand: Origin | None) -> bool:
        """``hand``: who drives, at an address that drives. False when the payload is none of the point's type."""
        try:
            value = decode(heard.point, heard.role, payload.value)
        except InputError:
            return False
        if heard.driven and hand is not None:
            self._hands[heard.device_id, driven_group(heard.role.name)] = (hand, self._clock.real() + HAND_MS)
        if not heard.driven or not self._addresses.tells(heard.device_id, heard.role.name):
            self._up.report(heard.device_id, heard.role.name, value, origin=self._hand(heard))
        return True

    def _hand(self, heard: Heard) -> Origin | None:
        """The wall switch that what the point reports now is due to; None if it is the device's own."""
        if not heard.role.writable:
            return None
        origin, until = self._hands.get((heard.device_id, driven_group(heard.role.name)), (None, 0))
        return origin if self._clock.real() <= until else None

    def _assume(self, telegram: Telegram) -> None:
        """The bus took what we wrote: so be it, for every point at that address whose outcome nothing will tell."""
        address, payload = telegram.destination_address, telegram.payload
        if not isinstance(address, GroupAddress) or not isinstance(payload, GroupValueWrite):
            return
        for heard in self._addresses.at(address):
            told = {heard.role.name, heard.role.target}
            if heard.driven and not any(self._addresses.tells(heard.device_id, role) for role in told):
                value = decode(heard.point, heard.role, payload.value)
                self._up.report(heard.device_id, heard.role.name, value)

    # --- reading at start

    def _ask_for(self, statuses: Sequence[StatusAddress]) -> None:
        """Read those not asked for on this connection; forget those that are no more."""
        wanted = frozenset(statuses)
        new = [status.address for status in statuses if status not in self._asked]
        known = {status.address for status in wanted}
        self._unread = {address: None for address in (*self._unread, *new) if address in known}
        self._asked = wanted
        self._to_read.set()

    async def _read_states(self) -> None:
        """Ask for the states, one address at a time and in no hurry; their answers come as any status does."""
        pause = 1 / (self.telegrams_per_s * READ_SHARE) if self.telegrams_per_s else 0.0
        while True:
            await self._to_read.wait()
            if not self._unread:
                self._to_read.clear()
                continue
            address = next(iter(self._unread))
            del self._unread[address]
            try:
                await self._link.send(to_read(address))
            except CommandError as error:
                log.info("state not read", address=str(address), why=str(error))
            await self._clock.real_sleep(pause)
