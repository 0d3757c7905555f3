"""``GET /why``: what was asked of a room's or a device's devices, why, and what became of it."""

from collections.abc import Iterable
from typing import Annotated, NotRequired, TypedDict, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.api.access import need, needs
from insula.api.asking import Asked
from insula.api.errors import NotFound, RequestError
from insula.api.explain import Explainer
from insula.api.times import From, To, moment
from insula.building.rules import SETS, load_ruleset
from insula.bus.channel import Channel
from insula.clock import Clock
from insula.messages import OriginKind, RuleSet
from insula.store.building import read_rules, read_settings
from insula.store.engine import Store
from insula.store.events import Page, Place, why
from insula.store.rooms import find_room
from insula.store.rule_versions import find_version

DAY_MS = 86_400_000
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="entries a page")]
Before = Annotated[str, QueryParameter(description="`after` of the page before: what was earlier")]


class Actor(TypedDict):
    kind: OriginKind
    name: str


class Explained(TypedDict):
    """What was asked of a device, by whom, and what became of it; ``text``: all of it in words. From ``rule`` on: of
    what a rule asked. Times in ms, building's clock; None: it has not happened."""

    at: int
    id: str
    device_id: int
    room_number: int | None
    point: str
    value: float
    actor: Actor
    outcome: str
    reason: str
    taken_at: int | None
    arrived_at: int | None
    arrived: float | None
    rule: NotRequired[str]
    version: NotRequired[str]
    condition: NotRequired[str]
    trigger: NotRequired[str]
    because: NotRequired[str]
    values: NotRequired[dict[str, float | str | bool]]
    lost: NotRequired[list[str]]
    text: str


class Why(TypedDict):
    """``after``: as ``before``, for the page of what was earlier."""

    entries: list[Explained]
    after: str | None


def why_route(channel: Channel, store: Store, clock: Clock) -> HTTPRouteHandler:
    @get("/why", summary="Why something moved, or did not", tags=["history"], opt=needs("rooms"))
    async def explained(
        request: Asked,
        room: FromQuery[int | None] = None,
        device: FromQuery[int | None] = None,
        begin: From = "",
        end: To = "",
        limit: Limit = 50,
        before: Before = "",
    ) -> Why:
        """Of a room (its number) or a device (its id); by default of the last 24 hours. The newest is last; ``after``
        asks for what was before it, as ``before``."""
        if (room is None) == (device is None):
            raise RequestError("give a room or a device")
        until = moment(end, clock.now() + 1)
        since = moment(begin, until - DAY_MS)
        async with store.read() as connection:
            room_id = None if room is None else await _room_id(connection, room)
            of = channel.devices.room_of(device) if device is not None else room_id
            need(request, "see", of, f"no room {room}" if device is None else f"no device {device}")
            devices = None if device is None else [device]
            place = _place(before)
            page = await why(connection, since, until, device_ids=devices, room_id=room_id, limit=limit, before=place)
            conditions = await _conditions(connection, page)
            zone = _zone((await read_settings(connection)).time_zone)
        known = {one.device_id: one for one in channel.devices}
        explainer = Explainer(known, conditions, zone, clock.now(), clock.building)
        after = None if page.after is None else f"{page.after[0]},{page.after[1]}"
        rows = [cast(Explained, explainer.row(one)) for one in reversed(page.rows)]
        return {"entries": rows, "after": after}

    return explained


async def _room_id(connection: AsyncConnection, number: int) -> int:
    found = await find_room(connection, number)
    if found is None:
        raise NotFound(f"no room {number}")
    return found.id


def _place(before: str) -> Place | None:
    at, _, command_id = before.partition(",")
    if not before:
        return None
    if not (at.isdecimal() and command_id):
        raise RequestError(f"before: {before!r} is no place")
    return int(at), command_id


async def _conditions(connection: AsyncConnection, page: Page) -> dict[tuple[str, str], str]:
    """By version and rule's name, what it says; of versions that are not kept, nothing."""
    wanted = {one.decision.version for one in page.rows if one.decision is not None}
    found: list[RuleSet] = []
    for version in wanted:
        kept = await find_version(connection, version)
        found += [kept.ruleset] if kept is not None else []
    if wanted - {ruleset.version for ruleset in found}:
        of_file = await read_rules(connection)
        found += [*([of_file] if of_file is not None else []), *_builtin()]
    return {(ruleset.version, rule.name): rule.when for ruleset in found for rule in ruleset.rules}


def _builtin() -> Iterable[RuleSet]:
    return (load_ruleset(file.stem) for file in sorted(SETS.glob("*.toml")))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
