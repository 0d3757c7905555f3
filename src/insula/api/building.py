"""The building file over HTTP: as it is now, what another would change, and that other one in its place."""

import asyncio
from collections.abc import Iterable

import msgspec
from litestar import get, post, put
from litestar.handlers import HTTPRouteHandler

from insula.api.access import answers, needs
from insula.api.asking import Asked
from insula.api.bodies import TOML, takes
from insula.api.changing import Changing
from insula.api.errors import NotFound, RequestError
from insula.building.changes import Kind, PlanChange, difference
from insula.building.file import parse_plan
from insula.building.model import BuildingPlan
from insula.errors import BuildingFileError
from insula.store.building import bring_plan, export_plan, stored_plan

MANAGE = needs("manage everything")


class Change(msgspec.Struct, frozen=True):
    """``what`` as a person reads it: ``room 12``, ``blind (knx 1/1/12) in room 12: points``."""

    kind: Kind
    what: str


class Changes(msgspec.Struct, frozen=True):
    """``made``: they are so from now on; otherwise they would be."""

    changes: list[Change]
    made: bool


def building_routes(changing: Changing) -> list[HTTPRouteHandler]:
    store, clock = changing.store, changing.clock

    @get(
        "/building",
        summary="The building as a file",
        tags=["building"],
        media_type=TOML,
        opt={**MANAGE, **answers(404)},
    )
    async def export(request: Asked) -> str:
        """Reading it back gives the same building."""
        text = await export_plan(store)
        if not text:
            raise NotFound("there is no building yet: import one")
        return text

    @post(
        "/building/changes",
        summary="What importing a building file would change",
        tags=["building"],
        status_code=200,
        opt={**MANAGE, **takes(TOML)},
    )
    async def changes(request: Asked) -> Changes:
        """Nothing is changed. ``faults`` of a problem has every fault of the file, with its line."""
        known = await stored_plan(store)
        plan = await _read(await request.body(), known)
        return _told(await asyncio.to_thread(difference, plan, known), made=False)

    @put("/building", summary="Import a building file", tags=["building"], opt={**MANAGE, **takes(TOML)})
    async def bring(request: Asked) -> Changes:
        """All of it or, with a fault, nothing. Devices are known again by their gateway and source and keep their ids
        and their history; what the file does not name is removed. A first building is only observed, until it is
        said to be active."""
        plan = await _read(await request.body(), await stored_plan(store))
        counts: dict[str, int] = {}
        async with changing.of(request, "building imported", plan.settings.name, changes=counts) as connection:
            made = await bring_plan(connection, plan, clock.real(), "observe")
            for one in made:
                counts[one.kind] = counts.get(one.kind, 0) + 1
        return _told(made, made=True)

    return [export, changes, bring]


async def _read(body: bytes, known: BuildingPlan) -> BuildingPlan:
    """A large building takes its time, in a thread. No file of this machine is read for it. Raises RequestError."""
    try:
        return await asyncio.to_thread(parse_plan, body.decode(), known, None)
    except UnicodeDecodeError as error:
        raise RequestError(f"no UTF-8: {error}") from None
    except BuildingFileError as error:
        raise RequestError(str(error), {"faults": [{"line": at, "text": text} for at, text in error.faults]}) from None


def _told(changes: Iterable[PlanChange], *, made: bool) -> Changes:
    return Changes([Change(one.kind, one.what) for one in changes], made)
