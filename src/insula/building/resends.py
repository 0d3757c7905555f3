"""Which re-sends need no decoding: they say what is known, and it stays fresh for a while."""

from collections.abc import Mapping

from insula.building.freshness import fresh_until
from insula.messages import Reading

LOOK_AGAIN_MS = 30_000
"""A re-send of each point is looked at so often (building's clock), for the signs of life in it, and should what it
repeats never have come."""


class Resends:
    """What was decoded of each point, and until when its re-sends have nothing for who keeps the last values.

    ``now``: the building's time (ms); ``headers``: those of a record (bus/port.py).
    """

    def __init__(self) -> None:
        self._until: dict[str, int] = {}

    def holds(self, headers: Mapping[str, str], now: int) -> bool:
        """Whether this record can be passed over undecoded."""
        return headers.get("resend") == "1" and now < self._until.get(headers.get("point", ""), 0)

    def looked(self, reading: Reading, now: int) -> None:
        """This reading is the last of its point; one that soon ages is to be followed closely."""
        until = min(now, fresh_until(reading) - 2 * LOOK_AGAIN_MS) + LOOK_AGAIN_MS
        self._until[f"{reading.device_id}/{reading.point}"] = until

    def forget(self) -> None:
        """The devices have changed."""
        self._until.clear()
