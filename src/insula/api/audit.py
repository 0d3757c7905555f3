"""Who did what to which, from where: written down before it is done, and searched. For administrators."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter

from insula.api.access import acting, needs
from insula.api.asking import Asked, origin_of
from insula.api.pages import Cursor, Limit, Number, cursor_of, place_of
from insula.api.times import moment
from insula.clock import Clock
from insula.store.audit import Entry, Search, add_entry, search_entries
from insula.store.engine import Store
from insula.store.results import results_of

_TIME = "ISO 8601 (without an offset: UTC), or milliseconds since 1970; real time"
From = Annotated[str, QueryParameter(name="from", description=_TIME)]
To = Annotated[str, QueryParameter(name="to", description=_TIME)]
Name = Annotated[str, QueryParameter(description="who: an account, `guest 17`, `ada (console)`")]
Target = Annotated[str, QueryParameter(description="to which, in the words of the entry")]
Room = Annotated[int, QueryParameter(description="number of a room that it was done to, or in")]
AT_ONCE = 500
"""Commands whose outcome is looked up with one statement."""


class Shown(msgspec.Struct, frozen=True):
    """``at``: ms, real time; ``account``: null: nobody who signed in, 0: the console; ``outcomes``: of ``commands``
    of the details, by id, as far as they are kept."""

    id: int
    at: int
    account: int | None
    name: str
    address: str
    action: str
    target: str
    details: dict[str, Any]
    outcomes: dict[str, str]


class AuditPage(msgspec.Struct, frozen=True):
    items: list[Shown]
    next: Annotated[str | None, msgspec.Meta(description="`cursor` of the next page; null: this is the last")]


def entry_of(request: Asked, at: int, action: str, target: str, details: dict[str, Any], by: str = "") -> Entry:
    """``at``: ms, real time; ``details``: never a secret; ``by``: what somebody at the console says of themselves.
    Where the routes of 2020 are open it may be nobody."""
    person = request.user
    return Entry(
        at=at,
        account=person.id if person is not None else None,
        name=acting(request, by) if person is not None else "",
        address=origin_of(request).address,
        action=action,
        target=target,
        details=details,
    )


class Audit:
    """For what is done elsewhere than in the database: the entry is there before it is done, or it is not done."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def entry(self, request: Asked, action: str, target: str, by: str = "", **details: Any) -> Entry:
        """To be added in the transaction that does it."""
        return entry_of(request, self._clock.real(), action, target, details, by)

    async def note(self, request: Asked, action: str, target: str, by: str = "", **details: Any) -> None:
        async with self._store.write() as connection:
            await add_entry(connection, self.entry(request, action, target, by, **details))


def audit_route(store: Store) -> HTTPRouteHandler:
    @get("/audit", summary="Who did what to which, the newest first", tags=["administration"], opt=needs("admin"))
    async def audit(
        name: Name = "",
        action: FromQuery[str] = "",
        target: Target = "",
        room: Room = 0,
        device: FromQuery[int] = 0,
        begin: From = "",
        end: To = "",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> AuditPage:
        """What became of a command is told with it, about a second after it was known."""
        after = place_of(cursor, tuple[Number])
        wanted = Search(
            name=name,
            action=action,
            target=target,
            room=room,
            device=device,
            since=moment(begin, 0),
            until=moment(end, 0),
            before=after[0] if after is not None else 0,
        )
        async with store.read() as connection:
            found = await search_entries(connection, wanted, limit + 1)
            page, commands = found[:limit], [id_ for one in found[:limit] for id_ in _commands(one)]
            outcomes: dict[str, str] = {}
            for start in range(0, len(commands), AT_ONCE):
                results = await results_of(connection, commands[start : start + AT_ONCE])
                outcomes |= {id_: result.outcome for id_, result in results.items()}
        return AuditPage([_shown(one, outcomes) for one in page], cursor_of(page[-1].id) if found[limit:] else None)

    return audit


def _commands(entry: Entry) -> Sequence[str]:
    found: Sequence[str] = entry.details.get("commands", ())
    return found


def _shown(entry: Entry, outcomes: dict[str, str]) -> Shown:
    of_it = {id_: outcomes[id_] for id_ in _commands(entry) if id_ in outcomes}
    return Shown(**msgspec.structs.asdict(entry), outcomes=of_it)
