"""How many wrong passwords are taken, so that guessing is slow and nobody can lock another out. Pure.

Counted are the failures of a name from one address, of an address whatever the name, and of a name from wherever. The
last alone would let anyone lock somebody out: it refuses only addresses from which that name has not signed in lately
(OWASP, device cookies).
"""

from collections.abc import Iterator

import msgspec

WINDOW_MS = 15 * 60_000
"""Failures are forgotten so long after the first of them (real time)."""
KNOWN_MS = 30 * 24 * 3_600_000
"""An address from which a name has signed in is known for so long."""
PER_PAIR, PER_ADDRESS, PER_NAME = 10, 100, 50


class Attempts(msgspec.Struct, frozen=True):
    """Failures of one key since ``since`` (ms, real time)."""

    key: str
    failures: int = 0
    since: int = 0

    def refused_until(self, limit: int, now: int) -> int:
        """Until when (ms) no more is taken; 0: it is now."""
        end = self.since + WINDOW_MS
        return end if now < end and self.failures >= limit else 0


def keys(name: str, address: str) -> tuple[str, str, str]:
    """Of a name from an address, of the address, of the name: what is counted of one attempt."""
    return f"pair {address} {name}"[:255], f"address {address}"[:255], f"name {name}"[:255]


def refused_until(found: dict[str, Attempts], name: str, address: str, now: int, *, known: bool) -> int:
    """Until when (ms) this name may not try from this address; 0: it may now."""
    return max(_refusals(found, name, address, now, known), default=0)


def _refusals(found: dict[str, Attempts], name: str, address: str, now: int, known: bool) -> Iterator[int]:
    limits = (PER_PAIR, PER_ADDRESS, 0 if known else PER_NAME)
    for key, limit in zip(keys(name, address), limits, strict=True):
        attempts = found.get(key)
        if limit and attempts is not None:
            yield attempts.refused_until(limit, now)


def failed(attempts: Attempts, now: int) -> Attempts:
    """One failure more."""
    if now >= attempts.since + WINDOW_MS:
        return Attempts(attempts.key, 1, now)
    return Attempts(attempts.key, attempts.failures + 1, attempts.since)
