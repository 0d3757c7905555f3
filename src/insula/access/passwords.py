"""Passwords, kept as argon2id (RFC 9106), with the parameters that OWASP's cheat sheet gives for servers."""

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from insula.errors import InputError

SHORTEST, LONGEST = 10, 1000
"""Characters (NIST SP 800-63B asks for no rules beside a length)."""

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@cache
def _nobodys() -> str:
    """What a name that does not exist is checked against: it takes as long as one that does. Made when it is needed:
    19 MiB and 20 ms are not for each start."""
    return _hasher.hash(secrets.token_hex())


def hashed(password: str) -> str:
    """Some 20 ms of computing. Raises InputError."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(f"a password has {SHORTEST} to {LONGEST} characters")
    return _hasher.hash(password)


def is_right(password: str, kept: str | None) -> bool:
    """Takes as long for a person without a password."""
    try:
        return _hasher.verify(kept or _nobodys(), password[: LONGEST + 1]) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(kept: str) -> bool:
    """Whether it was made with other parameters: to be made again when the password is known."""
    return _hasher.check_needs_rehash(kept)


def new_password() -> str:
    """Of 80 bits, easily typed."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4))
