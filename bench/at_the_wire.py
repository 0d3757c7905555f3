"""In the running demo: from an HTTP request, and from a sensor's report, to the KNX telegram, both seen from outside.

The telegram is seen by a KNX client of its own (xknx) on a tunnel of its own; the sensor's report by a Z-Wave JS
client of its own, at the moment at which the gateway gets it too. At 5 a second, with the telegram limiter as shipped.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from xknx import XKNX
from xknx.io import ConnectionConfig, ConnectionType
from xknx.telegram import Telegram

from bench.demo_process import DemoProcess, demo, signed
from bench.machine import percentile

PACE_S = 0.2
COUNT = 200
NIGHT = "2026-01-15T03:00+01:00"
"""Nobody comes in by himself."""
WARM_UP = 8
SETTLE_S = 8.0
"""After its start the building first brings every room to what its rules want."""
BEACONS = (("17644", "12302", 1), ("17644", "31456", 2), ("30874", "43216", 10), ("30874", "10279", 11))
UUID = "b9407f30-f5f8-466e-aff9-25556b57fe6d"
SENSORS = {2: 1, 4: 2, 6: 10, 8: 11}
"""Node of the room's sensor: bloc (and number) of the room."""


def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, demo(Path(folder) / "data", "--epoch", NIGHT) as process:
        return asyncio.run(_measure(process))


async def _measure(process: DemoProcess) -> dict[str, float]:
    figures = {}
    async with _telegrams(process.knx) as seen, aiohttp.ClientSession() as session:
        for name, values in {
            "sensor_to_telegram": await _sensor_to_telegram(process, session, seen),
            "http_to_telegram": await _http_to_telegram(process, session, seen),
        }.items():
            figures[f"{name}_p50_ms"] = percentile(values, 0.5)
            figures[f"{name}_p99_ms"] = percentile(values, 0.99)
    return figures


@asynccontextmanager
async def _telegrams(port: int) -> AsyncIterator[asyncio.Queue[tuple[str, float]]]:
    """(group address, moment) of every telegram that passes."""
    queue: asyncio.Queue[tuple[str, float]] = asyncio.Queue()

    def received(telegram: Telegram) -> None:
        queue.put_nowait((str(telegram.destination_address), time.monotonic()))

    config = ConnectionConfig(
        connection_type=ConnectionType.TUNNELING_TCP, gateway_ip="127.0.0.1", gateway_port=port, local_ip="127.0.0.1"
    )
    xknx = XKNX(connection_config=config)
    xknx.telegram_queue.register_telegram_received_cb(received)
    await xknx.start()
    try:
        yield queue
    finally:
        await xknx.stop()


def _forget(seen: asyncio.Queue[tuple[str, float]]) -> None:
    """What passed before, such as a valve's cyclic repetition, answers nothing that is asked from now on."""
    while not seen.empty():
        seen.get_nowait()


async def _telegram(seen: asyncio.Queue[tuple[str, float]], address: str) -> float:
    async with asyncio.timeout(10):
        while True:
            found, moment = await seen.get()
            if found == address:
                return moment


async def _http_to_telegram(
    process: DemoProcess, session: aiohttp.ClientSession, seen: asyncio.Queue[tuple[str, float]]
) -> list[float]:
    values = []
    for index in range(COUNT):
        major, minor, bloc = BEACONS[index % 4]
        query = {"uuid": UUID, "major": major, "minor": minor, "percentage": str(20 + index % 60)}
        _forget(seen)
        began = time.monotonic()
        url = f"http://127.0.0.1:{process.http}/percentage_radiator"
        request = asyncio.create_task(_get(session, url, query))
        values.append((await _telegram(seen, f"0/4/{bloc}") - began) * 1000)
        await request
        await asyncio.sleep(max(0, PACE_S - (time.monotonic() - began)))
    return values


async def _get(session: aiohttp.ClientSession, url: str, query: dict[str, str]) -> None:
    async with session.get(url, params=query, headers=signed(url)) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{url}: {answer.status} {await answer.text()}")


async def _sensor_to_telegram(
    process: DemoProcess, session: aiohttp.ClientSession, seen: asyncio.Queue[tuple[str, float]]
) -> list[float]:
    """Motion on and off in turn: the valve goes to 90 % and back to 10 %."""
    values = []
    url = f"ws://127.0.0.1:{process.zwave}"
    async with session.ws_connect(url, max_msg_size=0) as socket:
        await _listen(socket)
        await asyncio.sleep(SETTLE_S)
        for index in range(-WARM_UP, COUNT):
            node = list(SENSORS)[index % 4]
            _forget(seen)
            began = time.monotonic()
            fault = {"fault": "sensor_reports", "node_id": node, "point": "motion", "value": 1 - (index // 4) % 2}
            post = session.post(f"http://127.0.0.1:{process.control}/world/faults", json=fault)
            report = asyncio.create_task(_report(socket, node))
            async with post as answer:
                answer.raise_for_status()
            took_ms = (await _telegram(seen, f"0/4/{SENSORS[node]}") - await report) * 1000
            if index >= 0:
                values.append(took_ms)
            await asyncio.sleep(max(0, PACE_S - (time.monotonic() - began)))
    return values


async def _listen(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.receive()
    await socket.send_json({"command": "initialize", "messageId": "1", "schemaVersion": 35})
    await socket.send_json({"command": "start_listening", "messageId": "2"})
    while json.loads((await socket.receive()).data).get("messageId") != "2":
        pass


async def _report(socket: aiohttp.ClientWebSocketResponse, node: int) -> float:
    async with asyncio.timeout(10):
        while True:
            message: dict[str, Any] = json.loads((await socket.receive()).data)
            event = message.get("event", {})
            if (event.get("event"), event.get("nodeId")) == ("value updated", node) and _is_motion(event["args"]):
                return time.monotonic()


def _is_motion(value: dict[str, Any]) -> bool:
    return value["commandClass"] == 113 and value.get("propertyKey") == "Motion sensor status"
