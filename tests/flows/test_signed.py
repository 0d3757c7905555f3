"""Whose sessions and tokens are: many looked up at once are as each of them alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from insula.access.rights import Place, Right
from insula.access.secret import digest
from insula.api.signed import MOST_AT_ONCE, Lookup, Proof, Signed
from insula.clock import ManualClock
from insula.store.accounts import add_account, add_team, change_account, set_members
from insula.store.guests import CodeRow, GuestRow, add_guest, put_code
from insula.store.permissions import grant
from insula.store.presence import PresenceRow, put_presence
from insula.store.sessions import IDLE_MS, SEEN_EVERY_MS, TokenRow, add_session, add_token, find_sessions
from tests.flows.house import House, house

NAMES = ("anna", "ben", "clara", "closed")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, ManualClock()) as home:
        yield home


def session(name: str) -> Proof:
    return Proof(digest(f"session of {name}"), token=False)


def token(name: str) -> Proof:
    return Proof(digest(f"token of {name}"), token=True)


async def settled(home: House) -> Lookup:
    """Anna has a room; Ben the same by a team, and another while he is there, which he is; Clara all; each a session
    and a token. Room 3 has a guest."""
    now = home.clock.real()
    async with home.store.write() as connection:
        ids = {name: await add_account(connection, name, now, admin=name == "clara") for name in NAMES}
        await change_account(connection, ids["closed"], active=False)
        team = await add_team(connection, "team")
        await set_members(connection, team, [ids["ben"]])
        await grant(connection, Right("drive", Place(room=1)), account=ids["anna"])
        await grant(connection, Right("drive", Place(room=1)), team=team)
        await grant(connection, Right("see", Place(room=2), there=True), account=ids["ben"])
        for name, id_ in ids.items():
            await add_session(connection, session(name).digest, id_, now, "192.0.2.7", "")
            await add_token(connection, token(name).digest, TokenRow(0, id_, "wall", "see", (1, 2), now, None))
        await put_presence(connection, PresenceRow(ids["ben"], session("ben").digest, 2, now + 10_000))
        await put_code(connection, CodeRow(3, "a code", now))
        await add_guest(connection, session("guest").digest, GuestRow(0, 3, "198.51.100.9", now, now + 20_000))
    return Lookup(home.store, home.api.board)


async def test_many_at_once_are_as_each_of_them_alone(home: House) -> None:
    lookup, now = await settled(home), home.clock.real()
    console = Proof(digest(lookup.console), token=True)
    nobodys = [session("nobody"), token("nobody"), Proof(token("anna").digest, token=False), session("closed")]
    proofs = [*(make(name) for name in NAMES for make in (session, token)), session("guest"), console, *nobodys]
    alone: dict[Proof, Signed] = {}
    for proof in proofs:
        alone |= await lookup.find([proof], now)
    assert await lookup.find(proofs, now) == alone
    found = {proof: (dict(one.levels), one.everywhere, one.until - now) for proof, one in alone.items()}
    rooms = sorted((await lookup.places()).rooms)
    assert found == {
        session("anna"): ({1: "drive"}, None, 60_000),
        token("anna"): ({1: "see"}, None, 60_000),
        session("ben"): ({1: "drive", 2: "see"}, None, 10_000),
        token("ben"): ({1: "see"}, None, 60_000),
        session("clara"): (dict.fromkeys(rooms, "manage"), "manage", 60_000),
        token("clara"): ({1: "see", 2: "see"}, None, 60_000),
        session("guest"): ({3: "drive"}, None, 20_000),
        console: (dict.fromkeys(rooms, "manage"), "manage", found[console][2]),
    }


async def test_people_with_the_same_rights_share_what_follows(home: House) -> None:
    lookup = await settled(home)
    async with home.store.write() as connection:
        for number in range(MOST_AT_ONCE):
            account = await add_account(connection, f"one of many {number}", 0)
            await grant(connection, Right("see", Place(building=1)), account=account)
            await add_session(connection, session(str(number)).digest, account, home.clock.real(), "", "")
    many = await lookup.find([session(str(number)) for number in range(MOST_AT_ONCE)], home.clock.real())
    assert len(many) == MOST_AT_ONCE
    assert len({one.person for one in many.values()}) == MOST_AT_ONCE
    assert len({id(one.levels) for one in many.values()}) == 1


async def test_that_a_session_was_used_is_written_down_also_when_it_was_one_of_many(home: House) -> None:
    lookup, both = await settled(home), [session("anna").digest, session("ben").digest]
    await home.clock.step(SEEN_EVERY_MS / 1000)
    now = home.clock.real()
    await lookup.find([session("anna"), session("ben")], now)
    async with home.store.read() as connection:
        assert [one.seen_at for one in await find_sessions(connection, both, now)] == [now, now]
        assert len(await find_sessions(connection, both, now + IDLE_MS - 1)) == 2
        assert await find_sessions(connection, both, now + IDLE_MS) == []
