"""The tunnels of the KNXnet/IP interface: who gets one, with which individual address, and until when."""

import asyncio

import structlog
from xknx.knxip import HPAI, ConnectRequest, DisconnectRequest, HostProtocol
from xknx.knxip.error_code import ErrorCode
from xknx.knxip.knxip_enum import ConnectRequestType, TunnellingLayer
from xknx.telegram import IndividualAddress

from insula.simulator.knx_channel import Channel, Line, Pace
from insula.simulator.knx_frames import frame

log = structlog.get_logger("insula.simulator")

ALIVE_S = 120.0
"""A UDP client that has not been heard for so long is gone (3/8/2, 5.4)."""
NOBODY = IndividualAddress(0)


class Tunnels:
    """The open channels, by number, and the task that sends on each."""

    def __init__(self, addresses: tuple[IndividualAddress, ...], frames_per_s: float, ack_timeout_s: float) -> None:
        self._addresses, self._frames_per_s, self._ack_timeout_s = addresses, frames_per_s, ack_timeout_s
        self._channels: dict[int, Channel] = {}
        self._senders: dict[int, asyncio.Task[None]] = {}
        self.lost = 0
        """How many were given up."""

    def __len__(self) -> int:
        return len(self._channels)

    def slots(self) -> dict[IndividualAddress, bool]:
        """Each tunnel's individual address, and whether it is free."""
        used = {channel.address for channel in self._channels.values()}
        return {address: address not in used for address in self._addresses}

    def assign(self, request: ConnectRequest, tcp: bool) -> tuple[ErrorCode, IndividualAddress]:
        """The individual address for a client that wants to connect; or why it gets none, and 0.0.0."""
        if error := _unservable(request, tcp):
            return error, NOBODY
        slots, wish = self.slots(), request.cri.individual_address
        free = [address for address, is_free in slots.items() if is_free]
        if wish is not None and wish not in slots:
            return ErrorCode.E_NO_TUNNELLING_ADDRESS, NOBODY
        if wish is not None and wish not in free:
            return ErrorCode.E_CONNECTION_IN_USE, NOBODY
        if not free:
            return ErrorCode.E_NO_MORE_CONNECTIONS, NOBODY
        return ErrorCode.E_NO_ERROR, wish or free[0]

    def open(self, address: IndividualAddress, line: Line) -> int:
        """A new channel on that line; its number."""
        number = next(number for number in range(1, 256) if number not in self._channels)
        pace = Pace(self._frames_per_s)
        channel = Channel(number, address, line, pace=pace, ack_timeout_s=self._ack_timeout_s)
        channel.heard = asyncio.get_running_loop().time()
        self._channels[number] = channel
        self._senders[number] = asyncio.create_task(channel.run(self.lose))
        log.debug("knx tunnel opened", channel=number, address=str(address), tcp=line.tcp)
        return number

    def find(self, number: int) -> Channel | None:
        return self._channels.get(number)

    def of(self, line: Line) -> list[Channel]:
        return [channel for channel in self._channels.values() if channel.line is line]

    def spread(self, cemi: bytes, but: Channel | None = None) -> None:
        """Queue a cEMI frame for every client but one."""
        for channel in list(self._channels.values()):
            if channel is not but:
                channel.put(cemi)
            if channel.overflowing:
                self.lose(channel)

    def lose(self, channel: Channel) -> None:
        """Give a client up that acknowledges no more, does not read, or is gone."""
        log.warning("knx tunnel lost", channel=channel.number, address=str(channel.address))
        self.lost += 1
        self.drop(channel, tell=True)

    def lose_silent(self) -> None:
        """Give up the UDP clients that are gone."""
        now = asyncio.get_running_loop().time()
        for channel in list(self._channels.values()):
            if not channel.line.tcp and now - channel.heard > ALIVE_S:
                self.lose(channel)

    def drop(self, channel: Channel, *, tell: bool = False) -> None:
        del self._channels[channel.number]
        sender = self._senders.pop(channel.number)
        if sender is not asyncio.current_task():
            sender.cancel()
        if tell:
            protocol = HostProtocol.IPV4_TCP if channel.line.tcp else HostProtocol.IPV4_UDP
            channel.line.control(frame(DisconnectRequest(channel.number, HPAI(protocol=protocol))))

    def drop_all(self, *, tell: bool = False) -> None:
        for channel in list(self._channels.values()):
            self.drop(channel, tell=tell)


def _unservable(request: ConnectRequest, tcp: bool) -> ErrorCode | None:
    if (request.control_endpoint.protocol is HostProtocol.IPV4_TCP) is not tcp:
        return ErrorCode.E_HOST_PROTOCOL_TYPE
    if request.cri.connection_type is not ConnectRequestType.TUNNEL_CONNECTION:
        return ErrorCode.E_CONNECTION_TYPE
    if request.cri.knx_layer is not TunnellingLayer.DATA_LINK_LAYER:
        return ErrorCode.E_TUNNELLING_LAYER
    return None
