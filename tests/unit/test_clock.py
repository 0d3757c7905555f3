"""The building's time runs as fast as it is told; a manual clock wakes sleepers in order."""

import asyncio

import pytest

from insula.clock import ManualClock, SystemClock, settle


async def test_building_time_runs_fast_while_real_time_does_not() -> None:
    clock = SystemClock(speed=10_000, epoch=1000)
    before, real = clock.now(), clock.real()
    await clock.sleep(50)
    assert clock.now() - before >= 50_000
    assert clock.real() - real < 50_000
    assert before >= 1000


def test_processes_given_the_same_share_one_time() -> None:
    one, other = SystemClock(60, 5_000, 1_000), SystemClock(60, 5_000, 1_000)
    assert one.building(1_000) == 5_000
    assert one.building(2_000) == other.building(2_000) == 65_000
    assert SystemClock().building(123_456) == 123_456


async def test_sleeping_until_the_past_returns_at_once() -> None:
    clock = SystemClock()
    async with asyncio.timeout(5):
        await clock.sleep_until(clock.now() - 1000)
        await clock.real_sleep(0)


async def test_manual_clock_wakes_sleepers_at_their_moments_in_order(clock: ManualClock) -> None:
    start, woken = clock.now(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.now() - start))

    async with asyncio.TaskGroup() as tasks:
        for seconds in (3, 1, 2, 1):
            tasks.create_task(sleeper(seconds))
        await clock.advance(2.5)
        assert woken == [(1, 1000), (1, 1000), (2, 2000)]
        assert clock.now() == clock.real() == start + 2500
        await clock.advance(0.5)
    assert woken[-1] == (3, 3000)


async def test_cancelled_sleeper_is_passed_over(clock: ManualClock) -> None:
    task = asyncio.create_task(clock.real_sleep(1))
    await settle()
    task.cancel()
    await clock.advance(2)
    assert task.cancelled()


@pytest.mark.parametrize("seconds", [0, -1])
async def test_manual_clock_does_not_sleep_for_nothing(clock: ManualClock, seconds: float) -> None:
    async with asyncio.timeout(5):
        await clock.sleep(seconds)
    assert clock.now() == ManualClock().now()


async def test_who_waits_for_it_learns_that_the_machines_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = iter([5.0, 5.0, 5.1, 5.2, -3595.0])
    monkeypatch.setattr("insula.clock._ahead_s", lambda: next(ahead))
    monkeypatch.setattr("insula.clock.LOOK_AGAIN_S", 0)
    await SystemClock().was_set()
    assert list(ahead) == []


async def test_a_manual_clock_tells_of_steps_alone(clock: ManualClock) -> None:
    told = asyncio.create_task(clock.was_set())
    await clock.advance(3600)
    assert not told.done()
    await clock.step(-5)
    assert told.done()
