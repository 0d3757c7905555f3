"""The control API of the simulated building: sets the physical world and breaks things. For tests and people."""

from typing import Annotated, Any

import msgspec
import structlog
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from insula import __version__
from insula.errors import InputError
from insula.simulator.faults import AnyFault
from insula.simulator.field import Field
from insula.simulator.truth import RoomTruth
from insula.simulator.world import HELD, World

log = structlog.get_logger("insula.simulator")


def _physical(name: str) -> Meta:
    low, high = HELD[name]
    return Meta(ge=low, le=high)


class Hold(msgspec.Struct, forbid_unknown_fields=True):
    """Values of a room to be held as they are set until they are set to null; what is left out stays as it is.

    People; °C; %; lux at the sensor, lamps included; lux at the sensor from the window alone (lamps are added).
    """

    people: Annotated[int, _physical("people")] | UnsetType | None = UNSET
    temperature: Annotated[float, _physical("temperature")] | UnsetType | None = UNSET
    humidity: Annotated[float, _physical("humidity")] | UnsetType | None = UNSET
    luminance: Annotated[float, _physical("luminance")] | UnsetType | None = UNSET
    daylight: Annotated[float, _physical("daylight")] | UnsetType | None = UNSET
    window_open: bool | UnsetType | None = UNSET


class Failure(msgspec.Struct, frozen=True):
    """What is wrong with the request."""

    error: str


REFUSED = {400: ResponseSpec(Failure, description="Not possible, and why: nothing was changed")}
UNKNOWN = {404: ResponseSpec(Failure, description="No such room")}


class WorldTruth(msgspec.Struct, frozen=True, kw_only=True):
    """``moment``: ms, the building's clock. Outside: °C, lux on the horizontal; the sun's height in °."""

    moment: int
    sun: float
    outside_temperature: float
    outside_illuminance: float
    rooms: list[RoomTruth]
    faults: list[AnyFault]


def control_app(world: World, field: Field) -> Litestar:
    """The application. Every failure is answered ``{"error": "..."}`` with a fitting 4xx status."""

    @get("/world", summary="The whole world as it truly is", sync_to_thread=False)
    def read_world() -> WorldTruth:
        return WorldTruth(
            moment=world.moment,
            sun=world.sun,
            outside_temperature=world.weather.temperature,
            outside_illuminance=world.weather.illuminance,
            rooms=[world.truth(number) for number in world.rooms],
            faults=field.active,
        )

    @get("/world/rooms/{number:int}", summary="A room as it truly is", sync_to_thread=False, responses=UNKNOWN)
    def read_room(number: FromPath[int]) -> RoomTruth:
        _known(world, number)
        return world.truth(number)

    @post(
        "/world/rooms/{number:int}",
        status_code=200,
        summary="Hold values of a room",
        sync_to_thread=False,
        responses=REFUSED | UNKNOWN,
    )
    def hold_room(number: FromPath[int], data: JSONBody[Hold]) -> RoomTruth:
        _known(world, number)
        values = {name: getattr(data, name) for name in data.__struct_fields__}
        world.hold(number, **{name: value for name, value in values.items() if value is not UNSET})
        return world.truth(number)

    @get("/world/faults", summary="The faults there are now", sync_to_thread=False)
    def read_faults() -> list[AnyFault]:
        return field.active

    @post(
        "/world/faults",
        status_code=200,
        summary="Make a fault happen, or end one",
        sync_to_thread=False,
        responses=REFUSED,
    )
    def inject_fault(data: JSONBody[AnyFault]) -> list[AnyFault]:
        """Answers the faults there are then."""
        field.inject(data)
        log.info("fault", **msgspec.to_builtins(data))
        return field.active

    return Litestar(
        [read_world, read_room, hold_room, read_faults, inject_fault],
        openapi_config=OpenAPIConfig(title="Insula's simulated building", version=__version__, path="/schema"),
        exception_handlers={InputError: _refused, HTTPException: _failed, Exception: _broken},
        logging_config=None,
    )


def _known(world: World, number: int) -> None:
    if number not in world.rooms:
        raise HTTPException(status_code=404, detail=f"no room {number} in the building")


def _refused(_: Request[Any, Any, Any], error: InputError) -> Response[Failure]:
    return Response(Failure(str(error)), status_code=400)


def _failed(_: Request[Any, Any, Any], error: HTTPException) -> Response[Failure]:
    extra = error.extra if isinstance(error.extra, list) else []
    faults = [f"{fault.get('key', '')}: {fault.get('message', '')}" for fault in extra if isinstance(fault, dict)]
    return Response(Failure("; ".join(faults) or error.detail), status_code=error.status_code)


def _broken(request: Request[Any, Any, Any], error: Exception) -> Response[Failure]:
    log.error("request failed", path=request.url.path, exc_info=error)
    return Response(Failure("an error of ours; it is in the log"), status_code=500)
