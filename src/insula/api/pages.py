"""Long lists, page by page. A cursor is the key of a page's last item: what is added meanwhile moves no page."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

import msgspec
from litestar.params import QueryParameter

from insula.api.errors import RequestError

T = TypeVar("T")
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="items a page")]
Cursor = Annotated[
    str,
    QueryParameter(
        description="`next` of the page before; empty: the first page. The filters must be the same",
        schema_extra={"maxLength": 500},
    ),
]
Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""In a cursor, which may be a stranger's: what a database takes."""
_ALPHABET = re.compile(r"[A-Za-z0-9_-]{1,500}", re.ASCII)


def cursor_of(*key: Any) -> str:
    return urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def place_of(cursor: str, key: type[T]) -> T | None:
    """The key that a cursor holds, None for an empty one. ``key``: its type, a tuple. Raises RequestError."""
    if not cursor:
        return None
    try:
        if not _ALPHABET.fullmatch(cursor):
            raise ValueError
        return msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=key)
    except (ValueError, msgspec.MsgspecError):
        raise RequestError("cursor: it is not one that was given as `next`") from None


def cut(items: Iterable[T], key: Callable[[T], Any], after: Any | None, limit: int) -> tuple[list[T], str | None]:
    """The page of ``items`` (in any order) that begins after the key ``after``, and its ``next``; None: the last."""
    following = sorted((item for item in items if after is None or key(item) > after), key=key)
    shown = following[:limit]
    return shown, cursor_of(*key(shown[-1])) if len(following) > limit else None
