"""The connection to a KNXnet/IP interface, by xknx: made for ever again, and honest about what was sent.

One xknx object a connection, without xknx's own reconnecting, queue and devices: those keep what is sent during
an outage and send it afterwards, and a blind must not move an hour late.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

import structlog
from xknx import XKNX
from xknx.cemi.cemi_frame import CEMIFrame, CEMILData
from xknx.cemi.cemi_handler import CEMIHandler
from xknx.cemi.const import CEMIMessageCode
from xknx.core.connection_state import XknxConnectionState
from xknx.exceptions import CommunicationError, RequestResponseError, XKNXException
from xknx.io import DEFAULT_MCAST_GRP, DEFAULT_MCAST_PORT, ConnectionConfig, ConnectionType
from xknx.io.knxip_interface import KNXIPInterface
from xknx.io.request_response.connectionstate import ConnectionState
from xknx.io.tunnel import TCPTunnel, UDPTunnel
from xknx.telegram import IndividualAddress, Telegram

from insula.clock import Clock
from insula.errors import Failed, InputError, Refused, Unavailable
from insula.gateways import reasons

log = structlog.get_logger("insula.knx")

BACK_OFF_S = (0.2, 0.4, 0.8)
"""Waits between attempts; the last for ever. With UDP's second of waiting for an answer: back in under 2 s."""
CONNECT_S = 5.0
SEND_S = 3.0
"""KNX 3/6/3, 4.1.5: an L_DATA.con that has not come by then does not come."""
PROBE_S = 1.0
PROBE_ANSWER_S = 0.75
PROBES = 2
"""A tunnel that leaves so many connection-state requests unanswered is dead (KNX's own heartbeat: 70 s)."""
CLOSE_S = 2.0

ROUTING_ADDRESS = "15.15.245"
"""Our individual address where no tunnel gives us one; not xknx's own default, which other xknx programs have."""

CONNECTIONS = {
    "tcp": ConnectionType.TUNNELING_TCP,
    "udp": ConnectionType.TUNNELING,
    "routing": ConnectionType.ROUTING,
}


class Listener(Protocol):
    """What a link tells. Called from the event loop; never blocks."""

    def connected(self) -> None: ...

    def disconnected(self, why: str) -> None:
        """Once an outage, also when the first attempt fails."""

    def may_send(self) -> bool:
        """Whether a telegram may be sent now."""

    def received(self, telegram: Telegram) -> None:
        """A group telegram from the bus."""


class Link(Protocol):
    @property
    def address(self) -> IndividualAddress:
        """Our own individual address on this connection; 0.0.0 while there is none."""

    async def run(self, listener: Listener) -> None:
        """Connect, for ever; ends only when cancelled, and then closes the connection within 2 s."""

    async def send(self, telegram: Telegram) -> None:
        """Returns when the interface confirms it (L_DATA.con). Raises Refused while disconnected, else Failed."""


def connection_config(options: Mapping[str, str | int | float | bool]) -> ConnectionConfig:
    """From the options of a GatewayPlan (building/model.py). Raises InputError when one makes no sense."""
    kind = str(options.get("connection", "tcp"))
    if kind not in CONNECTIONS:
        raise InputError(f"connection {kind!r}: there are {', '.join(CONNECTIONS)}")
    local_ip = str(options["local_ip"]) if options.get("local_ip") else None
    port = int(options.get("port", DEFAULT_MCAST_PORT))
    return ConnectionConfig(
        connection_type=CONNECTIONS[kind],
        individual_address=ROUTING_ADDRESS if kind == "routing" else None,
        gateway_ip=None if kind == "routing" else str(options.get("host", "127.0.0.1")),
        gateway_port=port,
        local_ip=local_ip,
        multicast_group=str(options.get("multicast") or DEFAULT_MCAST_GRP),
        multicast_port=port,
        auto_reconnect=False,
    )


