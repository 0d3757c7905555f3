"""Every route says what it needs, and shows nobody a room that they may not see."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from insula.api.access import Need
from insula.api.app import create_api
from insula.api.options import ApiOptions
from insula.clock import settle
from tests.flows.house import ROOM_1, ROOM_2
from tests.flows.test_signing_in import Door, door, json

OPENID = {("GET", f"/api/v1/openid{path}") for path in ("", "/{provider}", "/{provider}/callback")}
OPEN = {("POST", "/api/v1/session"), ("POST", "/api/v1/guests"), ("GET", "/health"), ("GET", "/metrics"), *OPENID}
SECRET_ROOM = 2
FILLED = {
    "topic": "knx",
    "version": "1",
    "name": "nobody",
    "key": "none",
    "command_id": "none",
    "id": "1",
    "gateway": "zwave",
    "room_id": "2",
    "provider": "none",
    "number": "2",
}


@pytest.fixture
async def it(tmp_path: Path) -> Any:
    async with door(tmp_path) as it:
        yield it


def handlers(it: Door) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Method, path and handler of each route that is Insula's own."""
    for route in it.here.routes:
        if isinstance(route, HTTPRoute) and not route.path.startswith(("/schema", "/docs")):
            for handler in route.route_handlers:
                for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                    yield str(method), route.path_format, handler


def filled(path: str, device_id: int) -> str:
    for name, value in {**FILLED, "device_id": str(device_id)}.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, f"{path}: say in FILLED what its parameters are"
    return path


def query(it: Door, beacon: dict[str, str], room: int) -> list[dict[str, Any]]:
    device = it.home.device(room, "temperature").device_id
    return [
        {**beacon, "percentage": 50},
        {"device": device, "point": "temperature"},
        {"device": device},
        {"room": room},
    ]


async def test_every_route_says_what_it_needs(it: Door) -> None:
    needs = {(method, path): handler.opt.get("needs") for method, path, handler in handlers(it)}
    assert {place for place, need in needs.items() if need not in get_args(Need)} == set()
    assert {place for place, need in needs.items() if need == "nothing"} == OPEN
    assert len(needs) > 40


async def test_who_has_not_signed_in_gets_nothing(it: Door) -> None:
    nobody = it.browser()
    for method, path, _ in handlers(it):
        if (method, path) not in OPEN:
            answer = await nobody.request(
                method, f"http://insula{filled(path, 1)}", params=ROOM_1 | {"percentage": "5"}
            )
            assert answer.status_code == 401, f"{method} {path}: {answer.text}"
    assert json(await nobody.get("http://insula/health")).keys() == {"status"}


async def test_no_route_shows_another_room(it: Door) -> None:
    """Room 2 has temperatures, a lease and a mode; anna has room 1."""
    anna = await it.anna(level="manage")
    secret = it.home.device(SECRET_ROOM, "temperature")
    await it.home.measure(SECRET_ROOM, "temperature", 23.456)
    await it.home.recorded(23.456)
    radiator = it.home.device(SECRET_ROOM, "valve").device_id
    for method, path, _ in handlers(it):
        if method != "GET" or path.startswith("/api/v1/session"):
            continue
        for params in query(it, ROOM_2, SECRET_ROOM):
            answer = await anna.get(f"http://insula{filled(path, radiator)}", params=params)
            said = answer.text
            assert "23.45" not in said, f"{path}: {said}"
            assert f'"device_id":{secret.device_id},' not in said, f"{path}: {said}"
            assert '"room_number":2' not in said, f"{path}: {said}"
            assert '"number":2' not in said, f"{path}: {said}"
            assert answer.status_code in (200, 400, 403, 404), f"{path}: {answer.status_code} {said}"
    assert it.home.knx.sent == []


async def test_what_is_hidden_is_answered_as_what_is_not_there(it: Door) -> None:
    anna = await it.anna(level="drive")
    there, nowhere = it.home.device(SECRET_ROOM, "valve").device_id, 999
    pairs = [
        (f"/history?device={there}&point=valve", f"/history?device={nowhere}&point=valve"),
        (f"/why?device={there}", f"/why?device={nowhere}"),
        ("/why?room=2", "/why?room=999"),
    ]
    for hidden, missing in pairs:
        one, other = await anna.get(hidden), await anna.get(missing)
        assert one.status_code == other.status_code == 404
        said = one.json()["detail"].replace(str(there), "N").replace("room 2", "room N")
        assert said == other.json()["detail"].replace(str(nowhere), "N")
    held = json(await anna.delete(f"/leases/{there}"), 404)["detail"]
    assert held == f"nobody holds device {there}"


async def test_what_is_seen_is_not_driven(it: Door) -> None:
    anna = await it.anna(level="see")
    json(await anna.get("http://insula/get_devices", params=ROOM_1))
    answer = json(await anna.get("http://insula/open_blinds", params=ROOM_1), 403)
    assert answer == {"success": False, "error": "you may not drive there"}
    json(await anna.put("/mode", json={"mode": "observe", "room": 1}), 403)
    json(await anna.put("/mode", json={"mode": "observe"}), 403)


async def test_a_command_has_its_sender(it: Door) -> None:
    anna = await it.anna(level="drive")
    json(await anna.get("http://insula/percentage_radiator", params=ROOM_1 | {"percentage": "35"}))
    (command,) = it.home.knx.sent
    assert (command.origin.kind, command.origin.name) == ("user", "anna")


async def test_an_installation_may_open_the_routes_of_2020(it: Door) -> None:
    api = create_api(it.home.channel, it.home.store, it.home.clock, "3", ApiOptions(open_legacy=True))
    await api.places.load()
    nobody = it.browser(api.app)
    assert len(json(await nobody.get("http://insula/get_beacons"))["beacons"]) == 4
    json(await nobody.get("/leases"), 401)


async def test_a_new_room_is_seen_by_who_sees_the_building(it: Door) -> None:
    admin = await it.admin()
    json(await admin.post("/users", json={"name": "carla", "password": "staple for carla"}), 201)
    json(await admin.post("/rights", json={"user": "carla", "level": "see", "building": 1}), 201)
    carla = await it.signed_in("carla", "staple for carla")
    await settle(50)
    assert len(json(await carla.get("http://insula/get_beacons"))["beacons"]) == 4
    assert json(await carla.get("http://insula/health"))["parts"]
    json(await carla.get("/rules"), 403)
