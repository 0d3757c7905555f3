"""The messages of the stream (docs/how-to/live.md): how the server's are put together, and the client's read."""

from collections.abc import Collection, Iterable
from typing import Annotated, Literal

import msgspec

from insula.api.errors import RequestError
from insula.api.live.picture import Key

Why = Literal["overflow", "rights", "building", "narrowed"]
"""Of a fresh picture: too much has changed meanwhile; other rights; other devices; as the client asked."""
MOST_NAMED = 10_000
Text = Annotated[str, msgspec.Meta(max_length=255)]


class Narrow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client wants to see of what it may: rooms by id, and those of buildings by name; None of both: all."""

    rooms: Annotated[frozenset[int], msgspec.Meta(max_length=MOST_NAMED)] | None = None
    buildings: Annotated[frozenset[Text], msgspec.Meta(max_length=MOST_NAMED)] | None = None

    @property
    def all(self) -> bool:
        return self.rooms is None and self.buildings is None


_narrow = msgspec.json.Decoder(Narrow)


def read_narrow(text: str) -> Narrow:
    """Raises RequestError: what is wrong with it."""
    try:
        return _narrow.decode(text)
    except RecursionError as error:
        raise RequestError("the JSON is nested too deeply") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise RequestError(str(error)) from error


def narrow_of(rooms: str | None, buildings: str | None) -> Narrow:
    """Of the query: ``rooms=3,4&buildings=North``. Raises RequestError."""
    try:
        numbers = None if rooms is None else frozenset(int(id_) for id_ in rooms.split(",") if id_)
    except ValueError as error:
        raise RequestError(f"rooms: {rooms!r} are no ids, such as 3,4") from error
    return Narrow(numbers, None if buildings is None else frozenset(filter(None, buildings.split(","))))


def joined(entries: Iterable[tuple[Key, bytes]]) -> bytes:
    """The members of a JSON object: each entry under its key."""
    return b",".join([_name(key) + b":" + data for key, data in entries])


def names(keys: Iterable[Key]) -> bytes:
    """The items of a JSON array."""
    return b",".join(map(_name, keys))


def _name(key: Key) -> bytes:
    kind, id_, point = key
    return msgspec.json.encode(f"{kind}/{id_}/{point}" if point else f"{kind}/{id_}" if id_ != "" else kind)


def whole(seq: int, times: tuple[int, int], entries: bytes, results: Collection[bytes], why: Why | None) -> str:
    """``snapshot``, the first of a stream, or ``resync``, which takes the place of all that was before."""
    kind = b'"type":"snapshot"' if why is None else b'"type":"resync","why":"%b"' % why.encode()
    return _text(b'{%b,"seq":%d,%b,"set":{%b},"results":[%b]}', kind, seq, _times(times), entries, b",".join(results))


def changes(
    seq: int, after: int, times: tuple[int, int], entries: bytes, gone: bytes, results: Collection[bytes] = ()
) -> str:
    """``after``: what came up to this number is in it or before it."""
    form = b'{"type":"changes","seq":%d,"after":%d,%b,"set":{%b},"gone":[%b],"results":[%b]}'
    return _text(form, seq, after, _times(times), entries, gone, b",".join(results))


def _times(times: tuple[int, int]) -> bytes:
    return b'"at":%d,"now":%d' % times


def _text(form: bytes, *parts: int | bytes) -> str:
    return (form % parts).decode()
