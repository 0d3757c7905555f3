"""Z-Wave inclusion and exclusion over HTTP: begin, look, answer the PIN, stop. What they mean:
docs/how-to/zwave-devices.md."""

from typing import Annotated, Any

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.api.access import acting, answers, needs
from insula.api.asking import Asked
from insula.api.changing import Changing
from insula.api.errors import Conflict, NotFound
from insula.api.radio import Inclusions, as_seen
from insula.messages import new_id
from insula.store.building import read_gateways
from insula.store.inclusions import OPEN, Inclusion, Status, What, find_inclusion, keep_inclusion

URL = "ws://127.0.0.1:3000"
"""Of a gateway that does not say where its Z-Wave JS server is."""
MANAGE = needs("manage everything")


class Begin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    what: What


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first five digits of the device's key, as on its label."""

    pin: Annotated[str, msgspec.Meta(pattern="^[0-9]{5}$")]


class Progress(msgspec.Struct, frozen=True):
    """``said``: what happened so far, in words; ``dsk``: the rest of the device's key while its PIN is asked for.
    ``started_at``: ms, real time."""

    gateway_id: str
    what: What
    status: Status
    said: tuple[str, ...]
    dsk: str
    node_id: int | None
    label: str
    secure: bool | None
    by: str
    started_at: int


def inclusion_routes(changing: Changing, inclusions: Inclusions) -> list[HTTPRouteHandler]:
    store, clock = changing.store, changing.clock

    @post(
        "/zwave/{gateway:str}/inclusion",
        summary="Take a node into a Z-Wave network, or out of it",
        tags=["zwave"],
        status_code=202,
        opt={**MANAGE, **answers(404, 409)},
    )
    async def begin(request: Asked, gateway: FromPath[str], data: JSONBody[Begin]) -> Progress:
        """The controller listens for 60 s: press the node's button. One at a time for each gateway."""
        now = clock.real()
        it = Inclusion(id=new_id(), gateway_id=gateway, what=data.what, by=acting(request), started_at=now, told_at=now)
        async with changing.of(request, f"z-wave {data.what}", gateway) as connection:
            url = await _url(connection, gateway)
            before = await find_inclusion(connection, gateway)
            if before is not None and as_seen(before, now).status in OPEN:
                raise Conflict(f"one runs already, by {before.by}: wait for its end, or stop it")
            await keep_inclusion(connection, it)
        inclusions.begin(it, url)
        return _shown(it, now)

    @get(
        "/zwave/{gateway:str}/inclusion",
        summary="How far it is, and what it asks",
        tags=["zwave"],
        opt={**MANAGE, **answers(404)},
    )
    async def progress(request: Asked, gateway: FromPath[str]) -> Progress:
        """The last one: also when it is over."""
        async with store.read() as connection:
            return _shown(await _found(connection, gateway), clock.real())

    @post(
        "/zwave/{gateway:str}/inclusion/pin",
        summary="The PIN that a node with security S2 asks for",
        tags=["zwave"],
        status_code=200,
        opt={**MANAGE, **answers(404, 409)},
    )
    async def pin(request: Asked, gateway: FromPath[str], data: JSONBody[Pin]) -> Progress:
        async with changing.of(request, "z-wave pin", gateway) as connection:
            it = await _found(connection, gateway)
            if as_seen(it, clock.real()).status != "asks pin":
                raise Conflict("no PIN is asked for")
            it = replace(it, pin=data.pin, status="running", dsk="")
            await keep_inclusion(connection, it)
        return _shown(it, clock.real())

    @delete(
        "/zwave/{gateway:str}/inclusion",
        summary="Stop it",
        tags=["zwave"],
        status_code=200,
        opt={**MANAGE, **answers(404, 409)},
    )
    async def stop(request: Asked, gateway: FromPath[str]) -> Progress:
        """The controller listens no more within a second."""
        async with changing.of(request, "z-wave stop", gateway) as connection:
            it = await _found(connection, gateway)
            if as_seen(it, clock.real()).status not in OPEN:
                raise Conflict("none runs")
            await keep_inclusion(connection, replace(it, stop=True))
        return _shown(it, clock.real())

    return [begin, progress, pin, stop]


async def _url(connection: AsyncConnection, gateway_id: str) -> str:
    """Raises NotFound."""
    for gateway in await read_gateways(connection):
        if gateway.id == gateway_id and gateway.type == "zwave":
            return str(gateway.options.get("url", URL))
    raise NotFound(f"no Z-Wave gateway {gateway_id}")


async def _found(connection: AsyncConnection, gateway_id: str) -> Inclusion:
    """Raises NotFound."""
    await _url(connection, gateway_id)
    it = await find_inclusion(connection, gateway_id)
    if it is None:
        raise NotFound(f"nothing was begun at gateway {gateway_id}")
    return it


def _shown(it: Inclusion, real: int) -> Progress:
    """Without the PIN."""
    fields: dict[str, Any] = msgspec.structs.asdict(as_seen(it, real))
    return Progress(**{name: fields[name] for name in Progress.__struct_fields__})
