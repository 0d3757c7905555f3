"""The first administrator: a new installation makes one, and says its password once."""

from insula.access.passwords import hashed, new_password
from insula.clock import Clock
from insula.store.accounts import add_account, has_accounts
from insula.store.audit import Entry, add_entry
from insula.store.engine import Store
from insula.store.permissions import rights_changed

ADMIN = "admin"


async def first_admin(store: Store, clock: Clock, password: str = "") -> str:
    """Makes ``admin`` when there is no account at all; ``password``: empty: one is thought up. The password of whom it
    made, to be told; empty: there are accounts. Of several processes one makes it. Raises InputError: too short."""
    async with store.write(alone=True) as connection:
        if await has_accounts(connection):
            return ""
        password, now = password or new_password(), clock.real()
        await add_account(connection, ADMIN, now, password=hashed(password), admin=True)
        await add_entry(connection, Entry(at=now, action="user added", target=ADMIN, details={"admin": True}))
        await rights_changed(connection, f"user added {ADMIN}", now)
    return password
