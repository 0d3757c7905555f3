"""The sockets of the KNXnet/IP interface: datagrams and streams on one port, and the way back to each client."""

import asyncio
import socket
from contextlib import suppress
from typing import Protocol, cast

from xknx.knxip import HPAI
from xknx.knxip.body import KNXIPBody

from insula.errors import InputError, Unavailable
from insula.http import check_port
from insula.simulator.knx_channel import Line
from insula.simulator.knx_frames import frame, parse, split

Address = tuple[str, int]
DISCOVERY: Address = ("224.0.23.12", 3671)
"""Where KNXnet/IP clients search (3/8/1)."""
PORT_TRIES = 20
RETRY_S = 0.05


class Peer(Protocol):
    """Who sent a frame, and how to answer."""

    tcp: bool

    def reply(self, body: KNXIPBody, endpoint: HPAI) -> None:
        """Answer at ``endpoint``: where the frame came from, if that says "route back" or the peer is on TCP."""

    def line(self, control: HPAI, data: HPAI) -> Line:
        """The way to this peer for a tunnel with those endpoints."""

    def owns(self, line: Line) -> bool:
        """Whether frames of this peer may speak for the tunnel on that line."""


class Server(Protocol):
    """What handles frames; it never raises on a client's input."""

    def received(self, body: KNXIPBody, peer: Peer) -> None: ...

    def malformed(self, error: InputError) -> None: ...

    def opened(self, stream: "Stream") -> None: ...

    def closed(self, stream: "Stream") -> None: ...


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket; what comes in is answered from ``sender`` (None: from itself)."""

    def __init__(self, server: Server, sender: "Datagrams | None" = None) -> None:
        self._server, self._sender = server, sender
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def datagram_received(self, data: bytes, addr: Address) -> None:
        try:
            body = parse(data)
        except InputError as error:
            self._server.malformed(error)
        else:
            self._server.received(body, DatagramPeer(self._sender or self, addr))

    def error_received(self, exc: Exception) -> None:
        """A client's port is closed: its tunnel ends for want of acknowledgements."""

    def send(self, data: bytes, address: Address) -> None:
        if self._transport is not None:
            self._transport.sendto(data, address)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class DatagramPeer:
    """The sender of one datagram."""

    tcp = False

    def __init__(self, socket: Datagrams, address: Address) -> None:
        self._socket, self._address = socket, address

    def endpoint(self, hpai: HPAI) -> Address:
        return self._address if hpai.route_back else hpai.addr_tuple

    def reply(self, body: KNXIPBody, endpoint: HPAI) -> None:
        self._socket.send(frame(body), self.endpoint(endpoint))

    def line(self, control: HPAI, data: HPAI) -> "DatagramLine":
        return DatagramLine(self._socket, self.endpoint(control), self.endpoint(data))

    def owns(self, line: Line) -> bool:
        """Any UDP tunnel: control and data may come from different ports."""
        return not line.tcp


class DatagramLine:
    """A tunnel's way over UDP, to the two endpoints that its client named."""

    tcp = False

    def __init__(self, socket: Datagrams, control: Address, data: Address) -> None:
        self._socket, self._control, self._data = socket, control, data

    def control(self, data: bytes) -> None:
        self._socket.send(data, self._control)

    def data(self, data: bytes) -> None:
        self._socket.send(data, self._data)

    async def ready(self) -> None:
        """Always: the acknowledgement paces it."""


class Stream(asyncio.Protocol):
    """A client's TCP connection: at once the peer of its frames and the line of its tunnels."""

    tcp = True

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._writable.set()
        self._server.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._server.closed(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            for one in split(self._buffer):
                self._handle(one)
        except InputError as error:
            self._server.malformed(error)

    def _handle(self, data: bytes) -> None:
        try:
            body = parse(data)
        except InputError as error:
            self._server.malformed(error)
        else:
            self._server.received(body, self)

    def reply(self, body: KNXIPBody, endpoint: HPAI) -> None:
        self.data(frame(body))

    def control(self, data: bytes) -> None:
        self.data(data)

    def data(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def ready(self) -> None:
        await self._writable.wait()

    def line(self, control: HPAI, data: HPAI) -> "Stream":
        return self

    def owns(self, line: Line) -> bool:
        return line is self

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """End the connection as a cut cable does: nothing that waits is sent."""
        if self._transport is not None:
            self._transport.abort()


def listening(host: str, port: int) -> socket.socket:
    """A listening TCP socket; OSError if the port is taken."""
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((host, port))
        tcp.listen()
        tcp.setblocking(False)
    except OSError:
        tcp.close()
        raise
    return tcp


def bound(host: str, port: int) -> socket.socket:
    """A UDP socket; OSError if the port is taken."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.bind((host, port))
        udp.setblocking(False)
    except OSError:
        udp.close()
        raise
    return udp


def multicast(host: str) -> socket.socket:
    """A UDP socket that hears the searches on the network of ``host``; OSError if there is no multicast on it."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind(DISCOVERY)
        membership = socket.inet_aton(DISCOVERY[0]) + socket.inet_aton(host)
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        udp.setblocking(False)
    except OSError:
        udp.close()
        raise
    return udp


def open_pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A TCP and a UDP socket on one port; ``port`` 0 picks one that is free for both. Unavailable: it is taken."""
    check_port(port)
    for _ in range(1 if port else PORT_TRIES):
        try:
            tcp = listening(host, port)
        except OSError as error:
            raise Unavailable(f"cannot listen on {host}:{port} (TCP): {error.strerror}") from error
        try:
            return tcp, bound(host, tcp.getsockname()[1])
        except OSError:
            tcp.close()
    raise Unavailable(f"cannot listen on {host}:{port} (UDP): taken")


class Listener:
    """The listening TCP socket, which can be closed and opened again on the same port without waiting."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._serving: asyncio.Task[asyncio.Server] | None = None
        self._socket: socket.socket | None = None

    def open(self, tcp: socket.socket) -> None:
        """Serve what connects to ``tcp``."""
        self._socket = tcp
        self._serving = asyncio.create_task(self._serve(tcp))

    def reopen(self, host: str, port: int) -> None:
        """As ``open``, and as soon as the port is free: some loops close a socket only in their next round."""
        try:
            self.open(listening(host, port))
        except OSError:
            self._serving = asyncio.create_task(self._serve_when_free(host, port))

    async def _serve(self, tcp: socket.socket) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(lambda: Stream(self._server), sock=tcp)

    async def _serve_when_free(self, host: str, port: int) -> asyncio.Server:
        while True:
            with suppress(OSError):
                self._socket = listening(host, port)
                return await self._serve(self._socket)
            await asyncio.sleep(RETRY_S)

    def close(self) -> None:
        """Refuse who connects from now on; those connected stay."""
        serving, self._serving = self._serving, None
        if serving is None:
            return
        if serving.done() and not serving.cancelled():
            serving.result().close()
        else:
            serving.cancel()
        if self._socket is not None:
            self._socket.close()
