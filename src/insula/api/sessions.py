"""Signing in and out, one's own password and API tokens."""

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from insula.access.rights import Level, Person
from insula.access.secret import TOKEN, digest, new_secret
from insula.api.access import needs
from insula.api.asking import COOKIE, Asked, origin_of, public_url, signed_of
from insula.api.audit import Audit
from insula.api.changing import Changing
from insula.api.errors import Forbidden, NotFound, Unauthorized
from insula.api.signed import Signed
from insula.store.accounts import change_account, checked_name, get_account
from insula.store.guests import end_guest
from insula.store.sessions import (
    LONGEST_MS,
    SessionRow,
    TokenRow,
    add_token,
    end_sessions,
    remove_token,
    sessions_of,
    tokens_of,
)

Body = Annotated[str, msgspec.Meta(max_length=1000)]


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Body
    password: Body


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    old: Body
    new: Body


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``level``: no more than that; ``rooms``: ids, None: all that one may; ``days``: None: until it is revoked."""

    name: Body
    level: Level = "manage"
    rooms: tuple[int, ...] | None = None
    days: Annotated[float, msgspec.Meta(gt=0, le=3660)] | None = None


def session_routes(changing: Changing, audit: Audit) -> list[HTTPRouteHandler]:
    store, people, clock = changing.store, changing.people, changing.clock

    @post("/session", summary="Sign in", tags=["people"], status_code=200, opt=needs("nothing", 401, 429))
    async def sign_in(request: Asked, data: JSONBody[SignIn]) -> Response[dict[str, Any]]:
        """Answers with a cookie that JavaScript cannot read and no other site's page can use."""
        secret = await people.sign_in(data.name, data.password, origin_of(request))
        signed = await people.by_session(secret)
        if signed is None:
            raise Unauthorized("the account was closed")
        return Response(await shown(signed), cookies=[session_cookie(request, secret, LONGEST_MS // 1000)])

    @get(
        "/session",
        summary="Who one is, and what one may do in which room",
        tags=["people"],
        opt=needs("sign in", guests=True),
    )
    async def me(request: Asked) -> dict[str, Any]:
        return await shown(signed_of(request))

    @delete("/session", summary="Sign out", tags=["people"], opt=needs("sign in", guests=True), status_code=200)
    async def sign_out(request: Asked) -> Response[dict[str, Any]]:
        signed = signed_of(request)
        if not signed.token:
            async with changing.of(request, "sign out", signed.person.name) as connection:
                if signed.person.guest:
                    await end_guest(connection, -signed.person.id)
                else:
                    await end_sessions(connection, signed.person.id, digest=signed.digest)
        return Response({"ended": not signed.token}, cookies=[session_cookie(request, "", 0)])

    @get("/sessions", summary="Where one is signed in", tags=["people"], opt=needs("sign in"))
    async def sessions(request: Asked) -> dict[str, Any]:
        signed = signed_of(request)
        async with store.read() as connection:
            found = await sessions_of(connection, signed.person.id)
        return {"sessions": [_session(one, signed) for one in found]}

    @delete("/sessions", summary="Sign out everywhere else", tags=["people"], opt=needs("sign in"), status_code=200)
    async def end_others(request: Asked) -> dict[str, Any]:
        signed = _by_session(request)
        async with changing.of(request, "sign out everywhere", signed.person.name) as connection:
            for one in await sessions_of(connection, signed.person.id):
                if one.digest != signed.digest:
                    await end_sessions(connection, signed.person.id, digest=one.digest)
        return {"ended": True}

    @put("/password", summary="Change one's password", tags=["people"], opt=needs("sign in"))
    async def password(request: Asked, data: JSONBody[NewPassword]) -> dict[str, Any]:
        """Every other session of the account ends."""
        signed = _by_session(request)
        async with store.read() as connection:
            account = await get_account(connection, signed.person.name)
        if not await people.is_right(data.old, account.password):
            await audit.note(request, "password refused", signed.person.name)
            raise Forbidden("the old password is not right")
        new = await people.hashed(data.new)
        async with changing.of(request, "password", signed.person.name) as connection:
            await change_account(connection, account.id, password=new)
            for one in await sessions_of(connection, account.id):
                if one.digest != signed.digest:
                    await end_sessions(connection, account.id, digest=one.digest)
        return {"changed": True}

    # --- tokens

    @get("/tokens", summary="One's API tokens", tags=["people"], opt=needs("sign in"))
    async def tokens(request: Asked) -> dict[str, Any]:
        async with store.read() as connection:
            return {"tokens": await tokens_of(connection, signed_of(request).person.id)}

    @post("/tokens", summary="A new API token", tags=["people"], opt=needs("sign in", 404))
    async def make_token(request: Asked, data: JSONBody[NewToken]) -> dict[str, Any]:
        """``token`` is shown here and never again: only its sum is kept. 404: a room that one may not see, not even by
        being there, or that there is not."""
        person = _by_session(request).person
        await check_rooms(person, data.rooms or ())
        now, secret = clock.real(), new_secret(TOKEN)
        ends_at = None if data.days is None else now + round(data.days * 86_400_000)
        row = TokenRow(0, person.id, checked_name(data.name), data.level, data.rooms, now, ends_at)
        async with changing.of(request, "token made", data.name, level=data.level, rooms=data.rooms) as connection:
            id_ = await add_token(connection, digest(secret), row)
        return {"id": id_, "name": data.name, "token": secret, "ends_at": ends_at}

    @delete("/tokens/{id:int}", summary="Revoke an API token", tags=["people"], opt=needs("sign in"), status_code=200)
    async def revoke_token(request: Asked, id: FromPath[int]) -> dict[str, Any]:
        person = signed_of(request).person
        async with changing.of(request, "token revoked", str(id)) as connection:
            await remove_token(connection, person.id, id)
        return {"revoked": id}

    async def check_rooms(person: Person, rooms: tuple[int, ...]) -> None:
        """Raises NotFound."""
        places = await people.places()
        for room in rooms:
            if room not in places or person.level(places[room], there=True) is None:
                raise NotFound(f"no room {room}")

    async def shown(signed: Signed) -> dict[str, Any]:
        """``rooms``: what one may do now; ``while_there``: what more one could, by being there."""
        person = signed.person
        there = {place.room: person.while_there(place) for place in (await people.places()).values()}
        return {
            "name": person.name,
            "admin": person.admin,
            "guest": person.guest,
            "rooms": signed.levels,
            "while_there": {room: level for room, level in there.items() if level and level != signed.levels.get(room)},
        }

    return [sign_in, me, sign_out, sessions, end_others, password, tokens, make_token, revoke_token]


def _by_session(request: Asked) -> Signed:
    """What an API token does not do: whoever has found one cannot make it last. Raises Unauthorized, Forbidden."""
    signed = signed_of(request)
    if signed.token:
        raise Forbidden("not with a token: sign in")
    return signed


def session_cookie(request: Asked, secret: str, seconds: int) -> Cookie:
    """``seconds``: 0 takes it away. Over TLS it is for TLS alone."""
    secure = public_url(request).startswith("https:")
    return Cookie(key=COOKIE, value=secret, max_age=seconds, httponly=True, samesite="lax", secure=secure)


def _session(one: SessionRow, signed: Signed) -> dict[str, Any]:
    fields = ("created_at", "seen_at", "ends_at", "address", "agent")
    return {**{name: getattr(one, name) for name in fields}, "this": one.digest == signed.digest}
