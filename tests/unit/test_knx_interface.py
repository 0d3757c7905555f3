"""The KNXnet/IP interface against xknx's own client, and against clients that send raw frames."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xknx import XKNX
from xknx.core import XknxConnectionState
from xknx.dpt import DPTArray
from xknx.io import ConnectionConfig, ConnectionType
from xknx.io.self_description import request_description
from xknx.knxip import (
    HPAI,
    SRP,
    ConnectionStateRequest,
    ConnectRequest,
    DescriptionRequest,
    DisconnectRequest,
    DisconnectResponse,
    HostProtocol,
    KNXIPFrame,
    SearchRequest,
    SearchRequestExtended,
    TunnellingAck,
    TunnellingRequest,
)
from xknx.knxip.body import KNXIPBody
from xknx.knxip.connect_request import ConnectRequestInformation
from xknx.knxip.connect_response import ConnectResponse
from xknx.knxip.dib import DIBTunnelingInfo
from xknx.knxip.error_code import ErrorCode
from xknx.knxip.knxip_enum import ConnectRequestType, DIBServiceFamily, TunnellingLayer
from xknx.telegram import GroupAddress, IndividualAddress, Telegram
from xknx.telegram.apci import GroupValueRead, GroupValueWrite

from insula.clock import settle
from insula.errors import InputError, Unavailable
from insula.simulator import knx_channel, knx_sockets, knx_tunnels
from insula.simulator.knx_channel import Pace
from insula.simulator.knx_frames import frame, indication, parse, request, split
from insula.simulator.knx_interface import KnxInterface
from insula.simulator.knx_sockets import open_pair

T = TypeVar("T")
HOST = "127.0.0.1"
WAIT_S = 10
TCP, UDP = ConnectionType.TUNNELING_TCP, ConnectionType.TUNNELING
TCP_HERE, UDP_HERE = HPAI(protocol=HostProtocol.IPV4_TCP), HPAI()

WISH = ConnectRequestInformation
BLIND_40 = bytes.fromhex("1100bce00000230102008066")
"""L_DATA.req from 0.0.0 to 4/3/1: write 40 %."""


@pytest.fixture
async def interface() -> AsyncIterator[KnxInterface]:
    interface = KnxInterface(HOST, 0, tunnels=3)
    await interface.start()
    yield interface
    await interface.stop()
    await settle()


@asynccontextmanager
async def client(interface: KnxInterface, kind: ConnectionType) -> AsyncIterator[XKNX]:
    config = ConnectionConfig(
        connection_type=kind,
        gateway_ip=HOST,
        gateway_port=interface.port,
        local_ip=HOST if kind is UDP else None,
        auto_reconnect_wait=0,
    )
    async with XKNX(connection_config=config) as xknx:
        yield xknx


def received(xknx: XKNX) -> asyncio.Queue[Telegram]:
    queue: asyncio.Queue[Telegram] = asyncio.Queue()
    xknx.telegram_queue.register_telegram_received_cb(queue.put_nowait)
    return queue


def heard(interface: KnxInterface) -> asyncio.Queue[Telegram]:
    queue: asyncio.Queue[Telegram] = asyncio.Queue()
    interface.on_telegram(queue.put_nowait)
    return queue


async def next_of(queue: asyncio.Queue[T]) -> T:
    async with asyncio.timeout(WAIT_S):
        return await queue.get()


def write(address: str, *octets: int) -> Telegram:
    return Telegram(GroupAddress(address), payload=GroupValueWrite(DPTArray(octets)))


class RawClient(asyncio.DatagramProtocol):
    """A UDP client that does exactly what a test says; it acknowledges nothing by itself."""

    def __init__(self) -> None:
        self.bodies: asyncio.Queue[KNXIPBody] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.bodies.put_nowait(KNXIPFrame.from_knx(data)[0].body)

    def send(self, body: KNXIPBody) -> None:
        self.transport.sendto(frame(body))

    async def ask(self, body: KNXIPBody) -> KNXIPBody:
        self.send(body)
        return await next_of(self.bodies)


@asynccontextmanager
async def udp(interface: KnxInterface) -> AsyncIterator[RawClient]:
    transport, raw = await asyncio.get_running_loop().create_datagram_endpoint(
        RawClient, remote_addr=(HOST, interface.port)
    )
    yield raw
    transport.close()


class RawStream:
    """A TCP client that does exactly what a test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def next(self) -> KNXIPBody:
        async with asyncio.timeout(WAIT_S):
            head = await self.reader.readexactly(6)
            rest = await self.reader.readexactly(int.from_bytes(head[4:6], "big") - 6)
        return KNXIPFrame.from_knx(head + rest)[0].body

    async def ask(self, body: KNXIPBody) -> KNXIPBody:
        self.writer.write(frame(body))
        return await self.next()


