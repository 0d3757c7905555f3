"""Presences, nonces, rooms' codes and guests in the database, on each kind."""

from collections.abc import Awaitable
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from insula.access.attempts import WINDOW_MS
from insula.access.presence import MOST_GUESTS, visits_key, wrong_codes_key
from insula.access.rights import Place, Right
from insula.access.secret import digest
from insula.building.demo import demo_plan
from insula.store.accounts import add_account, add_team, change_account, remove_account, remove_team, set_members
from insula.store.attempts import count_attempts, find_attempts
from insula.store.building import import_plan
from insula.store.engine import Store
from insula.store.guests import (
    CodeRow,
    GuestRow,
    add_guest,
    code_of,
    end_guest,
    find_guests,
    forget_guests,
    guests_of,
    put_code,
    remove_code,
    room_with_code,
    send_away,
)
from insula.store.permissions import grant, revoke
from insula.store.presence import (
    PresenceRow,
    add_nonce,
    end_presence,
    find_presence,
    forget_presences,
    put_presence,
    use_nonce,
)
from insula.store.tables import Nonce, Presence, Room

NOW = 1_767_225_600_000
PHONE, PC, NONCE = digest("phone"), digest("pc"), digest("nonce")


@pytest.fixture
async def building(store: Store) -> Store:
    await import_plan(store, demo_plan())
    async with store.write() as connection:
        await add_account(connection, "anna", NOW)
    return store


async def rows(store: Store) -> int:
    async with store.read() as connection:
        return sum([await connection.scalar(select(func.count()).select_from(table)) for table in (Presence, Nonce)])


# --- nonces


async def test_a_nonce_is_used_once_by_its_session_in_its_time(store: Store) -> None:
    async with store.write() as connection:
        await add_nonce(connection, PHONE, NONCE, NOW + 100)
        assert not await use_nonce(connection, PC, NONCE, NOW)
        assert not await use_nonce(connection, PHONE, digest("another"), NOW)
        assert not await use_nonce(connection, PHONE, NONCE, NOW + 100)
        assert await use_nonce(connection, PHONE, NONCE, NOW + 99)
        assert not await use_nonce(connection, PHONE, NONCE, NOW + 99)


async def test_a_new_nonce_replaces_the_one_before(store: Store) -> None:
    async with store.write() as connection:
        await add_nonce(connection, PHONE, NONCE, NOW + 100)
        await add_nonce(connection, PC, digest("of the pc"), NOW + 100)
        await add_nonce(connection, PHONE, digest("newer"), NOW + 100)
        assert not await use_nonce(connection, PHONE, NONCE, NOW)
        assert await use_nonce(connection, PHONE, digest("newer"), NOW)
        assert await use_nonce(connection, PC, digest("of the pc"), NOW)


# --- presences


async def test_an_account_is_in_one_room_until_its_lease_ends(building: Store) -> None:
    async with building.write(alone=True) as connection:
        await put_presence(connection, PresenceRow(1, PHONE, 1, NOW + 100))
        await put_presence(connection, PresenceRow(1, PHONE, 2, NOW + 200))
        assert await find_presence(connection, 1, NOW + 199) == PresenceRow(1, PHONE, 2, NOW + 200)
        assert await find_presence(connection, 1, NOW + 200) is None
        assert await find_presence(connection, 2, NOW) is None
        assert await end_presence(connection, 1)
        assert not await end_presence(connection, 1)


async def test_what_is_over_is_forgotten(building: Store) -> None:
    async with building.write(alone=True) as connection:
        await put_presence(connection, PresenceRow(1, PHONE, 1, NOW + 100))
        await add_nonce(connection, PHONE, NONCE, NOW + 50)
        await forget_presences(connection, NOW + 99)
    assert await rows(building) == 1
    async with building.write(alone=True) as connection:
        await forget_presences(connection, NOW + 100)
    assert await rows(building) == 0


async def test_who_is_removed_is_nowhere(building: Store) -> None:
    async with building.write(alone=True) as connection:
        await add_account(connection, "admin", NOW, admin=True)
        await put_presence(connection, PresenceRow(1, PHONE, 1, NOW + 100))
        await remove_account(connection, 1)
    assert await rows(building) == 0


async def test_who_loses_a_right_is_nowhere_until_the_next_report(building: Store) -> None:
    async with building.write(alone=True) as connection:
        ben, carla, team = await add_account(connection, "ben", NOW), await add_account(connection, "carla", NOW), 1
        await add_account(connection, "admin", NOW, admin=True)
        await add_team(connection, "cleaners")

        async def left_after(change: Awaitable[Any]) -> list[int]:
            everybody = (1, ben, carla)
            await set_members(connection, team, [ben, carla])
            for account in everybody:
                await put_presence(connection, PresenceRow(account, PHONE, 1, NOW + 100))
            await change
            return [account for account in everybody if await find_presence(connection, account, NOW)]

        assert await left_after(set_members(connection, team, [])) == [1]
        annas = await grant(connection, Right("see", Place(room=1), there=True), account=1)
        teams = await grant(connection, Right("see", Place(room=2)), team=team)
        assert await left_after(revoke(connection, annas)) == [ben, carla]
        assert await left_after(revoke(connection, teams)) == [1]
        assert await left_after(set_members(connection, team, [carla])) == [1, carla]
        assert await left_after(change_account(connection, ben, active=False)) == [1, carla]
        assert await left_after(change_account(connection, ben, active=True)) == [1, ben, carla]
        assert await left_after(remove_team(connection, team)) == [1]


