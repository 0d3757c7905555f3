"""Answers about the past, from the database."""

from insula.store.engine import Store
from insula.store.log import mean_of_role

HOUR_MS = 3_600_000


async def mean_of_room(store: Store, room_id: int, point: str, now: int, hours: float) -> float | None:
    """The mean of a role in a room over the last hours before ``now`` (building's ms), weighted by time."""
    async with store.read() as connection:
        return await mean_of_role(connection, room_id, point, now - int(hours * HOUR_MS), now)