@asynccontextmanager
async def tcp(interface: KnxInterface) -> AsyncIterator[RawStream]:
    reader, writer = await asyncio.open_connection(HOST, interface.port)
    yield RawStream(reader, writer)
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)  # a reset is no fault here


async def connect(raw: RawClient | RawStream, here: HPAI = UDP_HERE) -> int:
    """Open a tunnel; its number."""
    response = await raw.ask(ConnectRequest(here, here))
    assert isinstance(response, ConnectResponse)
    assert response.status_code is ErrorCode.E_NO_ERROR
    return response.communication_channel


class TestXknxClient:
    """Against the client that the KNX gateway uses."""

    @pytest.mark.parametrize("kind", [TCP, UDP])
    async def test_a_write_is_confirmed_and_indicated(self, interface: KnxInterface, kind: ConnectionType) -> None:
        on_bus = heard(interface)
        async with client(interface, kind) as sender, client(interface, kind) as other:
            others, own = received(other), received(sender)
            await sender.cemi_handler.send_telegram(write("3/4/1", 102))
            telegram = await next_of(others)
            assert (str(telegram.destination_address), str(telegram.source_address)) == ("3/4/1", "1.1.100")
            assert telegram.payload == GroupValueWrite(DPTArray(102))
            assert (await next_of(on_bus)).payload == telegram.payload
            interface.send("1/1/1", GroupValueRead(), "1.1.5")
            assert str((await next_of(own)).destination_address) == "1/1/1", "its own telegram came back to the sender"

    @pytest.mark.parametrize("kind", [TCP, UDP])
    async def test_writes_keep_their_order(self, interface: KnxInterface, kind: ConnectionType) -> None:
        on_bus = heard(interface)
        async with client(interface, kind) as sender:
            for number in range(300):
                await sender.cemi_handler.send_telegram(write("3/4/1", number & 0xFF))
        got = [(await next_of(on_bus)).payload for _ in range(300)]
        assert got == [GroupValueWrite(DPTArray(number & 0xFF)) for number in range(300)]

    @pytest.mark.parametrize("kind", [TCP, UDP])
    async def test_a_device_is_heard_by_every_tunnel(self, interface: KnxInterface, kind: ConnectionType) -> None:
        async with client(interface, kind) as one, client(interface, TCP) as two:
            queues = [received(one), received(two)]
            interface.send("4/4/1", GroupValueWrite(DPTArray(0)), "1.1.7")
            for queue in queues:
                telegram = await next_of(queue)
                assert (str(telegram.source_address), str(telegram.destination_address)) == ("1.1.7", "4/4/1")
        assert interface.counters.sent == 1

    async def test_a_burst_of_3000_frames_arrives_whole(self, interface: KnxInterface) -> None:
        async with client(interface, TCP) as xknx:
            queue = received(xknx)
            for number in range(3000):
                interface.send("4/4/1", GroupValueWrite(DPTArray(divmod(number, 256))), "1.1.7")
            for number in range(3000):
                assert (await next_of(queue)).payload == GroupValueWrite(DPTArray(divmod(number, 256)))

    async def test_is_back_after_a_cut(self, interface: KnxInterface) -> None:
        states: asyncio.Queue[XknxConnectionState] = asyncio.Queue()
        async with client(interface, TCP) as xknx:
            xknx.connection_manager.register_connection_state_changed_cb(states.put_nowait)
            interface.cut()
            assert await next_of(states) is XknxConnectionState.DISCONNECTED
            assert interface.clients == 0
            interface.restore()
            while await next_of(states) is not XknxConnectionState.CONNECTED:
                """It tries."""
            on_bus = heard(interface)
            await xknx.cemi_handler.send_telegram(write("3/4/1", 1))
            assert str((await next_of(on_bus)).destination_address) == "3/4/1"

    async def test_is_back_after_a_restart_on_the_same_port(self, interface: KnxInterface) -> None:
        port = interface.port
        states: asyncio.Queue[XknxConnectionState] = asyncio.Queue()
        async with client(interface, TCP) as xknx:
            xknx.connection_manager.register_connection_state_changed_cb(states.put_nowait)
            await interface.stop()
            assert await next_of(states) is XknxConnectionState.DISCONNECTED
            await interface.start()
            while await next_of(states) is not XknxConnectionState.CONNECTED:
                """It tries."""
        assert interface.port == port

    async def test_describes_itself(self, interface: KnxInterface) -> None:
        gateway = await request_description(HOST, interface.port, local_ip=HOST)
        assert gateway.name == "Insula simulated building"
        assert str(gateway.individual_address) == "1.1.0"
        assert gateway.supports_tunnelling_tcp
        assert not gateway.supports_secure
        assert [str(address) for address in gateway.tunnelling_slots] == ["1.1.100", "1.1.101", "1.1.102"]


