"""The messages of one moment: what several of them hold is encoded once, and equal ones are one."""

from collections.abc import Collection, Iterable
from functools import cached_property

from insula.api.commands import Commands
from insula.api.live.client import Audience, Client
from insula.api.live.frames import Why, changes, joined, names, whole
from insula.api.live.picture import OWNERS, Key, Picture, is_own, outcome
from insula.clock import Clock
from insula.messages import CommandResult

RECENT_MS = 60_000
"""A whole picture holds the results of so long before it."""


class Moment:
    """``seq``: the number of its messages."""

    def __init__(self, picture: Picture, commands: Commands, clock: Clock, seq: int) -> None:
        self.seq = seq
        self._picture = picture
        self._commands = commands
        self._times = clock.real(), clock.now()
        self._entries: dict[tuple[Key, bool], bytes | None] = {}
        self._alls: dict[Audience, bytes] = {}
        self._changes: dict[tuple[Audience, int, tuple[Key, ...], tuple[bytes, ...]], str] = {}
        self._wholes: dict[tuple[Audience, Why | None, tuple[bytes, ...]], str] = {}

    @property
    def at(self) -> int:
        """ms, real time."""
        return self._times[0]

    def changes(self, keys: Iterable[Key], audience: Audience, *, after: int, results: Collection[bytes] = ()) -> str:
        """What these are now; of what is not there, or in a room that the audience does not see, that it is gone."""
        said = audience, after, tuple(keys), tuple(results)
        if said not in self._changes:
            found = [(key, self._entry(key, audience)) for key in said[2]]
            there = joined((key, data) for key, data in found if data is not None)
            gone = names(key for key, data in found if data is None)
            self._changes[said] = changes(self.seq, after, self._times, there, gone, results)
        return self._changes[said]

    def whole(self, client: Client, audience: Audience) -> str:
        own, sees = client.origin, audience.sight.sees
        mine = tuple(data for result, data in self._recent if is_own(result, own) and sees(self._room_of(result)))
        said = audience, client.why, mine
        if said not in self._wholes:
            self._wholes[said] = whole(self.seq, self._times, self._all(audience), mine, client.why)
        return self._wholes[said]

    def _all(self, audience: Audience) -> bytes:
        if audience not in self._alls:
            self._alls[audience] = joined(self._picture.entries(audience.sight))
        return self._alls[audience]

    def _entry(self, key: Key, audience: Audience) -> bytes | None:
        sight = audience.sight
        if not sight.sees(self._picture.place(key)):
            return None
        known = key, sight.names
        if known not in self._entries:
            self._entries[known] = self._picture.entry(key, names=sight.names)
        return self._entries[known]

    def _room_of(self, result: CommandResult) -> int | None:
        return self._picture.room_of(result.command.device_id)

    @cached_property
    def _recent(self) -> list[tuple[CommandResult, bytes]]:
        """The results of people's commands, the first one first."""
        found = [one for one in self._commands.recent(self.at - RECENT_MS) if one.command.origin.kind in OWNERS]
        return [(one, outcome(one)) for one in reversed(found)]
