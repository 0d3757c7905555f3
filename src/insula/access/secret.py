"""Sessions and API tokens: random secrets, of which only the sum is kept."""

import secrets
from hashlib import sha256

TOKEN = "insula_"
"""How every API token begins: so that programs which look for leaked secrets know one."""


def new_secret(prefix: str = "") -> str:
    """256 random bits: nobody guesses them, so no slow sum is needed."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of it, as 64 hexadecimal digits."""
    return sha256(secret.encode()).hexdigest()
