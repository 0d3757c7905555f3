"""One API process over a database with so many rows in Log, or a bare Litestar route under the same server.

``python -m bench.latest_server FOLDER ROWS`` (``bare``: no rows, no Insula) says its port, and its token, in a line.
"""

import asyncio
import json
import sqlite3
import sys
from itertools import product
from pathlib import Path
from typing import Any

import uvloop
from litestar import Litestar, get

from insula.access.rights import Place, Right
from insula.access.secret import TOKEN, digest, new_secret
from insula.api.app import Api, create_api
from insula.building.demo import demo_plan
from insula.building.rules import load_ruleset
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import Clock, SystemClock
from insula.directory.directory import Directory
from insula.garbage import search_seldom
from insula.http import listen, serve
from insula.messages import Reading
from insula.store.accounts import add_account
from insula.store.building import import_plan
from insula.store.engine import Store
from insula.store.permissions import grant, rights_changed
from insula.store.sessions import TokenRow, add_token

ROOMS = 100
SENSED = ("temperature", "humidity", "luminance")
"""Reasons in Log."""
STEP_MS = 60_000
FILL = """
INSERT INTO Log (device, reason, timestamp, value)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
SELECT ?, ?, ? - i * ?, 20 + (i * 7 % 50) / 10.0 FROM n ORDER BY i DESC
"""


async def _insula(folder: Path, rows: int) -> None:
    clock, store = SystemClock(), Store(f"sqlite:///{folder / 'insula.db'}")
    await store.start()
    await import_plan(store, demo_plan(ROOMS))
    channel = Channel(MemoryBus(clock), DeviceIndex())
    await channel.bus.start()
    api = create_api(channel, store, clock)
    token = await _token(store, clock)
    await api.places.load()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(channel.follow_devices())
        tasks.create_task(api.run())
        tasks.create_task(Directory(channel, store, clock, rules=load_ruleset).run())
        await channel.devices.complete()
        await asyncio.to_thread(_fill, folder / "insula.db", await _sensors(channel), rows, clock.now())
        await _measured(channel, api, clock)
        search_seldom()  # as `insula run` does
        await _serve(api.asgi, {"token": token, "beacons": _beacons(api)})


async def _token(store: Store, clock: Clock) -> str:
    """Of somebody who may see the building, and is no administrator."""
    secret, now = new_secret(TOKEN), clock.real()
    async with store.write(alone=True) as connection:
        account = await add_account(connection, "phone", now)
        await grant(connection, Right("drive", Place(building=1)), account=account)
        await add_token(connection, digest(secret), TokenRow(0, account, "", "drive", None, now, None))
        await rights_changed(connection, "bench", now)
    return secret


async def _sensors(channel: Channel) -> list[int]:
    return [device.device_id for device in channel.devices if device.point("temperature")]


def _fill(file: Path, sensors: list[int], rows: int, now: int) -> None:
    """As many rows in each series, one a minute until now."""
    series = list(product(sensors, SENSED))
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for device, reason in series:
            connection.execute(FILL, (-(-rows // len(series)) - 1, device, reason, now, STEP_MS))
        connection.execute("ANALYZE")
    connection.close()


async def _measured(channel: Channel, api: Api, clock: Clock) -> None:
    """Every room has a temperature."""
    now = clock.now()
    for device in channel.devices:
        if device.point("temperature"):
            reading = Reading(
                at=clock.real(),
                device_id=device.device_id,
                gateway_id=device.gateway_id,
                point="temperature",
                value=21.5,
                measured_at=now,
                changed_at=now,
            )
            await channel.send(reading)
            while api.values.get(device.device_id, "temperature") is None:
                await asyncio.sleep(0)


def _beacons(api: Api) -> list[str]:
    return [f"uuid={one.uuid}&major={one.major}&minor={one.minor}" for one in api.places.beacons()]


async def _bare() -> None:
    """The same answer, with the same parameters, and nothing behind it."""

    @get("/sensor_get_temperature")
    async def temperature(uuid: str, major: int, minor: int) -> dict[str, Any]:
        return {"success": True, "value": 21.5}

    await _serve(Litestar([temperature], openapi_config=None, logging_config=None), {"token": "", "beacons": []})


async def _serve(app: Any, more: dict[str, Any]) -> None:
    sock = listen("127.0.0.1", 0)
    said = json.dumps({"port": sock.getsockname()[1], **more}) + "\n"

    def ready() -> None:
        sys.stdout.write(said)
        sys.stdout.flush()

    await serve(app, sock, ready)


if __name__ == "__main__":
    where, how_many = sys.argv[1:]
    uvloop.run(_bare() if how_many == "bare" else _insula(Path(where), int(how_many)))
