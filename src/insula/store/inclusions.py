"""A node that comes into a Z-Wave network, or leaves it: how far that is, for every API process. One a gateway."""

from typing import Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.store.values import get_value, put_value

What = Literal["include", "exclude"]
Status = Literal["running", "asks pin", "done", "failed", "stopped"]
OPEN: tuple[Status, ...] = ("running", "asks pin")


class Inclusion(msgspec.Struct, frozen=True, kw_only=True):
    """``said``: what happened so far, in words; ``dsk``: the rest of the device's key while its PIN is asked for.
    ``pin`` and ``stop`` are for the process that runs it. Times in ms, real time; ``told_at``: its last sign of life.
    ``secure``: None: not known, or it has left."""

    id: str
    gateway_id: str
    what: What
    status: Status = "running"
    said: tuple[str, ...] = ()
    dsk: str = ""
    pin: str = ""
    stop: bool = False
    node_id: int | None = None
    label: str = ""
    secure: bool | None = None
    by: str = ""
    started_at: int
    told_at: int


async def find_inclusion(connection: AsyncConnection, gateway_id: str) -> Inclusion | None:
    """The last one; it may be over."""
    return msgspec.convert(await get_value(connection, _key(gateway_id)), Inclusion | None)


async def keep_inclusion(connection: AsyncConnection, it: Inclusion) -> None:
    """In a write that is ``alone``."""
    await put_value(connection, _key(it.gateway_id), msgspec.to_builtins(it))


def _key(gateway_id: str) -> str:
    return f"inclusion/{gateway_id}"
