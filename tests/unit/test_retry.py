"""A part that lost what it needs begins again."""

import asyncio

import pytest
from structlog.testing import capture_logs

from insula.clock import ManualClock
from insula.errors import InputError, Unavailable
from insula.retry import AGAIN_S, begin_again, once_there


async def test_it_begins_again_until_it_ends_by_itself(clock: ManualClock) -> None:
    ends: list[BaseException | None] = [Unavailable("the broker"), Unavailable("the broker"), None]

    async def run() -> None:
        end = ends.pop(0)
        async with asyncio.TaskGroup():
            if end is not None:
                raise end

    running = asyncio.create_task(begin_again("recorder", run, clock))
    await clock.advance(AGAIN_S * 2)
    assert running.done()
    assert not ends


async def test_what_is_wrong_stays_wrong(clock: ManualClock) -> None:
    async def run() -> None:
        raise InputError("no such rule set")

    with pytest.raises(InputError, match="no such rule set"):
        await begin_again("directory", run, clock)


async def test_what_is_not_there_yet_is_asked_again(clock: ManualClock) -> None:
    answers = [Unavailable("refused"), Unavailable("refused"), Unavailable("no schema")]

    async def ask() -> str:
        if answers:
            raise answers.pop(0)
        return "0005"

    with capture_logs() as said:
        asking = asyncio.create_task(once_there("the database", ask, clock))
        await clock.advance(AGAIN_S * 3)
    assert await asking == "0005"
    assert [line["why"] for line in said] == ["refused", "no schema"]
