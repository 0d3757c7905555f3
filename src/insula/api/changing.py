"""Changes of who may do what: each in one transaction with its audit entry, and told to every process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from insula.api.asking import Asked
from insula.api.audit import entry_of
from insula.api.people import People
from insula.clock import Clock
from insula.store.audit import add_entry
from insula.store.engine import Store
from insula.store.permissions import rights_changed


class Changing:
    def __init__(self, store: Store, people: People, clock: Clock) -> None:
        self.store = store
        self.people = people
        self.clock = clock

    @asynccontextmanager
    async def of(self, request: Asked, action: str, target: str, **details: Any) -> AsyncIterator[AsyncConnection]:
        """All of it happens, with its entry, or nothing. ``details``: what changed; never a secret."""
        now = self.clock.real()
        async with self.store.write(alone=True) as connection:
            yield connection
            await add_entry(connection, entry_of(request, now, action, target, details))
            await rights_changed(connection, f"{action} {target}", now)
        self.people.forget()