class TestDiscovery:
    async def test_a_search_is_answered_where_it_asks(self, interface: KnxInterface) -> None:
        async with udp(interface) as asker, udp(interface) as listener:
            here = HPAI(*listener.transport.get_extra_info("sockname"))
            asker.send(SearchRequest(discovery_endpoint=here))
            found = await next_of(listener.bodies)
        assert found.device_name == "Insula simulated building"
        assert found.control_endpoint == HPAI(HOST, interface.port)

    async def test_an_extended_search_tells_the_free_tunnels(self, interface: KnxInterface) -> None:
        async with udp(interface) as raw:
            await connect(raw)
            found = await raw.ask(SearchRequestExtended(discovery_endpoint=UDP_HERE))
        (info,) = [dib for dib in found.dibs if isinstance(dib, DIBTunnelingInfo)]
        assert [slot.free for slot in info.slots.values()] == [False, True, True]

    async def test_an_extended_search_for_others_is_not_answered(self, interface: KnxInterface) -> None:
        others = [
            SRP.with_programming_mode(),
            SRP.with_mac_address(bytes(6)),
            SRP.with_service(DIBServiceFamily.CORE, 3),
            SRP.with_service(DIBServiceFamily.ROUTING, 1),
        ]
        ours = [
            SRP.with_mac_address(bytes.fromhex("020000000001")),
            SRP.with_service(DIBServiceFamily.TUNNELING, 2),
        ]
        async with udp(interface) as raw:
            for srp in others:
                raw.send(SearchRequestExtended(UDP_HERE, srps=[srp]))
            found = await raw.ask(SearchRequestExtended(UDP_HERE, srps=ours))
            await settle()
            assert raw.bodies.empty()
        assert found.control_endpoint.port == interface.port

    async def test_without_multicast_it_works_all_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(knx_sockets, "DISCOVERY", (HOST, 1))
        interface = KnxInterface("localhost", 0, discoverable=True)
        await interface.start()
        async with udp(interface) as raw:
            found = await raw.ask(SearchRequest(UDP_HERE))
        assert found.control_endpoint == HPAI(HOST, interface.port)
        await interface.stop()
        await settle()

    async def test_describes_itself_over_tcp(self, interface: KnxInterface) -> None:
        async with tcp(interface) as raw:
            described = await raw.ask(DescriptionRequest(TCP_HERE))
        assert len(described.dibs) == 2


