"""What a request can be answered with when it fails.

InputError
└── RequestError    status 400
    ├── NotFound    status 404
    └── TooLarge    status 413
"""

from insula.errors import InputError


class RequestError(InputError):
    status = 400


class NotFound(RequestError):
    status = 404


class TooLarge(RequestError):
    status = 413
