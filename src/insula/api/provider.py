"""The other side of signing in by OpenID Connect: a provider's discovery document, its keys, and a code for a token.

Asked only when somebody signs in, and only for so long: a provider that is away keeps nothing else from working.
"""

import asyncio
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from insula.access.id_token import Metadata, UnknownKey, read_id_token
from insula.api.errors import ProviderFailed, Unauthorized
from insula.clock import Clock
from insula.errors import InputError

KEPT_MS = 3_600_000
"""The discovery document and the keys are asked for again after so long (real time), or for an unknown key."""
WITHIN_S = 10
"""So long a provider has for one answer (real time)."""
MOST_BYTES = 1_000_000

log = structlog.get_logger("insula.openid")
T = TypeVar("T")


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """As settings.py says of one in ``openid``; ``name``: under which it is there."""

    name: str
    issuer: str
    client_id: str
    client_secret: str
    button: str = ""
    scopes: str = "openid profile"
    name_claim: str = "preferred_username"
    create_accounts: bool = False
    groups_claim: str = "groups"
    admin_group: str = ""
    teams: Mapping[str, str] = {}

    def __repr__(self) -> str:
        """Without its secret."""
        return f"ProviderSettings({self.name!r}, {self.issuer!r})"


_tls = cache(httpx.create_ssl_context)
"""Made once: it reads all the certificates that are trusted."""


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""


class Provider:
    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._kept: tuple[Metadata, KeySet] | None = None
        self._until = 0

    async def address(self, *, state: str, nonce: str, verifier: str, redirect_uri: str) -> str:
        """Where a browser is sent to sign in, with PKCE (RFC 7636). Raises ProviderFailed."""
        metadata, _ = await self._known()
        of = self.settings
        uri = prepare_grant_uri(
            metadata.authorization_endpoint,
            of.client_id,
            "code",
            redirect_uri,
            of.scopes,
            state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return str(uri)

    async def claims(self, code: str, *, nonce: str, verifier: str, redirect_uri: str) -> Mapping[str, Any]:
        """What the provider says of who signed in. Raises Unauthorized: it does not take the code, or its token is not
        right; ProviderFailed."""
        metadata, keys = await self._known()
        tokens = await self._tokens(metadata, code, verifier, redirect_uri)
        try:
            return self._read(tokens, keys, nonce)
        except UnknownKey:
            _, keys = await self._asked()
            return self._read(tokens, keys, nonce, again=True)

    def _read(self, tokens: _Tokens, keys: KeySet, nonce: str, *, again: bool = False) -> Mapping[str, Any]:
        of = self.settings
        try:
            return read_id_token(
                tokens.id_token,
                keys,
                issuer=of.issuer,
                client_id=of.client_id,
                nonce=nonce,
                access_token=tokens.access_token,
                now=self._clock.real(),
            )
        except InputError as error:
            if isinstance(error, UnknownKey) and not again:
                raise
            raise Unauthorized(str(error)) from None

    # --- the provider's answers

    async def _tokens(self, metadata: Metadata, code: str, verifier: str, redirect_uri: str) -> _Tokens:
        of = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            auth = httpx.BasicAuth(quote(of.client_id, safe=""), quote(of.client_secret, safe=""))
            status, body = await self._answer("POST", metadata.token_endpoint, data=form, auth=auth)
        else:
            secret = {"client_id": of.client_id, "client_secret": of.client_secret}
            status, body = await self._answer("POST", metadata.token_endpoint, data=form | secret)
        if status in (400, 401, 403):
            said = self._decoded(body, _Refusal, "token").error
            log.warning("a provider took no code", provider=of.name, status=status, error=said[:60])
            raise Unauthorized("the provider does not take the code: sign in again")
        self._check(status, "token")
        return self._decoded(body, _Tokens, "token")

    async def _known(self) -> tuple[Metadata, KeySet]:
        if self._kept is None or self._clock.real() >= self._until:
            return await self._asked()
        return self._kept

    async def _asked(self) -> tuple[Metadata, KeySet]:
        of = self.settings
        found = await self._get(f"{of.issuer.rstrip('/')}/.well-known/openid-configuration", "discovery")
        metadata = self._decoded(found, Metadata, "discovery")
        if metadata.issuer != of.issuer:
            raise self._failed("discovery", f"names another issuer than {of.issuer}")
        schemes = {"https", of.issuer.partition(":")[0]}
        for url in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
            if url.partition(":")[0] not in schemes:
                raise self._failed("discovery", "names an address without TLS")
        try:
            keys = KeySet.import_key_set(msgspec.json.decode(await self._get(metadata.jwks_uri, "keys")))
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._failed("keys", "they cannot be read") from None
        self._kept, self._until = (metadata, keys), self._clock.real() + KEPT_MS
        return self._kept

    async def _get(self, url: str, what: str) -> bytes:
        status, body = await self._answer("GET", url)
        self._check(status, what)
        return body

    async def _answer(self, method: str, url: str, **more: Any) -> tuple[int, bytes]:
        """Redirects are not followed. Raises ProviderFailed."""
        body = b""
        try:
            async with (
                asyncio.timeout(WITHIN_S),
                httpx.AsyncClient(timeout=WITHIN_S, verify=_tls(), headers={"Accept": "application/json"}) as http,
                http.stream(method, url, **more) as answer,
            ):
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise self._failed("answer", "it does not end")
                return answer.status_code, body
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, ValueError) as error:
            raise self._failed("answer", type(error).__name__) from None

    def _check(self, status: int, what: str) -> None:
        if status != 200:
            raise self._failed(what, f"answered by {status}")

    def _decoded(self, body: bytes, type_: type[T], what: str) -> T:
        try:
            return msgspec.json.decode(body, type=type_)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._failed(what, "it cannot be read") from None

    def _failed(self, what: str, why: str) -> ProviderFailed:
        log.warning("a provider of sign-in failed", provider=self.settings.name, what=what, why=why)
        return ProviderFailed(f"signing in by {self.settings.name} does not work now ({what}: {why}); try again later")


class _Refusal(msgspec.Struct, frozen=True):
    """RFC 6749, 5.2."""

    error: str = ""
