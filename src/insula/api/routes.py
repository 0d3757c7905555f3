"""Every route of the API, and what each is made of."""

from functools import partial
from typing import TYPE_CHECKING

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.types import ControllerRouterHandler

from insula.api.access import Guarding, needs
from insula.api.alerts import AlertBoard, alert_routes
from insula.api.application import Application
from insula.api.asking import Asking
from insula.api.audit import Audit, audit_route
from insula.api.bodies import check_type
from insula.api.building import building_routes
from insula.api.bus import bus_routes
from insula.api.command_routes import command_routes
from insula.api.device_health import DeviceHealth, device_health_route
from insula.api.devices import Devices, device_routes
from insula.api.docs import docs_router
from insula.api.driving import Driving
from insula.api.guests import GuestDoor, guest_routes
from insula.api.hands import hands_routes
from insula.api.health import health_route
from insula.api.history import history_routes
from insula.api.inclusion import inclusion_routes
from insula.api.latest import Latest
from insula.api.leases import lease_routes
from insula.api.legacy import LegacyApi, legacy_router
from insula.api.live.door import live_route
from insula.api.metrics import Metrics, metrics_route
from insula.api.openapi import openapi_config
from insula.api.openid import OpenId, openid_routes
from insula.api.presence import presence_routes
from insula.api.problems import problem
from insula.api.rooms import Rooms, room_routes
from insula.api.rules import rule_routes
from insula.api.sessions import session_routes
from insula.api.statistics import statistics_route
from insula.api.users import right_routes, team_routes, user_routes
from insula.api.why import why_route

if TYPE_CHECKING:
    from insula.api.app import Api


def application(api: "Api") -> Litestar:
    """Raises InputError."""
    audit = Audit(api.store, api.clock)
    driving = Driving(api.commands, api.channel, api.store, api.clock, audit)
    metrics = Metrics(api.requests, api.health, api.channel, api.store, live=api.following)
    legacy = LegacyApi(
        api.places, api.commands, driving, api.values, api.store, api.clock, open_to_all=api.options.open_legacy
    )
    return Application(
        route_handlers=[
            legacy_router(legacy),
            _modern(api, driving, audit),
            health_route(api.health),
            metrics_route(metrics, api.options.metrics_readers),
            docs_router(),
        ],
        openapi_config=openapi_config(),
        exception_handlers={Exception: problem},
        middleware=[partial(Asking, people=api.people, origins=api.options.origins), Guarding],
        logging_config=None,
        state=State({"public_url": api.options.public_url}),
    )


def _modern(api: "Api", driving: Driving, audit: Audit) -> Router:
    rooms = Rooms(api.channel, api.board, api.places)
    return Router(
        path="/api/v1",
        route_handlers=[
            *_of_rooms(api, rooms, driving, audit),
            *_of_people(api, rooms, audit),
            *_of_the_building(api, audit),
        ],
        before_request=check_type,
        exception_handlers={Exception: problem},
    )


def _of_rooms(api: "Api", rooms: Rooms, driving: Driving, audit: Audit) -> list[ControllerRouterHandler]:
    """What is in them, what is done there, and what was."""
    channel, store, clock = api.channel, api.store, api.clock
    latest, alerts = Latest(api.values, clock), AlertBoard(api.board, channel, clock)
    health = DeviceHealth(channel, api.values, api.health, alerts, clock)
    devices = Devices(channel, latest, health, api.board, clock)
    return [
        *command_routes(driving, rooms, devices, channel, store, clock),
        *room_routes(rooms, latest),
        *device_routes(devices),
        *lease_routes(api.board, channel, clock, audit),
        *hands_routes(api.board, store, clock, audit),
        why_route(channel, store, clock),
        *history_routes(channel, rooms, store, clock),
        statistics_route(rooms, store, clock),
        *alert_routes(alerts, store, audit),
        device_health_route(health),
        live_route(api.live, api.options.live),
    ]


def _of_people(api: "Api", rooms: Rooms, audit: Audit) -> list[ControllerRouterHandler]:
    """Who they are, where they are, and what they may do."""
    changing = api.changing
    return [
        *session_routes(changing, audit),
        *openid_routes(OpenId(changing, api.options.providers)),
        *user_routes(changing),
        *team_routes(changing),
        *right_routes(changing),
        audit_route(api.store),
        *presence_routes(api.presence),
        *guest_routes(GuestDoor(changing, api.board, api.options.presence), rooms, changing),
    ]


def _of_the_building(api: "Api", audit: Audit) -> list[ControllerRouterHandler]:
    """For who manages it."""
    rules = rule_routes(api.store, api.clock, audit)
    return [
        *building_routes(api.changing),
        *inclusion_routes(api.changing, api.inclusions),
        Router("/bus", route_handlers=bus_routes(api.channel, api.window, audit), opt=needs("admin")),
        Router("/rules", route_handlers=rules, opt=needs("manage everything")),
    ]
