"""What a request can be answered with when it fails.

InputError
└── RequestError    status 400
    ├── Unauthorized  status 401
    ├── Forbidden   status 403
    ├── NotFound    status 404
    ├── Conflict    status 409
    ├── TooLarge    status 413
    ├── UnsupportedType  status 415
    ├── Unprocessable  status 422
    ├── ProviderFailed  status 424
    └── TooMany     status 429
"""

from collections.abc import Mapping
from typing import Any

from insula.errors import InputError


class RequestError(InputError):
    """``more``: what the answer says beside the text, by name."""

    status = 400

    def __init__(self, text: str, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.more = dict(more or {})


class Unauthorized(RequestError):
    """Nobody has signed in, or with what is not right."""

    status = 401


class Forbidden(RequestError):
    status = 403


class NotFound(RequestError):
    status = 404


class Conflict(RequestError):
    status = 409


class TooLarge(RequestError):
    status = 413


class UnsupportedType(RequestError):
    status = 415


class Unprocessable(RequestError):
    status = 422


class ProviderFailed(RequestError):
    """Who was to say who somebody is does not answer, or nonsense: not ours, and later it may."""

    status = 424


class TooMany(RequestError):
    status = 429
