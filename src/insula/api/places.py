"""Which room a beacon names, and where rooms are: read from the database, kept in memory, read again when the building
changes."""

import asyncio

from insula.api.errors import NotFound
from insula.bus.channel import Channel
from insula.errors import Unavailable
from insula.messages import DeviceRecord
from insula.store.beacons import BeaconRow, list_beacons
from insula.store.engine import Store
from insula.store.rooms import Located, room_locations


class Places:
    """Beacons and the devices of their rooms."""

    def __init__(self, store: Store, channel: Channel) -> None:
        self._store = store
        self._channel = channel
        self._beacons: dict[tuple[str, int, int], BeaconRow] = {}
        self.located: dict[int, Located] = {}
        """By the room's id."""

    async def load(self) -> None:
        async with self._store.read() as connection:
            rows, self.located = await list_beacons(connection), await room_locations(connection)
        self._beacons = {(row.uuid, row.major, row.minor): row for row in rows}

    async def run(self) -> None:
        """Read the beacons now, and again after each change of the building. Raises Unavailable."""
        changed = asyncio.Event()
        changed.set()
        forget = self._channel.devices.on_change(changed.set)
        try:
            while True:
                await changed.wait()
                changed.clear()
                await self.load()
        finally:
            forget()

    def beacons(self) -> list[BeaconRow]:
        return list(self._beacons.values())

    def room(self, uuid: str, major: int, minor: int) -> BeaconRow:
        """The room of that beacon: uuid, major and minor together name it. Raises NotFound."""
        try:
            return self._beacons[uuid.strip().lower(), major, minor]
        except KeyError:
            raise NotFound(f"no beacon {uuid} {major}/{minor}") from None

    def devices(self, room: BeaconRow) -> list[DeviceRecord]:
        """Raises Unavailable while the building's devices are not yet known: a room would seem to be empty."""
        self._check_known()
        return self._channel.devices.in_room(room.room_id)

    def devices_with(self, room: BeaconRow, point: str) -> list[DeviceRecord]:
        """Those that have this point. Raises Unavailable."""
        self._check_known()
        return self._channel.devices.in_room_with(room.room_id, point)

    def _check_known(self) -> None:
        if not self._channel.devices.known:
            raise Unavailable("the building's devices are not yet known: the directory tells them")
