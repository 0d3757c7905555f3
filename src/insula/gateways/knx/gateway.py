"""A KNX installation as a field bus: commands become telegrams, telegrams become reports."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from xknx.telegram import GroupAddress, IndividualAddress, Telegram
from xknx.telegram.apci import GroupValueResponse, GroupValueWrite

from insula.clock import Clock
from insula.errors import InputError, Refused
from insula.gateways.knx.addresses import AddressIndex, Heard, driven_group
from insula.gateways.knx.link import KnxLink, Link, connection_config
from insula.gateways.knx.states import StateReader
from insula.gateways.knx.translate import decode, to_telegram
from insula.gateways.port import Upward
from insula.messages import Command, DeviceRecord, Origin

log = structlog.get_logger("insula.knx")

HAND_MS = 120_000
"""For so long after somebody pressed a wall switch, what the device reports is that hand's doing (real time): a
blind may report its position at the end of its way only, a minute or two later."""
TP1_PER_S = 50.0
"""Telegrams/s that a line of twisted pair carries (9600 bit/s, short frames; KNX 3/2/2)."""
READ_SHARE = 0.5
"""Of the telegrams that the bus may be given, what reading states may take: people's commands come first."""

ValuePayload = GroupValueWrite | GroupValueResponse


class KnxGateway:
    """A FieldBus (gateways/port.py). ``options``: those of a GatewayPlan (building/model.py); raises InputError
    when one makes no sense."""

    _up: Upward

    def __init__(self, options: Mapping[str, str | int | float | bool], clock: Clock, link: Link | None = None) -> None:
        self.telegrams_per_s = float(options.get("telegrams_per_s", 20))
        self.burst = int(options.get("burst", 5))
        self.carries_per_s = TP1_PER_S
        self.concurrent = 1
        self._clock = clock
        self._link = link or KnxLink(connection_config(options), clock)
        self._connected = False
        self._devices: dict[int, DeviceRecord] = {}
        self._addresses = AddressIndex()
        pause_s = 1 / (self.telegrams_per_s * READ_SHARE) if self.telegrams_per_s else 0.0
        self._states = StateReader(self._link, clock, pause_s, self.may_send)
        self._heard = self._sent = 0
        self._hands: dict[tuple[int, str], tuple[Origin, int]] = {}
        """Who drove a device's group of roles from outside last, and until when that is believed (real ms)."""
        self._owners: dict[GroupAddress, IndividualAddress] = {}
        """Who answers for an address: where state and command share one (2020's valves), it is no hand."""

    @property
    def telegrams(self) -> int:
        return self._heard + self._sent + self._states.asked

    async def serve(self, devices: Sequence[DeviceRecord]) -> None:
        self._devices = {device.device_id: device for device in devices}
        self._addresses = AddressIndex(devices)
        if self._connected:
            self._states.ask(self._addresses.statuses)

    def lead(self) -> None:
        if self._connected:
            self._states.ask_again(self._addresses.statuses)

    async def run(self, up: Upward) -> None:
        self._up = up
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run(self))
            tasks.create_task(self._states.run())

    async def send(self, command: Command) -> None:
        device = self._devices.get(command.device_id)
        if device is None:
            raise Refused(f"device {command.device_id} is not on this gateway")
        telegram = to_telegram(command, device)
        if self._connected:
            self._states.confirm(self._addresses.confirming(command.device_id, command.point))
        await self._link.send(telegram)
        self._sent += 1
        self._hands.pop((command.device_id, driven_group(command.point)), None)
        self._assume(telegram)

    # --- what the link tells

    def may_send(self) -> bool:
        return self._up.may_send()

    def connected(self) -> None:
        self._connected = True
        self._up.connected()
        self._states.ask(self._addresses.statuses)

    def disconnected(self, why: str) -> None:
        self._connected = False
        self._states.forget()
        self._hands.clear()
        self._up.disconnected(why)

    def received(self, telegram: Telegram) -> None:
        """A group telegram from the bus. What others ask, and what we sent ourselves, says nothing new."""
        address, payload = telegram.destination_address, telegram.payload
        if telegram.source_address == self._link.address:
            return
        self._heard += 1
        if not isinstance(address, GroupAddress) or not isinstance(payload, ValuePayload):
            return
        self._states.heard(address)
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
