"""Commands that wait for a slow field bus: which goes first, which is replaced, and how many a second."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.gateways.pending import PendingQueue, TokenBucket, Waiting
from insula.messages import RANK, Command, CommandClass, Origin

ANNA = Origin(kind="user", name="anna")
RULE = Origin(kind="rule", name="r")


def waiting(
    device_id: int = 7,
    point: str = "position",
    value: float = 50,
    origin: Origin = RULE,
    class_: CommandClass = "comfort",
    repeat: bool = False,
) -> Waiting:
    command = Command(
        at=0,
        device_id=device_id,
        gateway_id="g",
        point=point,
        value=value,
        class_=class_,
        expires_at=30_000,
        origin=origin,
    )
    return Waiting(command, repeat)


def drain(queue: PendingQueue) -> list[Waiting]:
    return list(iter(queue.take, None))


def test_the_newest_command_of_a_point_replaces_the_older() -> None:
    queue = PendingQueue()
    old, new = waiting(value=10), waiting(value=20)
    assert queue.put(old) is None
    assert queue.put(new) is old
    assert drain(queue) == [new]


def test_move_and_stop_drive_the_position_and_replace_it() -> None:
    queue = PendingQueue()
    position, move, stop, slat = (waiting(point=point) for point in ("position", "move", "stop", "slat"))
    assert queue.put(position) is None
    assert queue.put(move) is position
    assert queue.put(slat) is None
    assert queue.put(stop) is move
    assert drain(queue) == [stop, slat]


def test_a_stop_goes_first_then_by_hand_then_rules_by_rank_then_repetitions() -> None:
    queue = PendingQueue()
    in_order = [
        waiting(1, "stop"),
        waiting(2, origin=ANNA, class_="occupant"),
        waiting(3, class_="safety"),
        waiting(4, class_="schedule"),
        waiting(5, class_="comfort"),
        waiting(6, class_="comfort"),
        waiting(7, class_="energy"),
        waiting(8, "valve", class_="safety", repeat=True),
    ]
    for one in (*reversed(in_order[:4]), *in_order[4:6], in_order[7], in_order[6]):
        queue.put(one)
    assert drain(queue) == in_order


def test_a_slider_that_is_being_moved_keeps_its_place() -> None:
    queue = PendingQueue()
    queue.put(waiting(1, value=10, origin=ANNA))
    other = waiting(2, origin=ANNA)
    queue.put(other)
    newest = waiting(1, value=20, origin=ANNA)
    queue.put(newest)
    assert drain(queue) == [newest, other]


def test_a_busy_device_lets_the_others_pass_and_keeps_its_turn() -> None:
    queue = PendingQueue()
    dead, alive = waiting(1, origin=ANNA), waiting(2)
    queue.put(dead)
    queue.put(alive)
    assert queue.take(busy={1}) is alive
    assert queue.take(busy={1}) is None
    assert queue.take() is dead


def test_what_is_removed_is_not_sent() -> None:
    queue = PendingQueue()
    gone, kept = waiting(1), waiting(2)
    queue.put(gone)
    queue.put(kept)
    assert queue.remove(lambda command: command.device_id == 1) == [gone]
    assert len(queue) == 1
    assert drain(queue) == [kept]


def test_replaced_commands_do_not_pile_up_behind_urgent_ones() -> None:
    queue = PendingQueue()
    queue.put(waiting(1, origin=ANNA))
    for value in range(1000):
        queue.put(waiting(2, value=value % 100))
    assert len(queue._heap) < 50
    assert [one.command.device_id for one in drain(queue)] == [1, 2]


_waiting = st.builds(
    waiting,
    device_id=st.integers(1, 4),
    point=st.sampled_from(["position", "stop", "move", "slat", "level"]),
    origin=st.sampled_from([ANNA, RULE]),
    class_=st.sampled_from(sorted(RANK)),
    repeat=st.booleans(),
)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _waiting),
        st.tuples(st.just("take"), st.frozensets(st.integers(1, 4))),
        st.tuples(st.just("drop"), st.integers(1, 4)),
    ),
    max_size=60,
)


@given(_steps)
def test_every_command_leaves_exactly_once_and_the_most_urgent_first(steps: Sequence[tuple[str, object]]) -> None:
    queue, put, left = PendingQueue(), [], []
    for kind, what in steps:
        if isinstance(what, Waiting):
            put.append(what)
            left += [replaced] if (replaced := queue.put(what)) else []
        elif kind == "take" and isinstance(what, frozenset):
            there = [one for one in queue._waiting.values() if one.command.device_id not in what]
            taken = queue.take(what)
            assert (taken is None) == (not there)
            if taken is not None:
                assert taken.urgency == min(one.urgency for one in there)
                left.append(taken)
        else:
            left += queue.remove(lambda command, gone=what: command.device_id == gone)
        assert len(queue) == len(put) - len(left)
    left += drain(queue)
    assert sorted(map(id, left)) == sorted(map(id, put))


# --- the token bucket


def test_the_first_telegrams_go_at_once_and_the_others_at_the_rate() -> None:
    bucket = TokenBucket(20, 5)
    assert [bucket.take(1000) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.wait_ms(1000) == 50
    assert not bucket.take(1049)
    assert bucket.take(1050)
    assert not bucket.take(1050)


def test_after_a_rest_the_whole_burst_is_there_again_and_no_more() -> None:
    bucket = TokenBucket(20, 5)
    assert [bucket.take(0) for _ in range(5)] == [True] * 5
    assert [bucket.take(3_600_000) for _ in range(6)] == [True] * 5 + [False]


def test_rate_zero_is_no_limit() -> None:
    bucket = TokenBucket(0, 1)
    assert all(bucket.take(0) for _ in range(1000))
    assert bucket.wait_ms(0) == 0


def test_a_machine_clock_set_back_stalls_nothing() -> None:
    bucket = TokenBucket(10, 1)
    assert bucket.take(3_600_000)
    assert bucket.wait_ms(0) <= 100
    assert bucket.take(100)


@given(
    rate=st.sampled_from([0.5, 3, 7, 20, 50, 333]),
    burst=st.integers(1, 8),
    gaps=st.lists(st.integers(0, 400), min_size=1, max_size=150),
)
def test_in_no_window_more_than_burst_plus_rate_times_its_length(rate: float, burst: int, gaps: list[int]) -> None:
    bucket = TokenBucket(rate, burst)
    sent = [now for now in itertools.accumulate(gaps) if bucket.take(now)]
    for first, last in itertools.combinations(range(len(sent)), 2):
        assert last - first + 1 <= burst + rate * (sent[last] - sent[first]) / 1000 + 1e-6


@given(rate=st.sampled_from([0.5, 3, 7, 20, 333]), burst=st.integers(1, 5), count=st.integers(1, 30))
def test_after_the_wait_it_tells_there_is_a_token(rate: float, burst: int, count: int) -> None:
    bucket, now = TokenBucket(rate, burst), 0
    for _ in range(count):
        now += bucket.wait_ms(now)
        assert bucket.take(now)
    assert now <= max(0, count - burst) * 1000 / rate + count


@pytest.mark.parametrize("burst", [0, -3])
def test_there_is_always_room_for_one(burst: int) -> None:
    assert TokenBucket(1, burst).take(0)
