"""What a gateway says, in order, whatever the bus does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from insula.clock import ManualClock, settle
from insula.errors import InputError, Unavailable, UnknownDevice
from insula.gateways import outbox as module
from insula.gateways.outbox import Outbox
from insula.messages import BusMessage, Health, Reading


class Wire:
    """The sending half of a Channel. ``refused``: parts whose messages have no wire form."""

    def __init__(self) -> None:
        self.lots: list[list[str]] = []
        self.away = False
        self.refused: set[str] = set()

    async def send(self, *messages: BusMessage) -> None:
        if self.away:
            raise Unavailable("no broker")
        names = [message.part if isinstance(message, Health) else message.point for message in messages]
        if bad := self.refused.intersection(names):
            raise UnknownDevice(str(bad))
        self.lots.append(names)

    @property
    def told(self) -> list[str]:
        return [name for lot in self.lots for name in lot]


def news(name: str) -> Health:
    return Health(part=name, instance="1", at=0)


def reading(point: str) -> Reading:
    return Reading(at=0, device_id=1, gateway_id="g", point=point, value=0, measured_at=0, changed_at=0)


@asynccontextmanager
async def open_outbox(wire: Wire, clock: ManualClock) -> AsyncIterator[Outbox]:
    outbox = Outbox(wire, clock)
    running = asyncio.create_task(outbox.run())
    yield outbox
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_what_is_put_goes_out_in_order_and_in_lots(clock: ManualClock) -> None:
    wire = Wire()
    async with open_outbox(wire, clock) as outbox:
        names = [str(number) for number in range(module.LOT + 1)]
        outbox.put(*map(news, names))
        await outbox.idle()
    assert wire.told == names
    assert [len(lot) for lot in wire.lots] == [module.LOT, 1]


async def test_it_is_idle_when_there_is_nothing_to_say(clock: ManualClock) -> None:
    async with open_outbox(Wire(), clock) as outbox, asyncio.timeout(10):
        outbox.put()
        await outbox.idle()
        assert outbox.dropped == 0


async def test_what_has_no_wire_form_holds_back_nothing_else(clock: ManualClock) -> None:
    wire = Wire()
    wire.refused = {"b"}
    async with open_outbox(wire, clock) as outbox:
        outbox.put(news("a"), news("b"), news("c"))
        await outbox.idle()
    assert wire.told == ["a", "c"]
    assert issubclass(UnknownDevice, InputError)


async def test_while_the_bus_is_away_it_tries_again_and_keeps_the_order(clock: ManualClock) -> None:
    wire = Wire()
    wire.away = True
    async with open_outbox(wire, clock) as outbox:
        outbox.put(news("a"))
        await clock.advance(5)
        outbox.put(news("b"))
        wire.away = False
        await clock.advance(module.RETRY_S)
    assert wire.told == ["a", "b"]


async def test_past_its_limit_readings_are_dropped_and_results_are_not(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMIT", 2)
    wire = Wire()
    outbox = Outbox(wire, clock)
    outbox.put(reading("position"), reading("slat"), reading("level"), news("a"))
    running = asyncio.create_task(outbox.run())
    await settle()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert wire.told == ["position", "slat", "a"]
    assert outbox.dropped == 1
