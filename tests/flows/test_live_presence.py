"""The live stream follows presence, and guests: what becomes live is shown, and what ends is taken away."""

import pytest

from insula.api.live.stream import SIGNED_OUT
from tests.flows.house import ROOM_1
from tests.flows.live_client import following, going_on
from tests.flows.test_guests import allow, come, place
from tests.flows.test_live import it as it
from tests.flows.test_live import url as url
from tests.flows.test_live import value_key
from tests.flows.test_presence import HERE, LEASE_S, THERE, drive, elsewhere, everywhere, report
from tests.flows.test_signing_in import ANNAS, Door, json


async def test_a_stream_shows_the_room_where_one_is_and_no_other(it: Door, url: str) -> None:
    anna = await everywhere(it)
    for number, value in ((1, 21.5), (2, 22.5)):
        await it.home.measure(number, "temperature", value)
    here, there = value_key(it, 1, "temperature"), value_key(it, 2, "temperature")
    async with following(url, it.home.clock, anna) as live:
        await live.next()
        assert here not in live.state
        await going_on(it.home.clock, report(elsewhere(it, anna), HERE))
        await live.until(here, value=21.5)
        await going_on(it.home.clock, report(elsewhere(it, anna), THERE))
        await live.until(there, value=22.5)
        assert here not in live.state
        await it.home.clock.advance(LEASE_S)
        while there in live.state:
            await live.next()


async def test_a_guests_stream_ends_when_they_are_sent_away(it: Door, url: str) -> None:
    guest, admin = await come(it, (await allow(it))["code"]), await it.admin()
    await it.home.measure(1, "temperature", 21.5)
    async with following(url, it.home.clock, guest) as live:
        await live.until(value_key(it, 1, "temperature"), value=21.5)
        await drive(guest, ROOM_1)
        while not live.results:
            await live.next()
        assert [one["outcome"] for one in live.results] == ["done"]
        json(await going_on(it.home.clock, admin.delete(place(it))))
        assert await live.closed() == (SIGNED_OUT, "signed out")


@pytest.mark.parametrize("name", ["console", "anna (console)"])
async def test_no_account_is_called_as_the_console_is_in_what_is_recorded(it: Door, name: str) -> None:
    json(await (await it.admin()).post("/users", json={"name": name, "password": ANNAS}), 400)
