"""The API of a building of 200 rooms as one process, with its readings: arguments ``FOLDER CLIENTS SCREENS``. It prints
its port, a token of each client's account, a room's id and an administrator's token."""

import asyncio
import json
import sys
import time

from bench.traffic import Traffic, plan
from insula.access.rights import Place, Right
from insula.access.secret import TOKEN, digest, new_secret
from insula.api.app import create_api
from insula.api.live.door import Limits
from insula.api.options import ApiOptions
from insula.building.rules import load_ruleset
from insula.bus.channel import Channel
from insula.bus.devices import DeviceIndex
from insula.bus.memory import MemoryBus
from insula.clock import SystemClock
from insula.directory.directory import Directory
from insula.garbage import search_seldom
from insula.http import listen, serve
from insula.logs import configure
from insula.settings import LogSettings
from insula.store.accounts import add_account, add_team, set_members
from insula.store.building import import_plan
from insula.store.engine import Store
from insula.store.permissions import grant, room_places, the_building
from insula.store.sessions import TokenRow, add_token

ROOMS = 200
TICK_S = 0.02


async def people(store: Store, clients: int, screens: int) -> tuple[list[str], int]:
    """Their tokens, first those of screens; and a room that is nobody's own. Each has one right: the building, or a
    room. Those with a room are the team ``everyone``."""
    tokens, members = [], []
    async with store.write() as connection:
        (hall, *rooms), building = list(await room_places(connection)), await the_building(connection)
        for number in range(clients):
            account = await add_account(connection, f"person {number}", 0)
            place = Place(building=building) if number < screens else Place(room=rooms[number % len(rooms)])
            await grant(connection, Right("see", place), account=account)
            secret = new_secret(TOKEN)
            token = TokenRow(0, account, "live", "see", None, 0, None)
            await add_token(connection, digest(secret), token)
            tokens.append(secret)
            members.append(account)
        await set_members(connection, await add_team(connection, "everyone"), members[screens:])
    return tokens, hall


async def readings(channel: Channel, traffic: Traffic) -> None:
    """As many each second as gateways say, for ever."""
    began, sent = time.monotonic(), 0
    while True:
        due = round((time.monotonic() - began) * traffic.readings_s) - sent
        await channel.send(*traffic.next(_now(), due))
        sent += due
        await asyncio.sleep(TICK_S)


def _now() -> int:
    return time.time_ns() // 1_000_000


async def main(folder: str, clients: int, screens: int) -> None:
    configure(LogSettings(level="warning"))
    clock, store = SystemClock(), Store(f"sqlite:///{folder}/insula.db")
    await store.start()
    await import_plan(store, plan(ROOMS))
    tokens, hall = await people(store, clients, screens)
    bus = MemoryBus(clock)
    await bus.start()
    channel, sock, ready = Channel(bus, DeviceIndex()), listen("127.0.0.1", 0), asyncio.Event()
    api = create_api(channel, store, clock, options=ApiOptions(live=Limits(per_address=clients)))
    search_seldom()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(channel.follow_devices())
        tasks.create_task(Directory(channel, store, clock, rules=load_ruleset).run())
        tasks.create_task(api.run())
        tasks.create_task(serve(api.asgi, sock, ready.set))
        await ready.wait()
        await channel.devices.complete()
        traffic = Traffic(list(channel.devices))
        await channel.send(*traffic.first(_now()))
        started = {"port": sock.getsockname()[1], "tokens": tokens, "hall": hall, "console": api.people.console}
        sys.stdout.write(json.dumps(started) + "\n")
        sys.stdout.flush()
        await readings(channel, traffic)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
