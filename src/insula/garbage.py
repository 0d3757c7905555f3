"""How often Python looks for garbage: records and messages die by their reference counts, so seldom is enough."""

import gc

ALLOCATIONS, YOUNG, OLD = 50_000, 20, 50
"""Python's own 700, 10 and 10 cost a reader of Kafka a third of its time, and each full search a pause."""


def search_seldom() -> None:
    """For a process whose modules are loaded: what is there now stays to the end, and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, YOUNG, OLD)
