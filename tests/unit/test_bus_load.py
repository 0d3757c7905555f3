"""How many telegrams a bus carries: the mean of the last minute."""

from hypothesis import given
from hypothesis import strategies as st

from insula.gateways.load import OVER_MS, BusLoad


def test_it_is_the_mean_of_the_last_minute() -> None:
    load = BusLoad()
    assert load.per_s(1000, 0) == 0
    assert load.per_s(1050, 5_000) == 10
    assert load.per_s(1050, 30_000) == 50 / 30
    assert load.per_s(1050, 100_000) == 0


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 50)), min_size=2, max_size=50), st.integers(1, 60))
def test_a_steady_rate_is_found(gaps: list[tuple[int, int]], rate: int) -> None:
    load, at = BusLoad(), 0
    found = load.per_s(0, 0)
    for gap, _ in gaps:
        at += 1000 * (1 + gap // 1000)
        found = load.per_s(rate * at // 1000, at)
    assert abs(found - rate) < 1e-9
    assert load.per_s(0, at + OVER_MS) == 0
