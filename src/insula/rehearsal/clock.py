"""The clock of a rehearsal: it stands where the rehearsal is, and nobody sleeps by it."""

from typing import NoReturn


class HistoryClock:
    """``moment``: the building's time (ms); ``rate``: how many times as fast as the real one it ran."""

    def __init__(self, moment: int = 0, rate: float = 1.0) -> None:
        self.moment = moment
        self.rate = rate

    def now(self) -> int:
        return self.moment

    def real(self) -> int:
        return round(self.moment / self.rate)

    def building(self, real: int) -> int:
        return round(real * self.rate)

    async def sleep_until(self, moment: int) -> NoReturn:
        raise RuntimeError("nobody sleeps in a rehearsal")

    async def sleep(self, seconds: float) -> NoReturn:
        raise RuntimeError("nobody sleeps in a rehearsal")

    async def real_sleep(self, seconds: float) -> NoReturn:
        raise RuntimeError("nobody sleeps in a rehearsal")

    async def was_set(self) -> NoReturn:
        raise RuntimeError("nobody waits in a rehearsal")
