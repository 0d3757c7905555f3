"""Whose account it is that a provider of OpenID Connect names: by its issuer and its subject, and by nothing else.

A name or an e-mail address may be given to somebody else, or be anybody's claim: they link nothing.
"""

from collections.abc import Mapping
from typing import Any

from insula.access.id_token import groups_of
from insula.api.asking import Asked, signed_of
from insula.api.changing import Changing
from insula.api.errors import Forbidden
from insula.api.provider import ProviderSettings
from insula.errors import InputError
from insula.store.accounts import AccountRow, account_of, add_account, change_account, list_teams
from insula.store.openid import link_account, set_teams, teams_of


class Linking:
    def __init__(self, changing: Changing) -> None:
        self._changing = changing
        self._store = changing.store

    async def account(self, request: Asked, of: ProviderSettings, claims: Mapping[str, Any]) -> AccountRow:
        """Whose it is, made if a setting says so, its teams as the provider says now. Raises Forbidden, InputError."""
        subject = claims["sub"]
        async with self._store.read() as connection:
            found = await account_of(connection, of.issuer, subject)
        if found is None:
            found = await self._first(request, of, claims)
        if not found.active:
            raise Forbidden(f"the account {found.name} is closed")
        await self._follow_admin(request, of, claims, found)
        await self._follow_teams(request, of, claims, found)
        return found

    async def link(self, request: Asked, of: ProviderSettings, subject: str, account: int) -> None:
        """From now on the account of who asks signs in by the provider too. Raises InputError."""
        said = {"by": of.name, "issuer": of.issuer, "subject": subject}
        async with self._changing.of(request, "user linked", signed_of(request).person.name, **said) as connection:
            await link_account(connection, account, of.issuer, subject)

    async def _first(self, request: Asked, of: ProviderSettings, claims: Mapping[str, Any]) -> AccountRow:
        """Without rights."""
        if not of.create_accounts:
            raise Forbidden("you have no account here: an administrator has to link you to one")
        name, subject, now = claims.get(of.name_claim), claims["sub"], self._changing.clock.real()
        if not isinstance(name, str):
            raise Forbidden(f"{of.name} does not say a name for a new account (claim {of.name_claim})")
        async with self._changing.of(
            request, "user added", name, by=of.name, issuer=of.issuer, subject=subject
        ) as connection:
            await add_account(connection, name, now, issuer=of.issuer, subject=subject)
            made = await account_of(connection, of.issuer, subject)
        if made is None:
            raise InputError(f"there is no user {name!r}")
        return made

    async def _follow_admin(
        self, request: Asked, of: ProviderSettings, claims: Mapping[str, Any], account: AccountRow
    ) -> None:
        admin = of.admin_group in groups_of(claims, of.groups_claim)
        if of.admin_group and admin != account.admin:
            async with self._changing.of(request, "user changed", account.name, by=of.name, admin=admin) as connection:
                await change_account(connection, account.id, admin=admin)

    async def _follow_teams(
        self, request: Asked, of: ProviderSettings, claims: Mapping[str, Any], account: AccountRow
    ) -> None:
        """Of the teams that the settings name; others are not the provider's."""
        groups = groups_of(claims, of.groups_claim)
        async with self._store.read() as connection:
            ids = {team.name: team.id for team in await list_teams(connection)}
            before = await teams_of(connection, account.id)
        named = {team for team in of.teams.values() if team in ids}
        wanted = {team for group, team in of.teams.items() if group in groups} & named
        leave, join = (named & before.keys()) - wanted, wanted - before.keys()
        if leave or join:
            said = {"by": of.name, "joined": sorted(join), "left": sorted(leave)}
            async with self._changing.of(request, "teams", account.name, **said) as connection:
                await set_teams(connection, account.id, {ids[team] for team in leave}, {ids[team] for team in join})
