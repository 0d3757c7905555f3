"""An application served inside our own loop, and ended with its task."""

import asyncio
from typing import Any

import httpx
import pytest

from insula.errors import InputError
from insula.http import listen, serve


async def hello(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_it_answers_until_its_task_ends(host: str) -> None:
    sock = listen(host, 0)
    port = sock.getsockname()[1]
    ready = asyncio.Event()
    task = asyncio.create_task(serve(hello, sock, ready.set))
    async with asyncio.timeout(10):
        await ready.wait()
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).text == "hello"
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert sock.fileno() == -1


async def test_an_answer_that_does_not_end_is_cut_off_quietly(caplog: pytest.LogCaptureFixture) -> None:
    async def endless(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await hello(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await asyncio.Event().wait()

    sock = listen("127.0.0.1", 0)
    ready = asyncio.Event()
    task = asyncio.create_task(serve(endless, sock, ready.set))
    async with asyncio.timeout(10):
        await ready.wait()
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: insula\r\n\r\n")
        await reader.readuntil(b"begun")
        task.cancel()
        await asyncio.wait([task])
        await reader.read()
    writer.close()
    assert task.cancelled()
    assert [record.exc_info for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_is_a_number_of_16_bits(port: int) -> None:
    with pytest.raises(InputError, match="port must be 0-65535"):
        listen("127.0.0.1", port)


def test_a_taken_port_is_an_error_at_once() -> None:
    sock = listen("127.0.0.1", 0)
    with pytest.raises(OSError, match=r"127\.0\.0\.1:\d+: Address already in use"):
        listen("127.0.0.1", sock.getsockname()[1])
    sock.close()
