"""What a provider of OpenID Connect says of itself, and of who signed in. Pure (OpenID Connect Core 1.0, 3.1.3.7)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from insula.errors import InputError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures by a key of the provider's own: no ``none``, and none by a secret that we know too."""
LEEWAY_S = 60
"""Clocks of two machines may differ by so much."""
LONGEST = 200
"""Characters of a subject, as the table Account keeps it."""


class Metadata(msgspec.Struct, frozen=True):
    """Its discovery document, as far as it is used (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class UnknownKey(InputError):
    """The token is signed with a key that the provider did not have when it was asked: it may have a new one."""


def read_id_token(
    token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, access_token: str, now: int
) -> Mapping[str, Any]:
    """Its claims, once all of it is right. ``now``: ms, real time. Raises UnknownKey, InputError: what is wrong, never
    what is in it."""
    try:
        read = jwt.decode(token, keys, algorithms=ALGORITHMS)
        options = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}}
        params = {"client_id": client_id, "nonce": nonce, "access_token": access_token}
        claims = CodeIDToken(read.claims, read.header, options, params)
        claims.validate(now=now // 1000, leeway=LEEWAY_S)
    except InvalidKeyIdError:
        raise UnknownKey("the ID token is signed with an unknown key") from None
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise InputError(f"the ID token is not right: {_reason(error)}") from None
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= LONGEST:
        raise InputError("the ID token is not right: sub")
    return dict(claims)


def groups_of(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    """What somebody belongs to. ``claim``: its name, or a way into objects (``realm_access.roles``)."""
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    many = found if isinstance(found, list) else [found]
    return frozenset(one for one in many if isinstance(one, str))


def _reason(error: Exception) -> str:
    claim = getattr(error, "claim", None)
    return f"{claim} ({type(error).__name__})" if isinstance(claim, str) else type(error).__name__
