"""Idempotency keys in the database, which any number of processes share."""

import asyncio

from insula.messages import Command
from insula.store.command_keys import KEPT_MS, Keyed, add_key, find_key, keyed
from insula.store.engine import Store

NOW = 1_767_225_600_000
KEY = keyed(1, "blinds down", b"body")


def command(value: float) -> Command:
    return Command(id=f"{value:g}", at=NOW, device_id=1, gateway_id="knx", point="valve", value=value, expires_at=NOW)


async def once(store: Store, key: Keyed, value: float, now: int = NOW) -> bool:
    """Whether this was the first request with the key."""
    async with store.write(alone=True) as connection:
        if await find_key(connection, key, now) is not None:
            return False
        await add_key(connection, key, [command(value)], now)
        return True


async def test_of_many_at_once_in_two_processes_one_is_the_first(store: Store, database_url: str) -> None:
    other = Store(database_url)
    await other.start()
    try:
        first = await asyncio.gather(*(once(one, KEY, at) for at, one in enumerate((store, other) * 10)))
    finally:
        await other.stop()
    assert sum(first) == 1
    async with store.read() as connection:
        found = await find_key(connection, KEY, NOW)
    assert found == (KEY.asked, (command(first.index(True)),))


async def test_a_key_is_forgotten_after_a_day(store: Store) -> None:
    assert await once(store, KEY, 1)
    assert not await once(store, KEY, 2, NOW + KEPT_MS - 1)
    assert await once(store, KEY, 3, NOW + KEPT_MS)


def test_accounts_keys_and_bodies_differ() -> None:
    others = [keyed(2, "blinds down", b"body"), keyed(1, "Blinds down", b"body"), keyed(1, "blinds down", b"Body")]
    assert len({KEY.id, *(one.id for one in others)}) == 3
    assert KEY.asked != others[2].asked
