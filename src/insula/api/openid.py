"""Signing in by OpenID Connect: to the provider, and back from it with a code (authorization code flow, with PKCE).

What a sign-in that has begun needs is in the database, so it may end in another process; it ends once, in the browser
that began it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from insula.access.secret import digest, new_secret
from insula.api.access import needs
from insula.api.asking import Asked, origin_of, public_url, signed_of
from insula.api.changing import Changing
from insula.api.errors import Forbidden, NotFound, RequestError, TooMany, Unauthorized
from insula.api.sessions import session_cookie
from insula.errors import InputError
from insula.store.openid import LASTS_MS, RequestRow, add_request, take_request
from insula.store.sessions import LONGEST_MS

if TYPE_CHECKING:  # Authlib is loaded only where a provider is set
    from insula.api.provider import Provider

BROWSER = "insula_openid"
PATH = "/api/v1/openid"
LONGEST_NEXT = 500


def checked_next(path: str) -> str:
    """Where to go at the end: a path of Insula's own. Raises RequestError for what leads a browser elsewhere."""
    plain = path.isprintable() and path.isascii() and "\\" not in path and " " not in path
    if not path.startswith("/") or path.startswith("//") or not plain or len(path) > LONGEST_NEXT or _leads_away(path):
        raise RequestError("next: a path of this server, as /rooms")
    return path


def _leads_away(path: str) -> bool:
    try:
        parts = urlsplit(path)
    except ValueError:
        return True
    return bool(parts.scheme or parts.netloc)