async def test_a_room_that_is_gone_takes_its_guests_and_presences(building: Store) -> None:
    async with building.write(alone=True) as connection:
        await put_code(connection, CodeRow(1, "code", NOW))
        await add_guest(connection, PHONE, visit())
        await put_presence(connection, PresenceRow(1, PHONE, 1, NOW + 100))
        await connection.execute(delete(Room).where(Room.c.id == 1))
        assert await find_presence(connection, 1, NOW) is None
        assert not await find_guests(connection, [PHONE], NOW)
        assert await room_with_code(connection, "code") is None


# --- guests


def visit(address: str = "192.0.2.1", at: int = NOW, room: int = 1) -> GuestRow:
    return GuestRow(0, room, address, at, at + 100)


async def test_a_code_opens_its_room_until_it_is_renewed(building: Store) -> None:
    async with building.write(alone=True) as connection:
        assert await code_of(connection, 1) is None
        await put_code(connection, CodeRow(1, "first", NOW))
        await put_code(connection, CodeRow(2, "of another room", NOW))
        guest = await add_guest(connection, PHONE, visit())
        here = GuestRow(guest, 1, "192.0.2.1", NOW, NOW + 100)
        assert await find_guests(connection, [PHONE], NOW) == {PHONE: here}
        await put_code(connection, CodeRow(1, "second", NOW))
        assert [await room_with_code(connection, code) for code in ("first", "second", "")] == [None, 1, None]
        assert not await find_guests(connection, [PHONE], NOW)
        assert (await code_of(connection, 2)) == CodeRow(2, "of another room", NOW)


async def test_guests_are_gone_when_a_room_allows_none(building: Store) -> None:
    async with building.write(alone=True) as connection:
        await put_code(connection, CodeRow(1, "code", NOW))
        await add_guest(connection, PHONE, visit())
        await remove_code(connection, 1)
        assert await guests_of(connection, 1, NOW) == []
        assert await room_with_code(connection, "code") is None


async def test_a_visit_ends_by_itself_by_leaving_or_by_being_sent_away(building: Store) -> None:
    async with building.write(alone=True) as connection:
        await put_code(connection, CodeRow(1, "code", NOW))
        first, second = [await add_guest(connection, digest(name), visit(at=NOW + 10)) for name in ("1", "2")]
        await add_guest(connection, digest("3"), visit())
        assert not await find_guests(connection, [digest("3")], NOW + 100)
        await forget_guests(connection, NOW + 100)
        assert [guest.id for guest in await guests_of(connection, 1, NOW)] == [first, second]
        await end_guest(connection, first)
        assert [guest.id for guest in await guests_of(connection, 1, NOW)] == [second]
        assert await send_away(connection, 1) == 1
        assert await guests_of(connection, 1, NOW) == []


async def test_who_fills_a_room_shuts_nobody_else_out(building: Store) -> None:
    async with building.write(alone=True) as connection:
        await put_code(connection, CodeRow(1, "code", NOW))
        await add_guest(connection, digest("anna's"), visit("198.51.100.1"))
        for number in range(MOST_GUESTS + 5):
            await add_guest(connection, digest(str(number)), visit("203.0.113.5"))
        await add_guest(connection, digest("ben's"), visit("198.51.100.2"))
        guests = await guests_of(connection, 1, NOW)
        assert len(guests) == MOST_GUESTS
        assert await find_guests(connection, [digest("anna's")], NOW)
        assert await find_guests(connection, [digest("ben's")], NOW)
        assert not await find_guests(connection, [digest("0")], NOW)


# --- attempts


async def test_attempts_are_counted_by_network_and_by_room(store: Store) -> None:
    one, neighbour, other = "2001:db8:1:2::5", "2001:db8:1:2::99", "2001:db8:1:3::5"
    assert wrong_codes_key(one) == wrong_codes_key(neighbour) != wrong_codes_key(other)
    assert visits_key(1, one) == visits_key(1, neighbour) != visits_key(2, one)
    async with store.write(alone=True) as connection:
        for _ in range(3):
            await count_attempts(connection, [visits_key(1, one)], NOW)
        found = (await find_attempts(connection, [visits_key(1, one), visits_key(2, one)])).values()
        assert [(attempts.failures, attempts.refused_until(3, NOW)) for attempts in found] == [(3, NOW + WINDOW_MS)]
        assert [attempts.refused_until(4, NOW) for attempts in found] == [0]
        assert [attempts.refused_until(3, NOW + WINDOW_MS) for attempts in found] == [0]
