"""Commands that somebody asks for: each in the audit before it is on the bus, and once, whatever is asked twice."""

from collections.abc import Sequence
from typing import Any

import msgspec

from insula.api.access import made_by, need
from insula.api.asking import Asked, signed_of
from insula.api.audit import Audit
from insula.api.commands import Commands
from insula.api.errors import RequestError, Unprocessable
from insula.bus.channel import Channel
from insula.clock import Clock
from insula.messages import Command, CommandResult, DeviceRecord
from insula.store.audit import Entry, add_entry
from insula.store.command_keys import Keyed, add_key, find_key, keyed
from insula.store.engine import Store
from insula.store.results import results_of

Became = CommandResult | Command
"""What became of a command; itself: nothing so far."""
LONGEST_KEY = 200


class Wish(msgspec.Struct, frozen=True):
    """``target``: in words, for the audit; ``body``: what was asked, by which a key is known again."""

    target: str
    devices: Sequence[DeviceRecord]
    point: str
    value: float
    body: bytes


class Driving:
    def __init__(self, commands: Commands, channel: Channel, store: Store, clock: Clock, audit: Audit) -> None:
        self._commands = commands
        self._channel = channel
        self._store = store
        self._clock = clock
        self._audit = audit

    async def carry_out(self, request: Asked, wish: Wish, key: str = "") -> list[Became]:
        """With a key that was used before: what became of the commands of then. Raises Unprocessable when it was used
        for something else, NotFound and Forbidden as for the devices of then."""
        if len(key) > LONGEST_KEY:
            raise RequestError(f"Idempotency-Key: more than {LONGEST_KEY} characters")
        used = keyed(signed_of(request).person.id, key, wish.body) if key else None
        commands = self._new(request, wish)
        before = await self._write_down(self._entry(request, wish, commands), commands, used)
        if before is None:
            return await self._commands.send(commands)
        for command in before:
            room = self._channel.devices.room_of(command.device_id)
            need(request, "drive", room, f"no device {command.device_id}")
        return await self._again(before)

    async def act(self, request: Asked, target: str, commands: Sequence[Command], **said: Any) -> list[Became]:
        """``said``: what was asked, for the audit."""
        await self._audit.note(request, "command", target, **said, **_sent(commands))
        return await self._commands.send(commands)

    async def find(self, command_id: str) -> Became | None:
        """From memory, else from the database; None: nobody has heard of it."""
        found = self._commands.ask(command_id)
        if self._commands.result(command_id) is None and not isinstance(found, Command):
            async with self._store.read() as connection:
                found = (await results_of(connection, [command_id])).get(command_id, found)
        return found

    def _new(self, request: Asked, wish: Wish) -> list[Command]:
        origin = made_by(request)
        return [self._commands.command(device, wish.point, wish.value, origin) for device in wish.devices]

    async def _write_down(
        self, entry: Entry, commands: Sequence[Command], used: Keyed | None
    ) -> Sequence[Command] | None:
        """Who asked for what, before it happens. The commands of the same key from before; None: it is new."""
        now = self._clock.real()
        async with self._store.write(alone=used is not None) as connection:
            before = None if used is None else await find_key(connection, used, now)
            if used is not None and before is not None:
                if before[0] != used.asked:
                    raise Unprocessable("this Idempotency-Key was used with another body")
                return before[1]
            if used is not None:
                await add_key(connection, used, commands, now)
            await add_entry(connection, entry)
        return None

    def _entry(self, request: Asked, wish: Wish, commands: Sequence[Command]) -> Entry:
        room = {device.room_number for device in wish.devices}
        said = {"point": wish.point, "value": wish.value, "room": min(room), **_sent(commands)}
        return self._audit.entry(request, "command", wish.target, **said)

    async def _again(self, commands: Sequence[Command]) -> list[Became]:
        """Another process may have sent them, and this one may have begun since."""
        unknown = [command.id for command in commands if self._commands.result(command.id) is None]
        stored: dict[str, CommandResult] = {}
        if unknown:
            async with self._store.read() as connection:
                stored = await results_of(connection, unknown)
        waited = await self._commands.follow([command for command in commands if command.id not in stored])
        return [*stored.values(), *waited]


def _sent(commands: Sequence[Command]) -> dict[str, Any]:
    """For the audit; what became of them is found by their ids."""
    return {"devices": [one.device_id for one in commands], "commands": [one.id for one in commands]}
