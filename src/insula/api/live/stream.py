"""What changes in the building, to every client that may see it.

Changes are gathered for 0.1 s; then each is encoded once, each message put together once for all who see the same, and
handed to those that are ready. Who is not gets what it missed, as it is by then, in one message of its own.
"""

import asyncio

from insula.api.board import StateBoard
from insula.api.commands import Commands
from insula.api.live.audiences import Audiences
from insula.api.live.certainty import Certainty, Knowing
from insula.api.live.client import Audience, Client
from insula.api.live.moment import Moment
from insula.api.live.picture import HEALTH, OWNERS, Key, Picture, is_own, looks_other, outcome
from insula.api.signed import Signed
from insula.api.values import LastValues
from insula.bus.devices import DeviceIndex
from insula.clock import Clock
from insula.messages import CommandResult, Reading

GATHER_S = 0.1
LOOK_S = 0.25
"""So often it is looked whose session or token is at its end, and how the parts are."""
BEAT_MS = 10_000
"""Who has been told nothing for so long is told that nothing has changed."""
SIGNED_OUT = 4401
"""Close code, after HTTP 401."""


class Stream:
    """All clients of this process. What happens between two awaits is of one moment."""

    def __init__(self, picture: Picture, people: Knowing, commands: Commands, clock: Clock) -> None:
        self.clients: set[Client] = set()
        self._picture = picture
        self._commands = commands
        self._clock = clock
        self._audiences = Audiences(picture)
        self._certainty = Certainty(people, clock, self._known)
        self._changed: dict[Key, set[int | None]] = {}
        """With the rooms in which it is to be told."""
        self._behind: set[Client] = set()
        """They are to be told something of their own: what they missed, or results."""
        self._seq = 0
        self._wake = asyncio.Event()
        self._health: object = None

    def listen(self, values: LastValues, board: StateBoard, devices: DeviceIndex) -> None:
        values.listeners.append(self._reading)
        board.listeners.append(self._state)
        self._commands.listeners.append(self._result)
        devices.on_change(self._devices)

    # --- what has changed

    def _reading(self, before: Reading | None, now: Reading) -> None:
        if self.clients and looks_other(before, now):
            self._mark(("value", now.device_id, now.point), self._picture.room_of(now.device_id))

    def _state(self, kind: str, id_: int | str, room_id: int | None) -> None:
        if self._certainty.changed():
            self._certainty.doubt(self.clients)
        if kind == "person":
            self._certainty.doubt(client for client in self.clients if client.signed.person.id == id_)
        elif self.clients and kind != "rights":
            key = (kind, id_, "")
            self._mark(key, room_id if kind == "alert" else self._picture.place(key))

    def _mark(self, key: Key, room_id: int | None) -> None:
        self._changed.setdefault(key, set()).add(room_id)
        self._wake.set()

    def _result(self, result: CommandResult) -> None:
        command = result.command
        if not self.clients or command.origin.kind not in OWNERS:
            return
        data = outcome(result)
        for audience in self._audiences.seeing(self._picture.room_of(command.device_id)):
            for client in audience.clients:
                if is_own(result, client.origin) and not client.picture:
                    client.results.append(data)
                    self._later(client)

    def _devices(self) -> None:
        """Other devices, or in other rooms."""
        for client in self.clients:
            client.owe_picture("building")
            self._later(client)

    def _later(self, client: Client) -> None:
        self._behind.add(client)
        self._wake.set()

    # --- clients

    def join(self, client: Client) -> None:
        self.clients.add(client)
        self._audiences.place(client)
        self._certainty.doubt([client])

    def leave(self, client: Client) -> None:
        self.clients.discard(client)
        self._behind.discard(client)
        self._audiences.leave(client)
        self._certainty.forget(client)

    def narrowed(self, client: Client) -> None:
        """It wants to see other rooms than before; a fresh picture is the answer."""
        if client in self.clients:
            self._audiences.place(client)
            client.owe_picture("narrowed")
            self._later(client)

    def sent(self, client: Client) -> None:
        """Its last message is out."""
        client.sent()
        if client in self.clients and not client.in_step:
            self._later(client)

    def _known(self, client: Client, signed: Signed | None) -> None:
        """Its rights were looked up."""
        if signed is None:
            self.leave(client)
            client.end(SIGNED_OUT, "signed out")
            return
        if self._audiences.place(client):
            client.owe_picture("rights")
        if not client.in_step:
            self._later(client)

    # --- what is told

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell(), name="live tells")
            tasks.create_task(self._look(), name="live looks")
            tasks.create_task(self._certainty.run(), name="live looks up rights")

    async def _tell(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            self.tell()
            await self._clock.real_sleep(GATHER_S)

    def tell(self) -> None:
        """All that has changed, to all that are ready."""
        self._seq += 1
        moment = Moment(self._picture, self._commands, self._clock, self._seq)
        for audience, keys in self._by_audience(moment.at).items():
            self._tell_all(audience, keys, moment)
        behind, self._behind = self._behind, set()
        for client in behind:
            self._tell_one(client, moment)

    def _by_audience(self, at: int) -> dict[Audience, list[Key]]:
        """What is to be told to each; to those that were told nothing for long, nothing."""
        changed, self._changed = self._changed, {}
        found: dict[Audience, list[Key]] = {one: [] for one in self._audiences if one.told_at <= at - BEAT_MS}
        for key, rooms in changed.items():
            for room_id in rooms:
                for audience in self._audiences.seeing(room_id):
                    if audience.sight.tells(key):
                        found.setdefault(audience, []).append(key)
        return found

    def _tell_all(self, audience: Audience, keys: list[Key], moment: Moment) -> None:
        message = moment.changes(keys, audience, after=audience.told)
        audience.told_at = moment.at
        if keys:  # who is busy now need not hear of nothing
            audience.told = moment.seq
        for client in audience.clients:
            if client.in_step:
                client.give(message, moment.seq)
            else:
                client.owe(keys)
                self._behind.add(client)

    def _tell_one(self, client: Client, moment: Moment) -> None:
        """Who is not ready comes again, once its last message is out or its rights are known."""
        audience = client.audience
        if audience is None or not client.ready:
            return
        if client.picture:
            message = moment.whole(client, audience)
        elif client.owed or client.results:
            message = moment.changes(client.owed, audience, after=client.told, results=tuple(client.results))
        else:
            return
        client.settled()
        client.give(message, moment.seq)

    async def _look(self) -> None:
        while True:
            await self._clock.real_sleep(LOOK_S)
            self._certainty.look(self.clients)
            since = self._clock.real() - BEAT_MS
            if any(audience.told_at <= since for audience in self._audiences):
                self._wake.set()
            if self.clients and self._picture.health() != self._health:
                self._health = self._picture.health()
                self._mark(HEALTH, None)
