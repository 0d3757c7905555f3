"""Commands from HTTP: onto the bus, and their results back from it."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

import structlog

from insula.bus.channel import Channel
from insula.clock import Clock
from insula.messages import COMMAND_LIFE_MS, Command, CommandResult, DeviceRecord, Origin
from insula.points import role

log = structlog.get_logger("insula.api")

ANSWER_WITHIN_S = 2.0
"""So long a request waits for the gateway's result (real time); then it is answered 202."""
KEEP = 10_000
"""Commands whose result can still be asked for."""


class Commands:
    """Every API process reads all of ``events``, so any of them can answer for a command."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._sent: OrderedDict[str, Command] = OrderedDict()
        self._results: OrderedDict[str, CommandResult] = OrderedDict()
        self._waiting: dict[str, set[asyncio.Future[CommandResult]]] = {}
        self.listeners: list[Callable[[CommandResult], None]] = []
        """Each hears of every result."""

    async def run(self) -> None:
        reader = await self._channel.read(["events"], name="api results")
        try:
            while True:
                for received in await reader.batch():
                    if isinstance(received.message, CommandResult):
                        self._arrived(received.message)
        finally:
            await reader.close()

    def _arrived(self, result: CommandResult) -> None:
        self._results[result.command.id] = result
        if len(self._results) > KEEP:
            self._results.popitem(last=False)
        for waiting in self._waiting.pop(result.command.id, ()):
            if not waiting.done():
                waiting.set_result(result)
        for listener in self.listeners:
            listener(result)

    async def send(self, commands: Sequence[Command]) -> list[CommandResult | Command]:
        """Put them onto the bus; what becomes of each in time. One without a result so far comes back itself."""
        with self._expected(commands) as results:
            sending = asyncio.ensure_future(self._channel.send(*commands))
            sending.add_done_callback(_say_if_lost)
            await self._wait(results, sending)
        return [self._results.get(command.id, command) for command in commands]

    async def follow(self, commands: Sequence[Command]) -> list[CommandResult | Command]:
        """As ``send``, of commands that were sent before, by this process or another."""
        for command in commands:
            self.saw(command)
        with self._expected([command for command in commands if isinstance(self.ask(command.id), Command)]) as results:
            await self._wait(results)
        return [self.ask(command.id) or command for command in commands]

    @contextmanager
    def _expected(self, commands: Sequence[Command]) -> Iterator[list[asyncio.Future[CommandResult]]]:
        loop = asyncio.get_running_loop()
        futures: dict[str, asyncio.Future[CommandResult]] = {command.id: loop.create_future() for command in commands}
        for command_id, future in futures.items():
            self._waiting.setdefault(command_id, set()).add(future)
        try:
            yield list(futures.values())
        finally:
            for command_id, future in futures.items():
                others = self._waiting.pop(command_id, set()) - {future}
                if others:
                    self._waiting[command_id] = others

    async def _wait(self, results: Iterable[asyncio.Future[Any]], sending: asyncio.Future[None] | None = None) -> None:
        """Until all of them are there, or the time is over. While the bus is away nobody is kept waiting for it:
        what it takes later is answered later, or has expired. Raises what sending raised."""
        timer = asyncio.create_task(self._clock.real_sleep(ANSWER_WITHIN_S), name="answer in time")
        pending: set[asyncio.Future[Any]] = {*results, *([sending] if sending is not None else [])}
        try:
            while pending and not timer.done():
                await asyncio.wait({timer, *pending}, return_when=asyncio.FIRST_COMPLETED)
                pending = {one for one in pending if not one.done()}
                if sending is not None and sending.done():
                    sending.result()
        finally:
            timer.cancel()

    def command(self, device: DeviceRecord, point: str, value: float, origin: Origin) -> Command:
        at = self._clock.real()
        command = Command(
            at=at,
            device_id=device.device_id,
            gateway_id=device.gateway_id,
            point=point,
            value=role(point).clean(value),
            expires_at=at + COMMAND_LIFE_MS,
            origin=origin,
        )
        self.saw(command)
        return command

    def result(self, command_id: str) -> CommandResult | None:
        """As a gateway gave it; None: not heard of here."""
        return self._results.get(command_id)

    def saw(self, command: Command) -> None:
        """A command is on the bus, from here or from another."""
        self._sent.setdefault(command.id, command)
        if len(self._sent) > KEEP:
            self._sent.popitem(last=False)

    def recent(self, since: int) -> Iterator[CommandResult]:
        """Those that came after that moment (ms, real time), the last one first."""
        return takewhile(lambda result: result.at > since, reversed(self._results.values()))

    def ask(self, command_id: str) -> CommandResult | Command | None:
        """The result; the command while it is open; None if it was never seen here. Past its expiry, `expired`."""
        if command_id in self._results:
            return self._results[command_id]
        command = self._sent.get(command_id)
        if command is not None and command.expires_at < self._clock.real():
            return CommandResult(
                at=self._clock.real(), command=command, outcome="expired", reason="no gateway answered in time"
            )
        return command


def _say_if_lost(sending: asyncio.Future[None]) -> None:
    if not sending.cancelled() and sending.exception() is not None:
        log.warning("commands not sent", why=str(sending.exception()))
