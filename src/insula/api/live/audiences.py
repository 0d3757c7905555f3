"""Who sees the same: clients by the rooms that they may see and want to."""

from collections.abc import Iterable, Iterator

from insula.api.live.client import Audience, Client
from insula.api.live.picture import Picture, Sight


class Audiences:
    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._by_sight: dict[Sight, Audience] = {}
        self._by_room: dict[int | None, set[Audience]] = {}
        """None: those that see what is of no room."""

    def __iter__(self) -> Iterator[Audience]:
        return iter(self._by_sight.values())

    def seeing(self, room_id: int | None) -> Iterable[Audience]:
        return self._by_room.get(room_id, ())

    def place(self, client: Client) -> bool:
        """Into the audience that its rights and its wish make; whether that is another one than before."""
        sight = self._sight(client)
        before = client.audience
        if before is not None and before.sight == sight:
            return False
        self.leave(client)
        audience = self._by_sight.get(sight) or self._new(sight)
        audience.clients.add(client)
        client.audience = audience
        return True

    def leave(self, client: Client) -> None:
        audience, client.audience = client.audience, None
        if audience is None:
            return
        audience.clients.discard(client)
        if not audience.clients:
            del self._by_sight[audience.sight]
            for room_id in _places(audience):
                self._by_room[room_id].discard(audience)
                if not self._by_room[room_id]:
                    del self._by_room[room_id]

    def _new(self, sight: Sight) -> Audience:
        audience = self._by_sight[sight] = Audience(sight)
        for room_id in _places(audience):
            self._by_room.setdefault(room_id, set()).add(audience)
        return audience

    def _sight(self, client: Client) -> Sight:
        rooms, narrow = frozenset(client.signed.levels), client.narrow
        if not narrow.all:
            named = narrow.rooms or frozenset()
            rooms &= named.union(self._picture.rooms_of(narrow.buildings or frozenset()))
        return Sight(rooms, client.signed.everywhere is not None, not client.signed.person.guest)


def _places(audience: Audience) -> Iterator[int | None]:
    yield from audience.sight.rooms
    if audience.sight.whole:
        yield None