class TestTunnels:
    async def test_source_0_becomes_the_tunnels_address(self, interface: KnxInterface) -> None:
        on_bus = heard(interface)
        async with tcp(interface) as raw:
            channel = await connect(raw, TCP_HERE)
            confirmation = await raw.ask(TunnellingRequest(channel, 0, BLIND_40))
        assert confirmation.raw_cemi.hex() == "2e00bce01164230102008066"
        assert str((await next_of(on_bus)).source_address) == "1.1.100"

    async def test_another_source_is_kept(self, interface: KnxInterface) -> None:
        on_bus = heard(interface)
        async with tcp(interface) as raw:
            channel = await connect(raw, TCP_HERE)
            await raw.ask(TunnellingRequest(channel, 0, BLIND_40[:4] + b"\x11\xc8" + BLIND_40[6:]))
        assert str((await next_of(on_bus)).source_address) == "1.1.200"

    async def test_no_more_than_there_are(self, interface: KnxInterface) -> None:
        async with tcp(interface) as raw:
            assert [await connect(raw, TCP_HERE) for _ in range(3)] == [1, 2, 3]
            refused = await raw.ask(ConnectRequest(TCP_HERE, TCP_HERE))
            assert refused.status_code is ErrorCode.E_NO_MORE_CONNECTIONS
            await raw.ask(DisconnectRequest(2, TCP_HERE))
            assert await connect(raw, TCP_HERE) == 2

    @pytest.mark.parametrize(
        ("wish", "error"),
        [
            (WISH(ConnectRequestType.DEVICE_MGMT_CONNECTION), ErrorCode.E_CONNECTION_TYPE),
            (WISH(knx_layer=TunnellingLayer.BUSMONITOR_LAYER), ErrorCode.E_TUNNELLING_LAYER),
            (
                ConnectRequestInformation(individual_address=IndividualAddress("1.1.9")),
                ErrorCode.E_NO_TUNNELLING_ADDRESS,
            ),
            (WISH(individual_address=IndividualAddress("1.1.100")), ErrorCode.E_CONNECTION_IN_USE),
            (WISH(individual_address=IndividualAddress("1.1.102")), ErrorCode.E_NO_ERROR),
        ],
    )
    async def test_a_wish_is_checked(
        self, interface: KnxInterface, wish: ConnectRequestInformation, error: ErrorCode
    ) -> None:
        async with tcp(interface) as raw:
            await connect(raw, TCP_HERE)
            response = await raw.ask(ConnectRequest(TCP_HERE, TCP_HERE, wish))
        assert response.status_code is error

    async def test_endpoints_of_the_other_protocol_are_refused(self, interface: KnxInterface) -> None:
        async with tcp(interface) as raw:
            response = await raw.ask(ConnectRequest(UDP_HERE, UDP_HERE))
        assert response.status_code is ErrorCode.E_HOST_PROTOCOL_TYPE

    async def test_unknown_channels(self, interface: KnxInterface) -> None:
        async with tcp(interface) as one, tcp(interface) as two, udp(interface) as three:
            channel = await connect(one, TCP_HERE)
            for raw, here in ((two, TCP_HERE), (three, UDP_HERE)):
                state = await raw.ask(ConnectionStateRequest(channel, here))
                assert state.status_code is ErrorCode.E_CONNECTION_ID
                ended = await raw.ask(DisconnectRequest(channel, here))
                assert ended.status_code is ErrorCode.E_CONNECTION_ID
            state = await one.ask(ConnectionStateRequest(channel, TCP_HERE))
            assert state.status_code is ErrorCode.E_NO_ERROR
            ended = await one.ask(DisconnectRequest(channel, TCP_HERE))
            assert ended.status_code is ErrorCode.E_NO_ERROR
        assert interface.clients == 0

    async def test_a_closed_connection_frees_its_tunnels(self, interface: KnxInterface) -> None:
        async with tcp(interface) as raw:
            await connect(raw, TCP_HERE)
            assert interface.clients == 1
        await settle()
        assert interface.clients == 0

    async def test_other_cemi_messages_are_passed_over(self, interface: KnxInterface) -> None:
        async with tcp(interface) as raw:
            channel = await connect(raw, TCP_HERE)
            raw.writer.write(frame(TunnellingRequest(channel, 0, bytes.fromhex("fc000001013c1001"))))
            raw.writer.write(frame(DisconnectResponse(channel)))
            confirmation = await raw.ask(TunnellingRequest(channel, 1, BLIND_40))
        assert confirmation.raw_cemi[0] == 0x2E
        assert (interface.counters.received, interface.counters.malformed) == (1, 0)

    async def test_services_that_xknx_does_not_know_are_relayed(self, interface: KnxInterface) -> None:
        on_bus = heard(interface)
        unknown = bytes.fromhex("1100bce0000023010102c3")
        async with tcp(interface) as raw:
            channel = await connect(raw, TCP_HERE)
            answer = await raw.ask(TunnellingRequest(channel, 0, unknown))
        assert answer.raw_cemi[0] == 0x2E
        assert on_bus.empty()

    async def test_individual_addresses_are_no_device_of_ours(self, interface: KnxInterface) -> None:
        on_bus = heard(interface)
        to_device = bytes.fromhex("1100b0600000110500" + "80")
        async with tcp(interface) as raw:
            channel = await connect(raw, TCP_HERE)
            answer = await raw.ask(TunnellingRequest(channel, 0, to_device))
        assert answer.raw_cemi[0] == 0x2E
        assert on_bus.empty()

    async def test_a_failing_device_stops_nobody(self, interface: KnxInterface) -> None:
        def fail(_: Telegram) -> None:
            raise RuntimeError("broken device")

        end = interface.on_telegram(fail)
        on_bus = heard(interface)
        async with tcp(interface) as raw:
            channel = await connect(raw, TCP_HERE)
            await raw.ask(TunnellingRequest(channel, 0, BLIND_40))
            assert str((await next_of(on_bus)).destination_address) == "4/3/1"
            end()
            await raw.ask(TunnellingRequest(channel, 1, BLIND_40))
        assert interface.counters.received == 2


