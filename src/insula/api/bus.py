"""A window on the bus: its records as they are on the wire, and a way to put one there, as a program of 2020 would."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal, TypedDict

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream

from insula.api.asking import Asked
from insula.api.audit import Audit
from insula.api.errors import NotFound, RequestError, TooLarge
from insula.bus.channel import Channel
from insula.bus.port import Outgoing, Record, Start, Subscription
from insula.bus.topics import TOPICS
from insula.errors import RecordTooLarge, Unavailable

KEEPALIVE_S = 15.0
_encode = msgspec.json.Encoder().encode


class NewRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``value`` is the JSON value of the record; None is a tombstone."""

    key: str
    value: dict[str, Any] | None = None


class Put(TypedDict):
    topic: str
    key: str


class BusWindow:
    """The streams that are open, so that they end in an orderly way with the application."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._open: set[Subscription] = set()
        self._closed = False

    async def lines(self, topic: str, start: Start) -> AsyncIterator[bytes]:
        """Records as they are on the wire. An empty line every 15 s lets a dropped connection be noticed."""
        if self._closed:
            return
        subscription = await self._channel.bus.subscribe([topic], name="api bus window", start=start, slow="latest")
        self._open.add(subscription)
        try:
            while not self._closed:
                try:
                    async with asyncio.timeout(KEEPALIVE_S):
                        records = await subscription.batch()
                except TimeoutError:
                    yield b"\n"
                    continue
                for record in records:
                    yield _line(record)
        except Unavailable:
            return
        finally:
            self._open.discard(subscription)
            await subscription.close()

    @property
    def open(self) -> int:
        """Streams that are followed now."""
        return len(self._open)

    async def close(self) -> None:
        """End every stream; one that is asked for later ends at once."""
        self._closed = True
        for subscription in tuple(self._open):
            await subscription.close()


def bus_routes(channel: Channel, window: BusWindow, audit: Audit) -> list[HTTPRouteHandler]:
    @get("/{topic:str}", summary="Follow a topic (one JSON object a line)", tags=["bus"])
    async def follow(topic: FromPath[str], start: FromQuery[Literal["beginning", "end"]] = "end") -> Stream:
        _check(topic)
        return Stream(window.lines(topic, start), media_type="application/x-ndjson")

    @post("/{topic:str}", summary="Put a record on a topic", tags=["bus"], status_code=202)
    async def produce(request: Asked, topic: FromPath[str], data: JSONBody[NewRecord]) -> Put:
        _check(topic)
        if topic not in ("knx", "zwave"):
            raise RequestError(f"records of {topic} are made by Insula's own parts")
        value = None if data.value is None else _encode(data.value)
        await audit.note(request, "record put", topic, key=data.key[:200])
        try:
            await channel.bus.publish([Outgoing(topic, data.key, value)])
        except RecordTooLarge as error:
            raise TooLarge(str(error)) from error
        return {"topic": topic, "key": data.key}

    return [follow, produce]


def _check(topic: str) -> None:
    if topic not in TOPICS:
        raise NotFound(f"no topic {topic}; there are: {', '.join(TOPICS)}")


def _line(record: Record) -> bytes:
    value = None if record.value is None else msgspec.Raw(record.value)
    return _encode({"place": record.place, "key": record.key, "headers": record.headers, "value": value}) + b"\n"
