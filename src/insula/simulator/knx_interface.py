"""A KNXnet/IP interface for the simulated building: tunnelling over UDP and TCP on one port, search, description.

Source: KNX Standard 3/8/2 (core) and 3/8/4 (tunnelling). Times here are the wire's, always real.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog
from xknx.knxip import (
    HPAI,
    ConnectionStateRequest,
    ConnectionStateResponse,
    ConnectRequest,
    ConnectResponse,
    DescriptionRequest,
    DescriptionResponse,
    DisconnectRequest,
    DisconnectResponse,
    HostProtocol,
    SearchRequest,
    SearchRequestExtended,
    SearchResponse,
    SearchResponseExtended,
    TunnellingAck,
    TunnellingRequest,
)
from xknx.knxip.body import KNXIPBody
from xknx.knxip.connect_response import ConnectResponseData
from xknx.knxip.error_code import ErrorCode
from xknx.telegram import GroupAddress, IndividualAddress, Telegram

from insula.errors import InputError
from insula.simulator import knx_frames
from insula.simulator.knx_channel import Channel
from insula.simulator.knx_frames import GroupPayload
from insula.simulator.knx_sockets import Datagrams, Listener, Peer, Stream, multicast, open_pair
from insula.simulator.knx_tunnels import Tunnels

log = structlog.get_logger("insula.simulator")

CHECK_S = 5.0
GRACE_ROUNDS = 10
"""Rounds of the loop in which the last frames may go out, when the interface stops."""

TelegramCallback = Callable[[Telegram], None]


@dataclass(slots=True)
class Counters:
    """Since the start: telegrams from clients, from devices; malformed frames."""

    received: int = 0
    sent: int = 0
    malformed: int = 0


class KnxInterface:
    """``tunnels`` clients at once, with the individual addresses from ``first_tunnel`` on.

    Port 0 picks a free one; ``port`` then tells which. A second ``start`` takes the same port again. ``discoverable``:
    it also hears searches by multicast, as clients send them that know no address. A tunnel gets ``frames_per_s`` after
    a burst (knx_channel.Pace); its client has ``ack_timeout_s`` for each acknowledgement on UDP.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 13671,
        *,
        name: str = "Insula simulated building",
        address: str = "1.1.0",
        first_tunnel: str = "1.1.100",
        tunnels: int = 20,
        frames_per_s: float = 1000.0,
        ack_timeout_s: float = 1.0,
        discoverable: bool = False,
    ) -> None:
        self.host, self.port, self.name, self.discoverable = host, port, name, discoverable
        self.address = IndividualAddress(address)
        first = IndividualAddress(first_tunnel).raw
        addresses = tuple(IndividualAddress(first + number) for number in range(tunnels))
        self.counters = Counters()
        self._tunnels = Tunnels(addresses, frames_per_s, ack_timeout_s)
        self._streams: set[Stream] = set()
        self._callbacks: list[TelegramCallback] = []
        self._cut = False
        self._ip = host
        self._datagrams = Datagrams(self)
        self._searches = Datagrams(self, self._datagrams)
        self._listener = Listener(self)
        self._watcher: asyncio.Task[None] | None = None

    @property
    def lost(self) -> int:
        """How many tunnels were given up since the start."""
        return self._tunnels.lost

    @property
    def clients(self) -> int:
        """How many tunnels are open."""
        return len(self._tunnels)

    async def start(self) -> None:
        """Open the port; Unavailable if it is taken."""
        tcp, udp = open_pair(self.host, self.port)
        self._ip, self.port = tcp.getsockname()
        self._cut = False
        self._listener.open(tcp)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self._datagrams, sock=udp)
        if self.discoverable:
            await self._join()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Tell the clients, close everything."""
        self._tunnels.drop_all(tell=True)
        for stream in list(self._streams):
            stream.close()
        if self._watcher is not None:
            self._watcher.cancel()
        self._listener.close()
        self._datagrams.close()
        self._searches.close()
        for _ in range(GRACE_ROUNDS):
            await asyncio.sleep(0)
        for stream in list(self._streams):
            stream.reset()
        await asyncio.sleep(0)

    async def _join(self) -> None:
        try:
            udp = multicast(self._ip)
        except OSError as error:
            log.warning("knx interface cannot be searched for", why=str(error))
            return
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self._searches, sock=udp)

    def cut(self) -> None:
        """As if the cable were cut: every tunnel is gone, connections are reset, nobody gets an answer."""
        self._cut = True
        self._tunnels.drop_all()
        for stream in list(self._streams):
            stream.reset()
        self._listener.close()

    def restore(self) -> None:
        """The cable is whole again: on the same port, with no tunnel open."""
        if self._cut:
            self._cut = False
            self._listener.reopen(self.host, self.port)

    def on_telegram(self, callback: TelegramCallback) -> Callable[[], None]:
        """Call ``callback`` with each group telegram that a client sends; returns how to end that."""
        self._callbacks.append(callback)
        return partial(self._callbacks.remove, callback)

    def send(self, group_address: str, payload: GroupPayload, source: str) -> None:
        """A device with individual address ``source`` puts a telegram on the bus: every tunnel gets it."""
        self.counters.sent += 1
        if self._tunnels:
            self._tunnels.spread(knx_frames.indication(group_address, payload, source))

    # What the sockets call (knx_sockets.Server)

    def opened(self, stream: Stream) -> None:
        if self._cut:
            stream.reset()
        else:
            self._streams.add(stream)

    def closed(self, stream: Stream) -> None:
        self._streams.discard(stream)
        for channel in self._tunnels.of(stream):
            self._tunnels.drop(channel)

    def malformed(self, error: InputError) -> None:
        self.counters.malformed += 1
        log.debug("knx frame ignored", why=str(error))

    def received(self, body: KNXIPBody, peer: Peer) -> None:
        """Handle one frame of a client."""
        if self._cut:
            return
        match body:
            case ConnectRequest():
                self._connect(body, peer)
            case SearchRequest() | SearchRequestExtended() | DescriptionRequest():
                self._describe(body, peer)
            case ConnectionStateRequest():
                known = self._heard(body.communication_channel_id, peer) is not None
                answer = ConnectionStateResponse(body.communication_channel_id, _found(known))
                peer.reply(answer, body.control_endpoint)
            case DisconnectRequest():
                self._disconnect(body, peer)
            case TunnellingAck():
                if channel := self._heard(body.communication_channel_id, peer):
                    channel.acknowledge(body)
            case TunnellingRequest():
                channel = self._heard(body.communication_channel_id, peer)
                if channel is not None and channel.accept(body):
                    self._put_on_bus(channel, body.raw_cemi)
            case _:
                """A response to our DisconnectRequest: the tunnel is closed already."""

    def _heard(self, number: int, peer: Peer) -> Channel | None:
        """The peer's channel of that number: it has just shown that it lives."""
        channel = self._tunnels.find(number)
        if channel is None or not peer.owns(channel.line):
            return None
        channel.heard = asyncio.get_running_loop().time()
        return channel

    def _connect(self, body: ConnectRequest, peer: Peer) -> None:
        error, address = self._tunnels.assign(body, peer.tcp)
        number = 0
        if error is ErrorCode.E_NO_ERROR:
            number = self._tunnels.open(address, peer.line(body.control_endpoint, body.data_endpoint))
        data = ConnectResponseData(individual_address=address)
        peer.reply(ConnectResponse(number, error, self._endpoint(peer.tcp), data), body.control_endpoint)

    def _disconnect(self, body: DisconnectRequest, peer: Peer) -> None:
        channel = self._heard(body.communication_channel_id, peer)
        if channel is not None:
            self._tunnels.drop(channel)
        answer = DisconnectResponse(body.communication_channel_id, _found(channel is not None))
        peer.reply(answer, body.control_endpoint)

    def _describe(self, body: SearchRequest | SearchRequestExtended | DescriptionRequest, peer: Peer) -> None:
        dibs = knx_frames.description(self.name, self.address)
        if isinstance(body, DescriptionRequest):
            response = DescriptionResponse()
            response.dibs = dibs
            peer.reply(response, body.control_endpoint)
            return
        if isinstance(body, SearchRequestExtended):
            if not knx_frames.wanted(body.srps):
                return
            dibs.append(knx_frames.tunnels(self._tunnels.slots()))
        extended = isinstance(body, SearchRequestExtended)
        found = (SearchResponseExtended if extended else SearchResponse)(self._endpoint(tcp=False))
        found.dibs = dibs
        peer.reply(found, body.discovery_endpoint)

    def _put_on_bus(self, sender: Channel, cemi: bytes) -> None:
        """A client's telegram: confirmed to it, indicated to the other tunnels and the devices."""
        try:
            request = knx_frames.request(cemi, sender.address)
        except InputError as error:
            self.malformed(error)
            return
        if request is None:
            return
        self.counters.received += 1
        sender.put(request.confirmation)
        self._tunnels.spread(request.indication, but=sender)
        if request.telegram is not None and isinstance(request.telegram.destination_address, GroupAddress):
            self._tell_devices(request.telegram)

    def _tell_devices(self, telegram: Telegram) -> None:
        for callback in list(self._callbacks):
            try:
                callback(telegram)
            except Exception:
                log.exception("a virtual device failed", telegram=str(telegram))

    def _endpoint(self, tcp: bool) -> HPAI:
        return HPAI(protocol=HostProtocol.IPV4_TCP) if tcp else HPAI(self._ip, self.port)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            self._tunnels.lose_silent()


def _found(known: bool) -> ErrorCode:
    return ErrorCode.E_NO_ERROR if known else ErrorCode.E_CONNECTION_ID
