"""The connection to a Z-Wave JS server, with servers that misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from insula.clock import ManualClock
from insula.errors import Unavailable
from insula.gateways.zwave import link
from insula.gateways.zwave.link import Connection, WrongVersion, _answers, connect, keep
from insula.simulator.zwave_nodes import Json
from insula.simulator.zwave_server import ZwaveServer
from insula.simulator.zwave_sockets import Socket

PATIENCE_S = 20
VERSION = {
    "type": "version",
    "driverVersion": "15",
    "serverVersion": "3",
    "homeId": 1,
    "minSchemaVersion": 0,
    "maxSchemaVersion": 50,
}
Say = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def serving(say: Say) -> AsyncIterator[str]:
    """The address of a server that says just that, and closes."""

    async def accept(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(timeout=0.1)
        await ws.prepare(request)
        await say(ws)
        return ws

    app = web.Application()
    app.router.add_get("/", accept)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def nothing(ws: web.WebSocketResponse) -> None:
    await ws.close()


async def silence(ws: web.WebSocketResponse) -> None:
    await ws.receive()


async def garbage(ws: web.WebSocketResponse) -> None:
    await ws.send_str("{")
    await ws.receive()


async def binary(ws: web.WebSocketResponse) -> None:
    await ws.send_bytes(b"\x00")
    await ws.receive()


async def version_only(ws: web.WebSocketResponse) -> None:
    await ws.send_json(VERSION)
    await ws.close()


async def refusal(ws: web.WebSocketResponse) -> None:
    await ws.send_json(VERSION)
    message = json.loads((await ws.receive()).data)
    answer = {"type": "result", "success": False, "errorCode": "schema_incompatible", "message": "no"}
    await ws.send_json({**answer, "messageId": message["messageId"]})
    await ws.receive()


async def no_version(ws: web.WebSocketResponse) -> None:
    await ws.send_json({"type": "event"})
    await ws.receive()


@pytest.mark.parametrize("say", [nothing, garbage, binary, version_only, refusal])
async def test_a_server_that_does_not_speak_properly_is_unavailable(say: Say) -> None:
    async with serving(say) as url:
        with pytest.raises(Unavailable) as told:
            async with connect(url):
                pass
    assert str(told.value)


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CONNECT_S", 0.05)
    async with serving(silence) as url:
        with pytest.raises(Unavailable, match="no answer"):
            async with connect(url):
                pass


async def test_a_server_of_another_version_is_told_apart() -> None:
    server = ZwaveServer(port=0)
    server.max_schema = 2
    await server.start()
    with pytest.raises(WrongVersion, match="incompatible"):
        async with connect(server.url):
            pass
    await server.stop()


async def test_a_fault_in_what_a_server_says_ends_no_gateway(clock: ManualClock) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()

    async def serve(connection: Connection) -> None:
        raise AssertionError("nobody is connected")

    async with serving(no_version) as url:
        task = asyncio.create_task(keep(url, clock, serve, told.put_nowait))
        async with asyncio.timeout(PATIENCE_S):
            first = await told.get()
            await clock.advance(max(link.BACKOFF_S))
            assert await told.get() == first
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert first.startswith("KeyError")


async def test_a_fault_of_ours_is_told_and_tried_again(clock: ManualClock) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    server = ZwaveServer(port=0)
    await server.start()

    async def serve(connection: Connection) -> None:
        raise ValueError("ours")

    task = asyncio.create_task(keep(server.url, clock, serve, told.put_nowait))
    async with asyncio.timeout(PATIENCE_S):
        assert await told.get() == "ValueError: ours"
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await server.stop()


async def test_a_frame_that_nobody_can_read_ends_the_connection(clock: ManualClock) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    server = ZwaveServer(port=0)
    await server.start()

    async def serve(connection: Connection) -> None:
        for socket in server._sockets:
            socket.send_text("{")
        await asyncio.Event().wait()

    task = asyncio.create_task(keep(server.url, clock, serve, told.put_nowait))
    async with asyncio.timeout(PATIENCE_S):
        assert "JSON" in await told.get()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await server.stop()


async def test_the_block_ends_in_time_even_if_the_server_says_no_goodbye() -> None:
    server = ZwaveServer(port=0)
    await server.start()
    async with asyncio.timeout(PATIENCE_S):
        async with connect(server.url) as connection:
            for socket in server._sockets:
                transport = socket._request.transport
                assert transport is not None
                transport.pause_reading()
        assert connection.lost.done()
    await server.stop()


class Freezing(ZwaveServer):
    """A server that can stop answering, though its connections stand: as one under SIGSTOP."""

    def __init__(self) -> None:
        super().__init__(port=0)
        self.asked = 0
        self.frozen = False

    async def _handle(self, socket: Socket, message: Json) -> None:
        self.asked += message["command"] == "driver.get_log_config"
        if not self.frozen:
            await super()._handle(socket, message)


async def test_a_frozen_server_is_noticed(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "PROBE_ANSWER_S", 0.05)
    server = Freezing()
    await server.start()
    told: asyncio.Queue[str] = asyncio.Queue()

    async def serve(connection: Connection) -> None:
        server.frozen = True
        await asyncio.Event().wait()

    task = asyncio.create_task(keep(server.url, clock, serve, told.put_nowait))
    async with asyncio.timeout(PATIENCE_S):
        assert await told.get() == "the server does not answer"
    assert server.asked == 1 + link.PROBES, "the library asks once at its start"
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await server.stop()


async def test_a_server_that_answers_with_an_error_is_not_lost(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PROBE_ANSWER_S", PATIENCE_S)
    server = ZwaveServer(port=0)
    await server.start()
    async with connect(server.url) as connection:
        assert await _answers(connection.driver)
        monkeypatch.setattr(server, "_state", {})
        assert await _answers(connection.driver), "an error is an answer too"
    await server.stop()
