"""A provider of OpenID Connect on loopback, with keys and signatures of its own (OpenID Connect Core 1.0, 3.1).

It signs in whoever comes, as ``person``; what a test wants to be wrong it says in ``wrong``.
"""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from insula.clock import Clock

CLIENT, SECRET = "insula", "a secret of the client & more"
RSA = [RSAKey.generate_key(2048, {"kid": f"rsa {number}", "use": "sig"}) for number in (1, 2)]
EC = ECKey.generate_key("P-256", {"kid": "ec 1", "use": "sig", "alg": "ES256"})


@dataclass
class OpenIdProvider:
    """``keys``: published, the first signs; ``signs``: another key that signs, unless None. ``answers``: path -> status
    and text, in place of what it would answer. ``claims``: over those that it would say; None takes one away."""

    clock: Clock
    issuer: str = ""
    person: str = "subject 1"
    keys: list[Key] = field(default_factory=lambda: [RSA[0]])
    signs: Key | None = None
    algorithm: str = "RS256"
    claims: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @web.middleware
    async def spoilt(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path in self.answers:
            status, text = self.answers[request.path]
            return web.Response(status=status, text=text, headers={"Location": f"{self.issuer}/elsewhere"})
        answer: web.StreamResponse = await handler(request)
        return answer

    async def discovery(self, request: web.Request) -> web.Response:
        known = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?realm=house",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
        }
        return web.json_response(known | self.metadata)

    async def published(self, request: web.Request) -> web.Response:
        return web.json_response(KeySet(self.keys).as_dict(private=False))

    async def authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert (asked["realm"], asked["response_type"], asked["client_id"]) == ("house", "code", CLIENT)
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = f"code-{len(self.asked)}"
        self.codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.issuer}
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode(back)}")

    async def token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if self._client(request, form) != (CLIENT, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        asked = self.codes.pop(form["code"], None)
        if asked is None or not self._fits(asked, form):
            return web.json_response({"error": "invalid_grant"}, status=400)
        access = "an access token"
        return web.json_response(
            {"id_token": self._signed(asked["nonce"], access), "access_token": access, "token_type": "Bearer"}
        )

    def _client(self, request: web.Request, form: dict[str, str]) -> tuple[str, str]:
        kind, _, sent = request.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return form.get("client_id", ""), form.get("client_secret", "")
        name, _, secret = base64.b64decode(sent).decode().partition(":")
        return unquote(name), unquote(secret)

    def _fits(self, asked: dict[str, str], form: dict[str, str]) -> bool:
        challenge = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        return (challenge, form["redirect_uri"]) == (asked["code_challenge"], asked["redirect_uri"])

    def _signed(self, nonce: str, access: str) -> str:
        now = self.clock.real() // 1000
        half = base64.urlsafe_b64encode(sha256(access.encode()).digest()[:16]).decode().rstrip("=")
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": self.person, "iat": now, "exp": now + 300, "nonce": nonce}
        claims |= {"at_hash": half, "preferred_username": "anna.m", "email": "admin@house.example", **self.claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.algorithm == "none":
            return _unsigned(claims)
        key = self.signs or self.keys[0]
        return jwt.encode({"alg": self.algorithm, "kid": key.kid}, claims, key, algorithms=[self.algorithm])


def _unsigned(claims: dict[str, Any]) -> str:
    from json import dumps

    parts = (base64.urlsafe_b64encode(dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims))
    return f"{'.'.join(parts)}."


@asynccontextmanager
async def openid_provider(clock: Clock) -> AsyncIterator[OpenIdProvider]:
    """It serves on a free port of loopback."""
    it = OpenIdProvider(clock)
    app = web.Application(middlewares=[it.spoilt])
    app.router.add_get("/.well-known/openid-configuration", it.discovery)
    app.router.add_get("/keys", it.published)
    app.router.add_get("/authorize", it.authorize)
    app.router.add_post("/token", it.token)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    it.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield it
    finally:
        await runner.cleanup()
