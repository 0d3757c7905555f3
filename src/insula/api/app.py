"""The parts of one API process, and the tasks that keep its memory. Its routes are in routes.py."""

import asyncio
from dataclasses import dataclass, field

from litestar import Litestar
from litestar.types import ASGIApp

from insula.api.board import StateBoard
from insula.api.bus import BusWindow
from insula.api.changing import Changing
from insula.api.commands import Commands
from insula.api.health import HealthBoard
from insula.api.live.picture import Picture
from insula.api.live.stream import Stream
from insula.api.options import USUAL, ApiOptions
from insula.api.people import People
from insula.api.places import Places
from insula.api.presence import PresenceApi
from insula.api.radio import Inclusions
from insula.api.requests import Requests
from insula.api.routes import application
from insula.api.values import LastValues
from insula.bus.channel import Channel
from insula.bus.health import tell_health
from insula.clock import Clock
from insula.messages import Health
from insula.retry import begin_again
from insula.store.engine import Store


@dataclass(slots=True)
class Api:
    """``instance``: its name in /health; ``app``: what answers, made of the rest."""

    channel: Channel
    store: Store
    clock: Clock
    instance: str
    options: ApiOptions
    places: Places
    commands: Commands
    values: LastValues
    health: HealthBoard
    window: BusWindow
    board: StateBoard
    people: People
    changing: Changing
    live: Stream
    presence: PresenceApi
    inclusions: Inclusions
    requests: Requests
    app: Litestar = field(init=False)

    def following(self) -> int:
        """How many follow what happens, now."""
        return self.window.open + len(self.live.clients)

    @property
    def asgi(self) -> ASGIApp:
        """What is to be served: the application, whose requests are counted."""
        return self.requests.counted(self.app)

    async def run(self) -> None:
        """Follow the bus, for ever; the beacons are to be loaded before (``places.load``). The streams end with it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for part in (
                    self.places,
                    self.commands,
                    self.values,
                    self.health,
                    self.board,
                    self.presence,
                    self.live,
                ):
                    name = f"api {type(part).__name__}"
                    tasks.create_task(begin_again(name, part.run, self.clock), name=name)
                tasks.create_task(tell_health(self.channel, self.clock, self._health))
        finally:
            await self.window.close()
            await self.inclusions.close()

    async def _health(self) -> Health:
        return Health(part="api", instance=self.instance, at=self.clock.real())


def create_api(channel: Channel, store: Store, clock: Clock, instance: str = "1", options: ApiOptions = USUAL) -> Api:
    """Raises InputError."""
    places, commands = Places(store, channel), Commands(channel, clock)
    values = LastValues(channel, clock, commands.saw)
    health, board = HealthBoard(channel, clock), StateBoard(channel, clock)
    people = People(store, board, clock)
    changing = Changing(store, people, clock)
    live = Stream(Picture(channel.devices, values, board, health), people, commands, clock)
    live.listen(values, board, channel.devices)
    api = Api(
        channel=channel,
        store=store,
        clock=clock,
        instance=instance,
        options=options,
        places=places,
        commands=commands,
        values=values,
        health=health,
        window=BusWindow(channel),
        board=board,
        people=people,
        changing=changing,
        live=live,
        presence=PresenceApi(changing, places, board, channel, options.presence),
        inclusions=Inclusions(store, clock, options.radio),
        requests=Requests(),
    )
    api.app = application(api)
    return api
