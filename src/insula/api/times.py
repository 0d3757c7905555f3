"""Times in requests."""

from datetime import UTC, datetime
from typing import Annotated

from litestar.params import QueryParameter

from insula.api.errors import RequestError

_ABOUT = "ISO 8601 (without an offset: UTC), or milliseconds since 1970; building's clock"
From = Annotated[str, QueryParameter(name="from", description=_ABOUT)]
To = Annotated[str, QueryParameter(name="to", description=_ABOUT)]


EARLIEST, LATEST = -62_000_000_000_000, 253_000_000_000_000
"""ms, of the years 5 and 9987: about as far as calendars go here."""
DAY_MS = 86_400_000
LONGEST_DAYS = 4000


def moment(text: str, default: int) -> int:
    """ms; the default if nothing was given. Raises RequestError."""
    if not text:
        return default
    found = int(text) if text.isdecimal() and len(text) <= 15 else _of_iso(text)
    if not EARLIEST <= found <= LATEST:
        raise RequestError(f"{text!r} is further away than calendars go")
    return found


def span(begin: str, end: str, now: int) -> tuple[int, int]:
    """By default the last 24 hours (ms). Raises RequestError."""
    until = moment(end, now)
    since = moment(begin, until - DAY_MS)
    if not since < until <= since + LONGEST_DAYS * DAY_MS:
        raise RequestError(f"a time that ends after it begins, and not more than {LONGEST_DAYS} days later")
    return since, until


def _of_iso(text: str) -> int:
    try:
        time = datetime.fromisoformat(text.replace(" ", "+"))  # an unquoted + of an offset
    except ValueError:
        raise RequestError(f"{text!r} is no time, such as 2026-03-11T14:00:00Z") from None
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
