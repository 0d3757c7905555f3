"""Sign-ins by OpenID Connect that have begun, kept for every process; and who belongs to which team by a provider."""

from collections.abc import Set

import msgspec
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.errors import InputError
from insula.store.accounts import change_account, list_teams
from insula.store.devices import to_struct
from insula.store.tables import OpenIdRequest, TeamMember

LASTS_MS = 10 * 60_000
"""A sign-in may take so long (real time)."""
PER_ADDRESS = 100
"""So many may have begun from one address."""


class RequestRow(msgspec.Struct, frozen=True, kw_only=True):
    """An authentication request. ``digest``, ``browser``: sums (access/secret.py) of its state, and of a cookie of
    the browser that began it; ``account``: to be linked, None: whoever the provider names signs in; ``ends_at``: ms."""

    digest: str
    browser: str
    provider: str
    nonce: str
    verifier: str
    next: str
    account: int | None
    address: str
    ends_at: int


async def add_request(connection: AsyncConnection, row: RequestRow, now: int) -> bool:
    """Those that are over are forgotten. False: too many have begun from that address."""
    await connection.execute(delete(OpenIdRequest).where(OpenIdRequest.c.ends_at <= now))
    count = select(func.count()).select_from(OpenIdRequest).where(OpenIdRequest.c.address == row.address)
    if (await connection.scalar(count) or 0) >= PER_ADDRESS:
        return False
    await connection.execute(insert(OpenIdRequest), msgspec.structs.asdict(row))
    return True


async def take_request(connection: AsyncConnection, digest: str, browser: str, now: int) -> RequestRow | None:
    """Once, and only by the browser that began it; None: there is none, or it is over. ``alone``."""
    which = (OpenIdRequest.c.digest == digest) & (OpenIdRequest.c.browser == browser)
    row = (await connection.execute(select(OpenIdRequest).where(which, OpenIdRequest.c.ends_at > now))).first()
    await connection.execute(delete(OpenIdRequest).where(which))
    return None if row is None else to_struct(row, RequestRow)


async def link_account(connection: AsyncConnection, account: int, issuer: str | None, subject: str | None) -> None:
    """It is whom the issuer means by that subject; None: nobody's any more. Raises InputError: another account is."""
    try:
        await change_account(connection, account, issuer=issuer, subject=subject)
    except IntegrityError:
        raise InputError("that is linked to the account of somebody else") from None


async def teams_of(connection: AsyncConnection, account: int) -> dict[str, int]:
    """Those that the account is in, with their ids."""
    mine = set(await connection.scalars(select(TeamMember.c.team).where(TeamMember.c.account == account)))
    return {team.name: team.id for team in await list_teams(connection) if team.id in mine}


async def set_teams(connection: AsyncConnection, account: int, leave: Set[int], join: Set[int]) -> None:
    """Ids of teams."""
    member = TeamMember.c.account == account
    await connection.execute(delete(TeamMember).where(member, TeamMember.c.team.in_(leave)))
    if join:
        await connection.execute(insert(TeamMember), [{"team": team, "account": account} for team in sorted(join)])
