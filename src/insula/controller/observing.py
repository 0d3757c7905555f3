"""Rooms that are only observed: what the rules would have done is told once, and nothing is commanded."""

from collections.abc import Iterable

from msgspec.structs import replace

from insula.messages import Command, Decision
from insula.points import ROLES

Target = tuple[int, str]


class Observing:
    """Nothing moves, so a wish stays due: it is news when it begins, and when it becomes another."""

    def __init__(self) -> None:
        self._told: dict[int, dict[Target, float]] = {}

    def news(self, room_id: int, made: Iterable[tuple[Command, Decision]]) -> list[Decision]:
        """``made``: all that is due in the room now. Gives the decisions that were not told before."""
        before, now = self._told.get(room_id, {}), dict[Target, float]()
        news = []
        for command, decision in made:
            target = command.device_id, ROLES[command.point].target
            now[target] = command.value
            if before.get(target) != command.value:
                news.append(replace(decision, observed=True))
        self._told[room_id] = now
        return news

    def forget(self, room_id: int) -> None:
        """It is active again."""
        self._told.pop(room_id, None)
