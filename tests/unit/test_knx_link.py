"""The connection to an interface that misbehaves in every way an interface can."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal

import pytest
from xknx.cemi.cemi_frame import CEMIFrame, CEMILData
from xknx.cemi.const import CEMIMessageCode
from xknx.dpt.payload import DPTBinary
from xknx.knxip import (
    HPAI,
    ConnectionStateRequest,
    ConnectionStateResponse,
    ConnectRequest,
    ConnectResponse,
    DisconnectRequest,
    DisconnectResponse,
    HostProtocol,
    KNXIPFrame,
    TunnellingRequest,
)
from xknx.knxip.body import KNXIPBody
from xknx.knxip.connect_response import ConnectResponseData
from xknx.knxip.error_code import ErrorCode
from xknx.telegram import GroupAddress, IndividualAddress, Telegram
from xknx.telegram.apci import GroupValueWrite

from insula.clock import SystemClock, settle
from insula.errors import Failed, Refused
from insula.gateways.knx import link as link_module
from insula.gateways.knx.link import KnxLink, connection_config

PATIENCE_S = 20
CHANNEL = 1
SWITCH_ON = GroupValueWrite(DPTBinary(1))


class Interface:
    """A TCP interface of one tunnel that does what a test tells it to."""

    def __init__(self) -> None:
        self.port = 0
        self.accepts: ErrorCode | None = ErrorCode.E_NO_ERROR
        """None: says nothing at all."""
        self.confirms: Literal["yes", "no", "with error", "another"] = "yes"
        self.probes: ErrorCode | None = ErrorCode.E_NO_ERROR
        self.telegrams: list[str] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._sequence = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(6)
                rest = await reader.readexactly(int.from_bytes(head[4:6], "big") - 6)
                for answer in self._answers(KNXIPFrame.from_knx(head + rest)[0].body):
                    writer.write(KNXIPFrame.init_from_body(answer).to_knx())
        self._writers.discard(writer)
        writer.close()

    def _answers(self, body: KNXIPBody) -> list[KNXIPBody]:
        if isinstance(body, ConnectRequest) and self.accepts is not None:
            data = ConnectResponseData(individual_address=IndividualAddress("1.1.100"))
            return [ConnectResponse(CHANNEL, self.accepts, HPAI(protocol=HostProtocol.IPV4_TCP), data)]
        if isinstance(body, ConnectionStateRequest) and self.probes is not None:
            return [ConnectionStateResponse(CHANNEL, self.probes)]
        if isinstance(body, DisconnectRequest):
            return [DisconnectResponse(CHANNEL)]
        if isinstance(body, TunnellingRequest):
            return self._confirmations(CEMIFrame.from_knx(body.raw_cemi))
        return []

    def _confirmations(self, cemi: CEMIFrame) -> list[KNXIPBody]:
        assert isinstance(cemi.data, CEMILData)
        self.telegrams.append(str(cemi.data.dst_addr))
        if self.confirms == "no":
            return []
        if self.confirms == "another":
            cemi.data.dst_addr = GroupAddress("9/0/9")
        cemi.data.flags.confirm_error = self.confirms == "with error"
        cemi.code = CEMIMessageCode.L_DATA_CON
        return [self._tunnelled(cemi)]

    def _tunnelled(self, cemi: CEMIFrame) -> TunnellingRequest:
        self._sequence += 1
        return TunnellingRequest(CHANNEL, self._sequence % 256, cemi.to_knx())

    def indicate(self, address: str) -> None:
        """A telegram of some device reaches every client."""
        telegram = Telegram(GroupAddress(address), payload=SWITCH_ON)
        data = CEMILData.init_from_telegram(telegram, src_addr=IndividualAddress("1.1.5"))
        body = self._tunnelled(CEMIFrame(code=CEMIMessageCode.L_DATA_IND, data=data))
        for writer in self._writers:
            writer.write(KNXIPFrame.init_from_body(body).to_knx())


class Ears:
    def __init__(self) -> None:
        self.links: list[str] = []
        self.telegrams: list[str] = []
        self.clumsy = False
        self._news = asyncio.Event()

    def connected(self) -> None:
        self.links.append("connected")
        self._news.set()

    def disconnected(self, why: str) -> None:
        self.links.append(why)
        self._news.set()

    def may_send(self) -> bool:
        return True

    def received(self, telegram: Telegram) -> None:
        self.telegrams.append(str(telegram.destination_address))
        self._news.set()
        if self.clumsy:
            raise ZeroDivisionError

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def interface() -> AsyncIterator[Interface]:
    interface = Interface()
    server = await asyncio.start_server(interface.serve, "127.0.0.1", 0)
    interface.port = server.sockets[0].getsockname()[1]
    yield interface
    server.close()
    await server.wait_closed()
    await settle()


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "BACK_OFF_S", (0.01,))
    monkeypatch.setattr(link_module, "PROBE_S", 0.02)


@asynccontextmanager
async def linked(interface: Interface) -> AsyncIterator[tuple[KnxLink, Ears]]:
    """A running link, connected or not."""
    link = KnxLink(connection_config({"host": "127.0.0.1", "port": interface.port}), SystemClock())
    ears = Ears()
    running = asyncio.create_task(link.run(ears))
    yield link, ears
    running.cancel()
    async with asyncio.timeout(PATIENCE_S):
        with suppress(asyncio.CancelledError):
            await running
    await settle()
    assert [task.get_name() for task in asyncio.all_tasks() if "heartbeat" in task.get_name()] == []


@pytest.fixture
async def connected(interface: Interface) -> AsyncIterator[tuple[KnxLink, Ears]]:
    async with linked(interface) as (link, ears):
        await ears.until(lambda: ears.links == ["connected"])
        yield link, ears


def telegram(address: str = "5/0/1") -> Telegram:
    return Telegram(GroupAddress(address), payload=SWITCH_ON)


async def test_what_the_interface_confirms_was_sent(interface: Interface, connected: tuple[KnxLink, Ears]) -> None:
    link, _ = connected
    await link.send(telegram())
    assert interface.telegrams == ["5/0/1"]
    assert str(link.address) == "1.1.100"


async def test_without_a_connection_everything_is_refused(interface: Interface) -> None:
    link = KnxLink(connection_config({"port": interface.port}), SystemClock())
    with pytest.raises(Refused, match="not connected"):
        await link.send(telegram())
    assert str(link.address) == "0.0.0"


@pytest.mark.parametrize("answer", ["no", "another"])
async def test_what_is_not_confirmed_in_time_has_failed(
    interface: Interface,
    connected: tuple[KnxLink, Ears],
    monkeypatch: pytest.MonkeyPatch,
    answer: Literal["no", "another"],
) -> None:
    monkeypatch.setattr(link_module, "SEND_S", 0.05)
    interface.confirms = answer
    with pytest.raises(Failed, match="did not confirm"):
        await connected[0].send(telegram())


async def test_what_no_device_acknowledged_has_failed(interface: Interface, connected: tuple[KnxLink, Ears]) -> None:
    interface.confirms = "with error"
    with pytest.raises(Failed, match="no device on the bus acknowledged"):
        await connected[0].send(telegram())
    interface.confirms = "yes"
    await connected[0].send(telegram("5/0/2"))
    assert interface.telegrams == ["5/0/1", "5/0/2"]


async def test_telegrams_are_sent_one_at_a_time(interface: Interface, connected: tuple[KnxLink, Ears]) -> None:
    addresses = [f"5/0/{number}" for number in range(1, 20)]
    await asyncio.gather(*(connected[0].send(telegram(address)) for address in addresses))
    assert interface.telegrams == addresses


async def test_a_tunnel_that_answers_no_probe_is_given_up(
    interface: Interface, connected: tuple[KnxLink, Ears], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "PROBE_ANSWER_S", 0.01)
    interface.probes = None
    _, ears = connected
    await ears.until(lambda: len(ears.links) == 2)
    assert ears.links[1] == "the interface does not answer"


async def test_a_tunnel_that_the_interface_does_not_know_is_given_up(
    interface: Interface, connected: tuple[KnxLink, Ears]
) -> None:
    interface.probes = ErrorCode.E_CONNECTION_ID
    _, ears = connected
    await ears.until(lambda: len(ears.links) == 2)
    interface.probes = ErrorCode.E_NO_ERROR
    await ears.until(lambda: ears.links[-1] == "connected")
    assert len(ears.links) == 3


async def test_a_command_under_way_when_the_tunnel_is_given_up_has_failed(
    interface: Interface, connected: tuple[KnxLink, Ears]
) -> None:
    interface.confirms = "no"
    interface.probes = ErrorCode.E_CONNECTION_ID
    with pytest.raises(Failed, match="the connection was lost"):
        await connected[0].send(telegram())


async def test_an_interface_without_a_free_tunnel_is_asked_again_and_told_of_once(interface: Interface) -> None:
    interface.accepts = ErrorCode.E_NO_MORE_CONNECTIONS
    async with linked(interface) as (_, ears):
        await ears.until(lambda: ears.links)
        assert "E_NO_MORE_CONNECTIONS" in ears.links[0]
        interface.accepts = ErrorCode.E_NO_ERROR
        await ears.until(lambda: ears.links[-1] == "connected")
        assert len(ears.links) == 2


async def test_an_interface_that_takes_too_long_is_asked_again(
    interface: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "CONNECT_S", 0.05)
    interface.accepts = None
    async with linked(interface) as (_, ears):
        await ears.until(lambda: ears.links)
        assert ears.links == ["the interface does not answer"]
        monkeypatch.setattr(link_module, "CONNECT_S", PATIENCE_S)
        interface.accepts = ErrorCode.E_NO_ERROR
        await ears.until(lambda: ears.links[-1] == "connected")


async def test_a_listener_that_fails_does_not_close_the_connection(
    interface: Interface, connected: tuple[KnxLink, Ears]
) -> None:
    link, ears = connected
    ears.clumsy = True
    interface.indicate("4/4/1")
    interface.indicate("4/4/2")
    await ears.until(lambda: ears.telegrams == ["4/4/1", "4/4/2"])
    await link.send(telegram())
    assert ears.links == ["connected"]


async def test_routing_reaches_everybody_in_the_group() -> None:
    options = {"connection": "routing", "local_ip": "127.0.0.1", "multicast": "224.0.23.77", "port": 13677}
    links = [KnxLink(connection_config(options), SystemClock()) for _ in range(2)]
    ears = [Ears(), Ears()]
    running = [asyncio.create_task(link.run(ear)) for link, ear in zip(links, ears, strict=True)]
    await ears[0].until(lambda: ears[0].links == ["connected"])
    await ears[1].until(lambda: ears[1].links == ["connected"])
    await links[0].send(telegram("5/0/1"))
    await ears[1].until(lambda: ears[1].telegrams)
    assert (ears[0].telegrams, ears[1].telegrams) == ([], ["5/0/1"])
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await settle()
