"""Passwords and secrets: what is kept of them."""

import pytest

from insula.access.passwords import SHORTEST, hashed, is_outdated, is_right, new_password
from insula.access.secret import TOKEN, digest, new_secret
from insula.errors import InputError

OLD = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$wYd3YWrfBHPqBQpGPtDYvw"


def test_a_password_is_kept_as_argon2id_and_known_again() -> None:
    kept = hashed("vier Radiatoren")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert is_right("vier Radiatoren", kept)
    assert not is_right("fünf Radiatoren", kept)
    assert hashed("vier Radiatoren") != kept


def test_who_has_no_password_has_none_that_is_right() -> None:
    assert not is_right("", None)
    assert not is_right("anything at all", "not a sum of argon2")


@pytest.mark.parametrize("password", ["", "x" * (SHORTEST - 1), "x" * 1001])
def test_a_password_that_is_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(InputError, match="10 to 1000 characters"):
        hashed(password)


def test_one_made_with_other_parameters_is_made_again() -> None:
    assert is_outdated(OLD)
    assert not is_outdated(hashed("vier Radiatoren"))


def test_secrets_are_long_and_each_is_another() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    assert new_secret(TOKEN).startswith("insula_")
    assert len(digest(new_secret())) == 64
    assert len({new_password() for _ in range(100)}) == 100