class KnxLink:
    """One interface. ``run`` keeps the connection, ``send`` uses it."""

    def __init__(self, config: ConnectionConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._xknx: XKNX | None = None
        self._turn = asyncio.Lock()
        self._sending: asyncio.Timeout | None = None
        self._may_send: Callable[[], bool] = lambda: True

    @property
    def address(self) -> IndividualAddress:
        return self._xknx.current_address if self._xknx is not None else IndividualAddress(0)

    async def run(self, listener: Listener) -> None:
        self._may_send = listener.may_send
        attempts, told = 0, False
        while True:
            try:
                await self._connection(listener)
            except Unavailable as error:
                if not told:
                    log.warning("knx interface unavailable", why=str(error))
                    listener.disconnected(str(error))
                told = True
                await self._clock.real_sleep(BACK_OFF_S[min(attempts, len(BACK_OFF_S) - 1)])
                attempts += 1
            else:
                attempts, told = 0, True

    async def send(self, telegram: Telegram) -> None:
        async with self._turn:
            if self._xknx is None:
                raise Refused("not connected")
            if not self._may_send():  # asked when its turn has come: it may have waited, or the process stood still
                raise Refused(reasons.HANDED_OVER)
            try:
                async with asyncio.timeout(SEND_S) as self._sending:
                    await self._xknx.cemi_handler.send_telegram(telegram)
            except TimeoutError:
                lost = self._xknx is None
                raise Failed("the connection was lost" if lost else "the interface did not confirm it") from None
            except (XKNXException, OSError) as error:
                raise Failed(f"not sent: {error}") from error
            finally:
                self._sending = None

    async def _connection(self, listener: Listener) -> None:
        """One connection, from its start to its loss. Raises Unavailable when it cannot be made."""
        lost = asyncio.Event()
        xknx, interface = self._build(listener, lost)
        try:
            await _start(interface)
            self._xknx = xknx
            log.info("knx connected", address=str(xknx.current_address))
            listener.connected()
            why = await self._watch(interface, lost)
            self._forget()
            log.warning("knx connection lost", why=why)
            listener.disconnected(why)
        finally:
            self._forget()
            await _close(interface)

    def _build(self, listener: Listener, lost: asyncio.Event) -> tuple[XKNX, "Interface"]:
        def changed(state: XknxConnectionState) -> None:
            if state is XknxConnectionState.DISCONNECTED:
                lost.set()

        xknx = XKNX(connection_config=self._config, connection_state_changed_cb=changed)
        xknx.cemi_handler = Handler(xknx, listener)
        xknx.knxip_interface = interface = Interface(xknx, self._config)
        return xknx, interface

    async def _watch(self, interface: "Interface", lost: asyncio.Event) -> str:
        """Waits for the end of the connection; says why it ended."""
        while not lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_S):
                    await lost.wait()
                    break
            if not await interface.alive():
                return "the interface does not answer"
        return "the interface closed the connection"

    def _forget(self) -> None:
        """Nothing goes over this connection any more: what is being sent has failed."""
        self._xknx = None
        if self._sending is not None and not self._sending.expired():
            self._sending.reschedule(asyncio.get_running_loop().time())


class Interface(KNXIPInterface):
    """xknx's, which can also be asked whether the tunnel lives."""

    __slots__ = ()

    async def alive(self) -> bool:
        """False when the interface answers no probe, or does not know our tunnel. Routing is always alive."""
        tunnel = self._interface
        if not isinstance(tunnel, UDPTunnel | TCPTunnel):
            return True
        for _ in range(PROBES):
            if tunnel.communication_channel is None:
                return False
            request = ConnectionState(tunnel.transport, tunnel.communication_channel, tunnel.local_hpai)
            request.timeout_in_seconds = PROBE_ANSWER_S
            try:
                await request.request()
            except RequestResponseError as error:
                if error.error_code is not None:
                    return False
            else:
                return True
        return False


class Handler(CEMIHandler):
    """xknx's, which hands group telegrams on at once, and takes an interface's word that the bus refused one."""

    __slots__ = ("_listener", "_refused", "_sent")

    def __init__(self, xknx: XKNX, listener: Listener) -> None:
        super().__init__(xknx)
        self._listener = listener
        self._sent: Telegram | None = None
        self._refused = False

    async def send_telegram(self, telegram: Telegram) -> None:
        self._sent, self._refused = telegram, False
        await super().send_telegram(telegram)
        if self._refused:
            raise CommunicationError("no device on the bus acknowledged it")

    def handle_cemi_frame(self, cemi: CEMIFrame) -> None:
        if cemi.code is CEMIMessageCode.L_DATA_CON and isinstance(cemi.data, CEMILData):
            if self._sent is None or cemi.data.dst_addr != self._sent.destination_address:
                return  # a late confirmation of a telegram given up before
            self._refused = cemi.data.flags.confirm_error
        super().handle_cemi_frame(cemi)

    def telegram_received(self, telegram: Telegram) -> None:
        try:
            self._listener.received(telegram)
        except Exception:
            # an exception here would close the connection
            log.exception("telegram not handled", telegram=str(telegram))


async def _start(interface: Interface) -> None:
    try:
        async with asyncio.timeout(CONNECT_S):
            await interface.start()
    except TimeoutError:
        raise Unavailable("the interface does not answer") from None
    except (XKNXException, OSError) as error:
        cause = error.__cause__ or error
        raise Unavailable(str(cause) or type(cause).__name__) from error


async def _close(interface: Interface) -> None:
    with suppress(TimeoutError, XKNXException, OSError):
        async with asyncio.timeout(CLOSE_S):
            await interface.stop()
    await asyncio.sleep(0)  # the loop closes sockets in its next round
