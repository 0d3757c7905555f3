"""How far this host's clock is from the brokers'."""

from collections import deque

from insula.clock import Clock

SAMPLES = 3


class BrokerClock:
    """Learns from records that a broker stamped when it appended them: it did so between the sending and the answer.
    Of the last few the quickest says it best."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES)

    def heard(self, sent: int, stamped: int) -> None:
        """``sent``: when, by this host; ``stamped``: by the broker (ms). Called by any thread."""
        now = self._clock.real()
        self._samples.append((now - sent, (sent + now) // 2 - stamped))

    def offset_ms(self) -> int:
        """Positive: this host is ahead; 0 until it is known."""
        return min(tuple(self._samples))[1] if self._samples else 0
