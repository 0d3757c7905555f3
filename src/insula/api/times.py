"""Times in requests."""

from datetime import UTC, datetime
from typing import Annotated

from litestar.params import QueryParameter

from insula.api.errors import RequestError

_ABOUT = "ISO 8601 (without an offset: UTC), or milliseconds since 1970; building's clock"
From = Annotated[str, QueryParameter(name="from", description=_ABOUT)]
To = Annotated[str, QueryParameter(name="to", description=_ABOUT)]


def moment(text: str, default: int) -> int:
    """ms; the default if nothing was given. Raises RequestError."""
    if not text:
        return default
    if text.isdecimal() and len(text) <= 15:
        return int(text)
    try:
        time = datetime.fromisoformat(text.replace(" ", "+"))  # an unquoted + of an offset
    except ValueError:
        raise RequestError(f"{text!r} is no time, such as 2026-03-11T14:00:00Z") from None
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