class TestAcknowledgement:
    """UDP: a counter each way, an acknowledgement a frame, one repetition."""

    async def test_repeated_once_then_given_up(self) -> None:
        interface = KnxInterface(HOST, 0, ack_timeout_s=0.05)
        await interface.start()
        async with udp(interface) as raw:
            channel = await connect(raw)
            interface.send("4/4/1", GroupValueWrite(DPTArray(0)), "1.1.7")
            bodies = [await next_of(raw.bodies) for _ in range(3)]
        assert [type(body) for body in bodies] == [TunnellingRequest, TunnellingRequest, DisconnectRequest]
        assert bodies[0].to_knx() == bodies[1].to_knx()
        assert bodies[2].communication_channel_id == channel
        assert (interface.clients, interface.lost) == (0, 1)
        await interface.stop()

    async def test_the_next_frame_waits_for_it(self) -> None:
        interface = KnxInterface(HOST, 0, ack_timeout_s=WAIT_S)
        await interface.start()
        async with udp(interface) as raw:
            channel = await connect(raw)
            for number in range(2):
                interface.send("4/4/1", GroupValueWrite(DPTArray(number)), "1.1.7")
            first = await next_of(raw.bodies)
            raw.send(TunnellingAck(channel, 77))
            raw.send(TunnellingAck(channel, 0, ErrorCode.E_SEQUENCE_NUMBER))
            raw.send(TunnellingAck(99, 0))
            state = await raw.ask(ConnectionStateRequest(channel, UDP_HERE))
            assert state.status_code is ErrorCode.E_NO_ERROR, "no second frame came before"
            second = await raw.ask(TunnellingAck(channel, 0))
        assert (first.sequence_counter, second.sequence_counter) == (0, 1)
        await interface.stop()

    async def test_counters_wrap(self, interface: KnxInterface) -> None:
        async with udp(interface) as raw:
            channel = await connect(raw)
            for number in range(260):
                interface.send("4/4/1", GroupValueWrite(DPTArray(1)), "1.1.7")
                body = await next_of(raw.bodies)
                assert body.sequence_counter == number & 0xFF
                raw.send(TunnellingAck(channel, body.sequence_counter))
        assert interface.lost == 0

    async def test_a_repetition_is_acknowledged_and_not_done_twice(self, interface: KnxInterface) -> None:
        async with udp(interface) as raw:
            channel = await connect(raw)
            ack = await raw.ask(TunnellingRequest(channel, 0, BLIND_40))
            confirmation = await next_of(raw.bodies)
            raw.send(TunnellingAck(channel, confirmation.sequence_counter))
            again = await raw.ask(TunnellingRequest(channel, 0, BLIND_40))
            raw.send(TunnellingRequest(channel, 9, BLIND_40))
            state = await raw.ask(ConnectionStateRequest(channel, UDP_HERE))
        assert isinstance(ack, TunnellingAck)
        assert isinstance(again, TunnellingAck)
        assert state.status_code is ErrorCode.E_NO_ERROR, "one out of order is not answered"
        assert interface.counters.received == 1

    async def test_who_is_not_heard_for_long_is_given_up(
        self, interface: KnxInterface, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with udp(interface) as silent, tcp(interface) as other:
            channel = await connect(silent)
            await connect(other, TCP_HERE)
            monkeypatch.setattr(knx_tunnels, "ALIVE_S", -1.0)
            interface._tunnels.lose_silent()
            body = await next_of(silent.bodies)
        assert isinstance(body, DisconnectRequest)
        assert body.communication_channel_id == channel
        assert interface.lost == 1


class TestFlow:
    async def test_a_client_that_does_not_read_is_given_up(
        self, interface: KnxInterface, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(knx_channel, "QUEUE_LIMIT", 200)
        async with tcp(interface) as raw:
            await connect(raw, TCP_HERE)
            for number in range(400):
                interface.send("4/4/1", GroupValueWrite(DPTArray(number & 0xFF)), "1.1.7")
            assert isinstance(await raw.next(), DisconnectRequest)
        assert interface.lost == 1

    async def test_a_burst_passes_then_frames_wait(self) -> None:
        pace = Pace(per_s=1e-6, burst=5)
        passed: list[int] = []

        async def sender() -> None:
            for number in range(10):
                await pace.take()
                passed.append(number)

        task = asyncio.create_task(sender())
        await settle()
        assert passed == [0, 1, 2, 3, 4]
        task.cancel()
        assert (await asyncio.gather(task, return_exceptions=True)) != []

    async def test_frames_may_come_in_pieces_or_together(self, interface: KnxInterface) -> None:
        async with tcp(interface) as raw:
            channel = await connect(raw, TCP_HERE)
            data = b"".join(frame(TunnellingRequest(channel, number, BLIND_40)) for number in range(3))
            for octet in data:
                raw.writer.write(bytes([octet]))
                await raw.writer.drain()
            pieces = [(await raw.next()).raw_cemi for _ in range(3)]
            raw.writer.write(data)
            together = [(await raw.next()).raw_cemi for _ in range(3)]
        assert pieces == together
        assert interface.counters.malformed == 0


class TestCut:
    async def test_nobody_gets_an_answer(self, interface: KnxInterface) -> None:
        async with udp(interface) as raw, tcp(interface) as stream:
            channel = await connect(raw)
            await connect(stream, TCP_HERE)
            interface.cut()
            raw.send(ConnectionStateRequest(channel, UDP_HERE))
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await stream.next()
            with pytest.raises(OSError, match=r"refused|Connect call failed"):
                await asyncio.open_connection(HOST, interface.port)
            interface.restore()
            interface.restore()
            state = await raw.ask(ConnectionStateRequest(channel, UDP_HERE))
            assert state.status_code is ErrorCode.E_CONNECTION_ID, "an answer of after the cut"
            assert raw.bodies.empty()
        async with tcp(interface) as again:
            assert await connect(again, TCP_HERE) == 1

    async def test_cut_and_restored_many_times_at_once(self, interface: KnxInterface) -> None:
        for _ in range(5):
            interface.cut()
            interface.restore()
        async with tcp(interface) as raw:
            assert await connect(raw, TCP_HERE) == 1

    async def test_restored_as_soon_as_the_port_is_free(self, interface: KnxInterface) -> None:
        interface.cut()
        await settle()
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind((HOST, interface.port))
            thief.listen()
            interface.restore()
            await settle()
        async with asyncio.timeout(WAIT_S):
            serving = interface._listener._serving
            assert serving is not None
            await serving
        async with tcp(interface) as raw:
            assert await connect(raw, TCP_HERE) == 1

    async def test_a_stopped_interface_that_was_cut(self, interface: KnxInterface) -> None:
        interface.cut()
        await interface.stop()
        await interface.start()
        async with tcp(interface) as raw:
            assert await connect(raw, TCP_HERE) == 1

    async def test_a_taken_port(self, interface: KnxInterface) -> None:
        with pytest.raises(Unavailable, match=f"127.0.0.1:{interface.port}"):
            await KnxInterface(HOST, interface.port).start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind((HOST, 0))
            with pytest.raises(Unavailable, match="UDP"):
                open_pair(HOST, taken.getsockname()[1])


services = st.sampled_from([0x0201, 0x0203, 0x0205, 0x0207, 0x0209, 0x020A, 0x020B, 0x0420, 0x0421, 0x0202, 0x0999])


def framed(service: int, body: bytes) -> bytes:
    return b"\x06\x10" + service.to_bytes(2, "big") + (6 + len(body)).to_bytes(2, "big") + body


def tunnelled(cemi: bytes) -> bytes:
    return frame(TunnellingRequest(1, 0, cemi))


frames = (
    st.binary(max_size=40)
    | st.builds(framed, services, st.binary(max_size=40))
    | st.builds(tunnelled, st.binary(max_size=30).map(lambda tail: b"\x11" + tail))
)


class TestMalformed:
    @given(st.binary(max_size=60))
    def test_cemi_is_understood_or_an_input_error(self, cemi: bytes) -> None:
        for raw in (cemi, b"\x11" + cemi, b"\x11\x00" + cemi):
            try:
                understood = request(raw, IndividualAddress("1.1.100"))
            except InputError:
                continue
            assert understood is None or understood.confirmation[0] == 0x2E

    @given(frames)
    def test_a_frame_is_parsed_or_an_input_error(self, data: bytes) -> None:
        try:
            body = parse(data)
        except InputError:
            return
        assert isinstance(body, KNXIPBody)

    @given(st.lists(st.builds(framed, services, st.binary(max_size=20)), max_size=5), st.integers(1, 9))
    def test_a_stream_is_split_at_its_frames(self, whole: list[bytes], piece: int) -> None:
        buffer, got = bytearray(), []
        stream = b"".join(whole)
        for start in range(0, len(stream), piece):
            buffer += stream[start : start + piece]
            got += split(buffer)
        assert got == whole
        assert not buffer

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(frames, min_size=1, max_size=10), st.booleans())
    def test_the_interface_goes_on(self, rubbish: list[bytes], with_tunnel: bool) -> None:
        asyncio.run(self._feed(rubbish, with_tunnel))

    async def _feed(self, rubbish: list[bytes], with_tunnel: bool) -> None:
        interface = KnxInterface(HOST, 0, ack_timeout_s=0.01)
        await interface.start()
        async with tcp(interface) as stream, udp(interface) as raw:
            if with_tunnel:
                await connect(stream, TCP_HERE)
            for data in rubbish:
                raw.transport.sendto(data)
                stream.writer.write(data)
                await asyncio.sleep(0)
            async with tcp(interface) as good:
                channel = await connect(good, TCP_HERE)
                confirmation = await good.ask(TunnellingRequest(channel, 0, BLIND_40))
                while not isinstance(confirmation, TunnellingRequest) or confirmation.raw_cemi[0] != 0x2E:
                    confirmation = await good.next()
        await interface.stop()
        await settle()

    async def test_is_counted_and_ignored(self, interface: KnxInterface) -> None:
        async with tcp(interface) as raw, udp(interface) as datagrams:
            channel = await connect(raw, TCP_HERE)
            raw.writer.write(framed(0x0999, b"x"))
            raw.writer.write(tunnelled(b"\x11\x00\xbc"))
            raw.writer.write(tunnelled(BLIND_40[:8] + b"\x09" + BLIND_40[9:]))
            confirmation = await raw.ask(TunnellingRequest(channel, 0, BLIND_40))
            assert confirmation.raw_cemi[0] == 0x2E
            assert interface.counters.malformed == 3
            raw.writer.write(b"GET / HTTP/1.1\r\n\r\n")
            datagrams.transport.sendto(b"hello")
            await datagrams.ask(DescriptionRequest(UDP_HERE))
            await raw.writer.drain()
        assert interface.counters.malformed >= 4


def test_an_indication_is_what_a_client_expects() -> None:
    cemi = indication("4/3/1", GroupValueWrite(DPTArray(0x66)), "1.1.7")
    assert cemi.hex() == "2900bce01107230102008066"