class OpenId:
    def __init__(self, changing: Changing, providers: Sequence["Provider"]) -> None:
        self._changing = changing
        self._store, self._people, self._clock = changing.store, changing.people, changing.clock
        self.providers: Mapping[str, Provider] = {provider.settings.name: provider for provider in providers}

    def provider(self, name: str) -> "Provider":
        """Raises NotFound."""
        if name not in self.providers:
            raise NotFound(f"no provider {name}")
        return self.providers[name]

    async def begin(self, request: Asked, name: str, next_: str, account: int | None = None) -> tuple[str, Cookie]:
        """Where the browser is to go, and the cookie by which it is known when it comes back. ``account``: to be
        linked. Raises NotFound, RequestError, TooMany, ProviderFailed."""
        provider, now = self.provider(name), self._clock.real()
        state, nonce, verifier = new_secret(), new_secret(), new_secret()
        browser = request.cookies.get(BROWSER) or new_secret()
        row = RequestRow(
            digest=digest(state),
            browser=digest(browser),
            provider=name,
            nonce=nonce,
            verifier=verifier,
            next=checked_next(next_),
            account=account,
            address=origin_of(request).address[:64],
            ends_at=now + LASTS_MS,
        )
        callback = _callback(request, name)
        url = await provider.address(state=state, nonce=nonce, verifier=verifier, redirect_uri=callback)
        async with self._store.write(alone=True) as connection:
            if not await add_request(connection, row, now):
                raise TooMany("too many sign-ins have begun", {"retry_after_s": LASTS_MS // 1000})
        secure = public_url(request).startswith("https:")
        return url, Cookie(
            key=BROWSER,
            value=browser,
            path=PATH,
            max_age=LASTS_MS // 1000,
            httponly=True,
            samesite="lax",
            secure=secure,
        )

    async def finish(self, request: Asked, name: str, query: Mapping[str, str]) -> tuple[str, Cookie | None]:
        """Where the browser goes, and the cookie of its session; None: an account was linked. Each refusal is in the
        audit. Raises TooMany, Unauthorized, Forbidden, ProviderFailed."""
        provider, origin = self.provider(name), origin_of(request)
        state = digest(query.get("state", ""))
        await self._people.check_attempts(f"openid {state[:16]}", origin.address, self._clock.real())
        subject: dict[str, Any] = {}
        try:
            row = await self._begun(request, name, state)
            claims = await self._claims(request, provider, row, query)
            subject = {"issuer": provider.settings.issuer, "subject": claims["sub"]}
            secret = await self._sign_in(request, provider, row, claims)
        except InputError as error:
            await self._people.refused(
                f"openid {state[:16]}", "", origin, {"by": name, "why": str(error)[:200], **subject}
            )
            raise
        return row.next, None if secret is None else session_cookie(request, secret, LONGEST_MS // 1000)

    async def _begun(self, request: Asked, name: str, state: str) -> RequestRow:
        browser = digest(request.cookies.get(BROWSER, ""))
        async with self._store.write(alone=True) as connection:
            row = await take_request(connection, state, browser, self._clock.real())
        if row is None or row.provider != name:
            raise Unauthorized("this sign-in was not begun in this browser, has ended, or took too long: begin again")
        return row

    async def _claims(
        self, request: Asked, provider: "Provider", row: RequestRow, query: Mapping[str, str]
    ) -> Mapping[str, Any]:
        if query.get("iss", provider.settings.issuer) != provider.settings.issuer:
            raise Unauthorized("another provider has answered (RFC 9207)")
        if "error" in query or not query.get("code"):
            raise Unauthorized(f"{row.provider} did not sign you in")
        callback = _callback(request, row.provider)
        return await provider.claims(query["code"], nonce=row.nonce, verifier=row.verifier, redirect_uri=callback)

    async def _sign_in(
        self, request: Asked, provider: "Provider", row: RequestRow, claims: Mapping[str, Any]
    ) -> str | None:
        from insula.api.linking import Linking

        linking = Linking(self._changing)
        if row.account is None:
            account = await linking.account(request, provider.settings, claims)
            return await self._people.begin(account, origin_of(request), by=row.provider)
        signed = signed_of(request)
        if signed.token or signed.person.id != row.account:
            raise Unauthorized("who began this is no longer signed in")
        await linking.link(request, provider.settings, claims["sub"], row.account)
        return None


def _callback(request: Asked, name: str) -> str:
    return f"{public_url(request)}{PATH}/{name}/callback"


def openid_routes(openid: OpenId) -> list[HTTPRouteHandler]:
    @get("/openid", summary="By which providers one may sign in", tags=["people"], opt=needs("nothing"))
    async def providers(request: Asked) -> dict[str, Any]:
        known = openid.providers.values()
        return {
            "providers": [
                {"name": one.settings.name, "button": one.settings.button or one.settings.name} for one in known
            ]
        }

    @get(
        "/openid/{provider:str}",
        summary="To the provider",
        tags=["people"],
        opt=needs("nothing", 404, 424, 429),
        status_code=302,
    )
    async def begin(request: Asked, provider: FromPath[str], next: FromQuery[str] = "/") -> Redirect:
        """For a browser to go to. ``next``: the path it is at when it has signed in."""
        url, cookie = await openid.begin(request, provider, next)
        return Redirect(url, status_code=302, cookies=[cookie], headers=UNKEPT)

    @get(
        "/openid/{provider:str}/callback",
        summary="Back from the provider",
        tags=["people"],
        opt=needs("nothing", 401, 403, 404, 424, 429),
        status_code=302,
    )
    async def finish(request: Asked, provider: FromPath[str]) -> Redirect:
        """With ``state``, ``code``, ``iss`` or ``error``, as the provider says. The session is as by a password."""
        path, cookie = await openid.finish(request, provider, request.query_params)
        return Redirect(path, status_code=302, cookies=[cookie] if cookie else None, headers=UNKEPT)

    @post(
        "/openid/{provider:str}/link",
        summary="Sign in by this provider too, from now on",
        tags=["people"],
        opt=needs("sign in", 404, 424, 429),
        status_code=200,
    )
    async def link(request: Asked, provider: FromPath[str], next: FromQuery[str] = "/") -> Response[dict[str, Any]]:
        """Answers with the ``url`` to go to. With a session, not with a token."""
        signed = signed_of(request)
        if signed.token:
            raise Forbidden("not with a token: sign in")
        url, cookie = await openid.begin(request, provider, next, signed.person.id)
        return Response({"url": url}, cookies=[cookie], headers=UNKEPT)

    return [providers, begin, finish, link]


UNKEPT = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
