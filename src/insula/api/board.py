"""Leases, rooms and open alerts as topic ``state`` has them, and waiting until it says what was asked for."""

import asyncio
from collections.abc import Callable

from insula.bus.channel import Channel, Received
from insula.bus.port import Record
from insula.clock import Clock
from insula.messages import Alert, Lease, RightsVersion, RoomRecord

ANSWER_WITHIN_S = 2.0
"""So long a request waits for what it asked for (real time)."""


class StateBoard:
    """``leases`` by device, ``rooms`` by id, ``alerts`` that are open by key; ``rights``: the version of who may do
    what, -1 before it is known."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self.leases: dict[int, Lease] = {}
        self.rooms: dict[int, RoomRecord] = {}
        self.alerts: dict[str, Alert] = {}
        self.rights = -1
        self.told: dict[int, int] = {}
        """By account, when it was last told that its rights are to be looked up again, as a count of such."""
        self.tellings = 0
        self.places = 0
        """Another number when a room has come, gone, or is on another floor."""
        self._channel = channel
        self._clock = clock
        self._changed = asyncio.Condition()
        self.listeners: list[Callable[[str, int | str, int | None], None]] = []
        """Each hears of what was set or is gone: ``lease`` and ``room`` by id, ``alert`` by key, of an alert also its
        room; of ``rights`` that are other, and of a ``person`` whose are."""

    async def run(self) -> None:
        reader = await self._channel.read(["state"], name="api state", start="beginning", wanted=_wanted)
        try:
            while True:
                batch = await reader.batch()
                async with self._changed:
                    for received in batch:
                        self._take(received)
                    self._changed.notify_all()
        finally:
            await reader.close()

    def _take(self, received: Received) -> None:
        kind, _, id_ = received.record.key.partition("/")
        match received.message:
            case Lease() as lease:
                self.leases[lease.device_id] = lease
                self._tell("lease", lease.device_id)
            case RoomRecord() as room:
                before = self.rooms.get(room.room_id)
                self.places += before is None or (before.floor, before.building) != (room.floor, room.building)
                self.rooms[room.room_id] = room
                self._tell("room", room.room_id)
            case RightsVersion(version=version):
                self.rights = version
                self._tell("rights", "")
            case Alert(cleared_at=0) as alert:
                self.alerts[alert.key] = alert
                self._tell("alert", alert.key, alert.room_id)
            case _ if kind == "alert":
                over = self.alerts.pop(id_, None)
                self._tell("alert", id_, None if over is None else over.room_id)
            case None if id_.isdecimal() and kind == "rights":
                self.person_changed(int(id_))
            case None if id_.isdecimal() and kind == "lease":
                self.leases.pop(int(id_), None)
                self._tell("lease", int(id_))
            case None if id_.isdecimal():
                self.places += self.rooms.pop(int(id_), None) is not None
                self._tell("room", int(id_))

    def _tell(self, kind: str, id_: int | str, room_id: int | None = None) -> None:
        for listener in self.listeners:
            listener(kind, id_, room_id)

    def person_changed(self, account: int) -> None:
        """What is kept of that account in this process is to be looked up again."""
        self.tellings += 1
        self.told[account] = self.tellings
        self._tell("person", account)

    async def until(self, true: Callable[[], bool]) -> bool:
        """Whether it becomes so within 2 s."""
        told = asyncio.create_task(self._until(true), name="told by state")
        timer = asyncio.create_task(self._clock.real_sleep(ANSWER_WITHIN_S), name="answer in time")
        try:
            await asyncio.wait({told, timer}, return_when=asyncio.FIRST_COMPLETED)
            return told.done()
        finally:
            told.cancel()
            timer.cancel()

    async def _until(self, true: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(true)


def _wanted(record: Record) -> bool:
    return record.key.startswith(("lease/", "room/", "alert/", "rights/"))
