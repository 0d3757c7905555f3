"""The messages of one moment: what several of them hold is encoded once."""

from collections.abc import Collection, Iterable
from functools import cached_property

from insula.api.commands import Commands
from insula.api.live.client import Audience, Client
from insula.api.live.frames import changes, joined, names, whole
from insula.api.live.picture import Key, Picture, outcome
from insula.clock import Clock

RECENT_MS = 60_000
"""A whole picture holds the results of so long before it."""


class Moment:
    """``seq``: the number of its messages."""

    def __init__(self, picture: Picture, commands: Commands, clock: Clock, seq: int) -> None:
        self.seq = seq
        self._picture = picture
        self._commands = commands
        self._times = clock.real(), clock.now()
        self._entries: dict[Key, bytes | None] = {}
        self._wholes: dict[Audience, bytes] = {}

    @property
    def at(self) -> int:
        """ms, real time."""
        return self._times[0]

    def changes(self, keys: Iterable[Key], audience: Audience, *, after: int, results: Collection[bytes] = ()) -> str:
        """What these are now; of what is not there, or in a room that the audience does not see, that it is gone."""
        found = [(key, self._entry(key, audience)) for key in keys]
        there = joined((key, data) for key, data in found if data is not None)
        gone = names(key for key, data in found if data is None)
        return changes(self.seq, after, self._times, there, gone, results)

    def whole(self, client: Client, audience: Audience) -> str:
        entries = self._wholes.get(audience)
        if entries is None:
            found = self._picture.entries(audience.rooms, whole=audience.whole)
            entries = self._wholes[audience] = joined(found)
        name = client.signed.person.name
        mine = [data for owner, room_id, data in self._recent if owner == name and audience.sees(room_id)]
        return whole(self.seq, self._times, entries, mine, client.why)

    def _entry(self, key: Key, audience: Audience) -> bytes | None:
        if not audience.sees(self._picture.place(key)):
            return None
        if key not in self._entries:
            self._entries[key] = self._picture.entry(key)
        return self._entries[key]

    @cached_property
    def _recent(self) -> list[tuple[str, int | None, bytes]]:
        """The results of people's commands, the first one first: whose, of which room, and what."""
        found = [one for one in self._commands.recent(self.at - RECENT_MS) if one.command.origin.kind == "user"]
        return [
            (one.command.origin.name, self._picture.room_of(one.command.device_id), outcome(one))
            for one in reversed(found)
        ]
