"""The HTTP application: routes, OpenAPI, and the tasks that keep its memory."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.types import ASGIApp

from insula.access.presence import PresenceLimits
from insula.api.access import Guarding, needs
from insula.api.alerts import AlertBoard, alert_routes
from insula.api.application import Application
from insula.api.asking import Asking
from insula.api.audit import Audit, audit_route
from insula.api.board import StateBoard
from insula.api.bodies import check_type
from insula.api.building import building_routes
from insula.api.bus import BusWindow, bus_routes
from insula.api.changing import Changing
from insula.api.command_routes import command_routes
from insula.api.commands import Commands
from insula.api.device_health import DeviceHealth, device_health_route
from insula.api.devices import Devices, device_routes
from insula.api.docs import docs_router
from insula.api.driving import Driving
from insula.api.guests import GuestDoor, guest_routes
from insula.api.hands import hands_routes
from insula.api.health import HealthBoard, health_route
from insula.api.history import history_routes
from insula.api.inclusion import inclusion_routes
from insula.api.latest import Latest
from insula.api.leases import lease_routes
from insula.api.legacy import LegacyApi, legacy_router
from insula.api.live.door import Limits, live_route
from insula.api.live.picture import Picture
from insula.api.live.stream import Stream
from insula.api.metrics import Metrics, metrics_route
from insula.api.openapi import openapi_config
from insula.api.openid import OpenId, openid_routes
from insula.api.people import People
from insula.api.places import Places
from insula.api.presence import PresenceApi, presence_routes
from insula.api.problems import problem
from insula.api.radio import Inclusions, Radio, no_radio
from insula.api.requests import Requests
from insula.api.rooms import Rooms, room_routes
from insula.api.rules import rule_routes
from insula.api.sessions import session_routes
from insula.api.statistics import statistics_route
from insula.api.users import right_routes, team_routes, user_routes
from insula.api.values import LastValues
from insula.api.why import why_route
from insula.bus.channel import Channel
from insula.bus.health import tell_health
from insula.clock import Clock
from insula.messages import Health
from insula.retry import begin_again
from insula.store.engine import Store

if TYPE_CHECKING:
    from insula.api.provider import Provider


@dataclass(frozen=True, slots=True)
class Api:
    """The parts of one API process."""

    channel: Channel
    clock: Clock
    instance: str
    app: Litestar
    places: Places
    commands: Commands
    values: LastValues
    health: HealthBoard
    window: BusWindow
    board: StateBoard
    people: People
    live: Stream
    presence: PresenceApi
    requests: Requests
    inclusions: Inclusions

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


def create_api(
    channel: Channel,
    store: Store,
    clock: Clock,
    instance: str = "1",
    *,
    open_legacy: bool = False,
    metrics_readers: str = "",
    limits: PresenceLimits | None = None,
    providers: Sequence["Provider"] = (),
    public_url: str = "",
    live: Limits | None = None,
    origins: frozenset[str] = frozenset(),
    radio: Callable[[], Radio] = no_radio,
) -> Api:
    """``instance``: its name in /health; ``open_legacy``: the routes of 2020 answer to everybody, as in 2020;
    ``metrics_readers``: networks that read /metrics without signing in; ``providers``: of OpenID Connect, by which
    people may sign in; ``public_url``: where browsers reach all this; ``radio``: loads what includes Z-Wave nodes;
    ``live``: of the live stream, which pages of ``origins`` may open too. Raises InputError."""
    limits = limits or PresenceLimits()
    places, commands = Places(store, channel), Commands(channel, clock)
    values = LastValues(channel, clock, commands.saw)
    health, window = HealthBoard(channel, clock), BusWindow(channel)
    board = StateBoard(channel, clock)
    alerts = AlertBoard(board, channel, clock)
    people = People(store, board, clock)
    changing = Changing(store, people, clock)
    inclusions = Inclusions(store, clock, radio)
    presence = PresenceApi(changing, places, board, channel, limits)
    stream = Stream(Picture(channel.devices, values, board, health), people, commands, clock)
    stream.listen(values, board, channel.devices)
    requests = Requests()
    metrics = Metrics(requests, health, channel, store, live=lambda: window.open + len(stream.clients))
    latest, device_health = Latest(values, clock), DeviceHealth(channel, values, health, alerts, clock)
    rooms, devices = Rooms(channel, board, places), Devices(channel, latest, device_health, board, clock)
    audit = Audit(store, clock)
    driving = Driving(commands, channel, store, clock, audit)
    legacy = legacy_router(LegacyApi(places, commands, driving, values, store, clock, open_to_all=open_legacy))
    modern = Router(
        path="/api/v1",
        route_handlers=[
            *command_routes(driving, rooms, devices, channel, store, clock),
            *room_routes(rooms, latest),
            *device_routes(devices),
            *lease_routes(board, channel, clock, audit),
            *hands_routes(board, store, clock, audit),
            why_route(channel, store, clock),
            *history_routes(channel, rooms, store, clock),
            statistics_route(rooms, store, clock),
            *alert_routes(alerts, store, audit),
            device_health_route(device_health),
            *session_routes(changing, audit),
            *openid_routes(OpenId(changing, providers)),
            *user_routes(changing),
            *team_routes(changing),
            *right_routes(changing),
            audit_route(store),
            live_route(stream, live or Limits()),
            *presence_routes(presence),
            *guest_routes(GuestDoor(changing, board, limits), changing),
            *building_routes(changing),
            *inclusion_routes(changing, inclusions),
            Router("/bus", route_handlers=bus_routes(channel, window, audit), opt=needs("admin")),
            Router("/rules", route_handlers=rule_routes(store, clock, audit), opt=needs("manage everything")),
        ],
        before_request=check_type,
        exception_handlers={Exception: problem},
    )
    app = Application(
        route_handlers=[legacy, modern, health_route(health), metrics_route(metrics, metrics_readers), docs_router()],
        openapi_config=openapi_config(),
        exception_handlers={Exception: problem},
        middleware=[partial(Asking, people=people, origins=origins), Guarding],
        logging_config=None,
        state=State({"public_url": public_url}),
    )
    return Api(
        channel,
        clock,
        instance,
        app,
        places,
        commands,
        values,
        health,
        window,
        board,
        people,
        stream,
        presence,
        requests,
        inclusions,
    )
