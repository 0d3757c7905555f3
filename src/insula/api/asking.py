"""Who asks: each request is told whose it is, by a token or the cookie of a session; routes say what they need."""

from collections.abc import Mapping
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from insula.access.rights import Person
from insula.api.errors import Forbidden, Unauthorized
from insula.api.people import From, People
from insula.api.signed import Signed

COOKIE = "insula_session"
SIGN_IN = "sign in first"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Asked = Request[Person | None, Signed | None, Any]


class Asking:
    """ASGI: sets ``user`` and ``auth`` of the scope; None: nobody has signed in. The cookie of a request that acts is
    passed over unless a page of this server asks (OWASP, cross-site request forgery); one that only reads may come by
    a link. ``origins``: other sites whose pages may open a WebSocket."""

    def __init__(self, app: ASGIApp, people: People, origins: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._people = people
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in (ScopeType.HTTP, ScopeType.WEBSOCKET):
            signed = await self._signed(scope)
            scope["auth"] = signed
            scope["user"] = signed.person if signed is not None else None
        await self._app(scope, receive, send)

    async def _signed(self, scope: Scope) -> Signed | None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in HEADERS}
        bearer = headers.get(b"authorization", "")
        if bearer[:7].lower() == "bearer ":
            return await self._people.by_token(bearer[7:].strip())
        secret = cookie_of(headers.get(b"cookie", ""))
        return await self._people.by_session(secret) if secret and self._counts(scope, headers) else None

    def _counts(self, scope: Scope, headers: Mapping[bytes, str]) -> bool:
        """Whether a cookie does."""
        if scope["type"] == ScopeType.WEBSOCKET:
            return headers.get(b"origin", "") in self._origins or is_from_here(headers, pageless=True)
        if scope["method"] not in SAFE:
            return is_from_here(headers, pageless=True)
        return not scope["route_handler"].opt.get("acts") or is_from_here(headers, pageless=False)


HEADERS = frozenset({b"authorization", b"cookie", b"sec-fetch-site", b"origin", b"referer", b"host"})


def cookie_of(header: str) -> str:
    """The session's secret; empty: there is none."""
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def is_from_here(headers: Mapping[bytes, str], *, pageless: bool) -> bool:
    """Whether a page of this server asks. Over plain HTTP browsers tell no Sec-Fetch-Site, and with a GET no Origin.
    ``pageless``: what is said of requests that no page makes: of programs, typed addresses, links in a mail; a page
    elsewhere can hide behind that in a GET, but sends Origin with every other method (Fetch, section 3.2)."""
    site = headers.get(b"sec-fetch-site", "")
    if site:
        return site == "same-origin" or (pageless and site == "none")
    page = headers.get(b"origin") or headers.get(b"referer")
    if not page:
        return pageless
    return page.partition("://")[2].partition("/")[0] == headers.get(b"host") != ""


def signed_of(request: Asked) -> Signed:
    """Raises Unauthorized."""
    if request.auth is None:
        raise Unauthorized(SIGN_IN)
    return request.auth


def admin_of(request: Asked) -> Person:
    """Raises Unauthorized, Forbidden. A token does not do for what administrators do, unless it is not limited."""
    person = signed_of(request).person
    if not person.admin or person.limit != "manage" or person.rooms is not None:
        raise Forbidden("for administrators")
    return person


def public_url(request: Request[Any, Any, Any]) -> str:
    """Where browsers reach this: as the setting says, or as the request does; without a slash at its end."""
    return str(request.app.state.public_url or request.base_url).rstrip("/")


def origin_of(request: Request[Any, Any, Any]) -> From:
    client = request.client
    return From(client.host if client is not None else "", request.headers.get("user-agent", "")[:200])
