"""From the bus to the field bus: every command gets one result, and its turn when the field bus can take it."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from insula.bus.devices import DeviceIndex
from insula.clock import Clock
from insula.errors import CommandError, InsulaError, UnknownDevice
from insula.gateways import reasons
from insula.gateways.outbox import Outbox
from insula.gateways.pending import PendingQueue, TokenBucket, Waiting, target_of
from insula.gateways.port import FieldBus
from insula.gateways.repeats import REPEATED
from insula.gateways.state import GatewayState
from insula.messages import COMMAND_LIFE_MS, RANK, Command, CommandResult, Origin, Outcome
from insula.points import ROLES

log = structlog.get_logger("insula.gateways")

SEND_LIMIT_S: Final = 15.0
"""Past it nobody waits for a field bus to confirm: twice what the slowest one takes."""
REMEMBER_MS: Final = 3_600_000
"""An id is known again until its command expires, but for no longer than this."""


DOUBT_MS: Final = 200
"""While it is not certain who drives the gateway, commands wait; it is asked so often (real time)."""
FORGET_MS: Final = 60_000
"""After a command expired, it is up to the process that drives the gateway to say so, for so long (real time)."""


class Once:
    """Tells a second copy of a command: its controller died after producing it, or a producer tried again."""

    def __init__(self) -> None:
        self._until: dict[str, int] = {}

    def first(self, command: Command, real: int) -> bool:
        if command.id in self._until:
            return False
        self._until[command.id] = min(max(command.expires_at, real + COMMAND_LIFE_MS), real + REMEMBER_MS)
        return True

    def forget(self, real: int) -> None:
        self._until = {known: until for known, until in self._until.items() if until >= real}


class Commands:
    """A second copy of a command is passed over in silence: its answer is on ``events``, or on its way there."""

    def __init__(
        self,
        gateway_id: str,
        field_bus: FieldBus,
        devices: DeviceIndex,
        state: GatewayState,
        outbox: Outbox,
        clock: Clock,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        self._may_send = may_send
        self._unanswered: dict[str, Command] = {}
        """What was not ours to carry out, and has no result yet."""
        self._doubtful: list[Command] = []
        """What came while it was not certain who drives the gateway: another may carry it out, and answer it."""
        self._gateway_id = gateway_id
        self._field_bus = field_bus
        self._devices = devices
        self._state = state
        self._outbox = outbox
        self._clock = clock
        self._once = Once()
        self._queue = PendingQueue()
        self._busy: set[int] = set()
        self._bucket = TokenBucket(0, 1)
        self._tasks: asyncio.TaskGroup | None = None
        self._token: asyncio.Task[None] | None = None

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """From now on commands may be accepted; what is sent is sent by ``tasks``."""
        self._tasks = tasks
        self._bucket = TokenBucket(self._field_bus.telegrams_per_s, self._field_bus.burst)

    @property
    def pending(self) -> int:
        return len(self._queue) + len(self._busy) + len(self._doubtful)

    @property
    def owes(self) -> bool:
        """Whether there are commands that another process may still answer, or this one will have to."""
        return bool(self._unanswered)

    # --- in

    def accept(self, command: Command) -> None:
        """Answer a command at once, or let it wait for its turn."""
        if command.gateway_id != self._gateway_id or not self._once.first(command, self._clock.real()):
            return
        self._state.counters["commands"] += 1
        if self._doubtful or not self._may_send():
            self._doubtful.append(command)
            self._pump_later(DOUBT_MS)
        else:
            self._admit(command)

    def _admit(self, command: Command) -> None:
        if self._may_go(command):
            self._enqueue(Waiting(command))

    def note(self, command: Command) -> None:
        """A command that another process is to carry out, or that was asked while nobody was there."""
        if command.gateway_id == self._gateway_id and self._once.first(command, self._clock.real()):
            self._unanswered[command.id] = command

    def answered(self, command: Command) -> None:
        """Another process has told what became of it: it is not carried out again."""
        if command.gateway_id == self._gateway_id:
            self._once.first(command, self._clock.real())
            self._unanswered.pop(command.id, None)

    def repeat(self, device_id: int, value: float) -> None:
        """Tell a valve again what it knows; not while it is blocked, or about to be told something newer."""
        real = self._clock.real()
        command = Command(
            at=real,
            device_id=device_id,
            gateway_id=self._gateway_id,
            point=REPEATED,
            value=value,
            class_="energy",
            expires_at=real + COMMAND_LIFE_MS,
            origin=Origin(kind="system", name="repeat"),
        )
        gate, room_id = self._state.gate, self._room_of(device_id)
        blocked = gate.alarm_of(device_id) or room_id is None or gate.observed(room_id)
        if gate.connected and not blocked and self._queue.get(target_of(command)) is None:
            self._enqueue(Waiting(command, repeat=True))

    def _enqueue(self, waiting: Waiting) -> None:
        replaced = self._queue.put(waiting)
        if replaced is not None:
            self._refuse(replaced, reasons.SUPERSEDED)
        self._pump()

    def _may_go(self, command: Command) -> bool:
        if command.expires_at < self._clock.real():
            self._answer(command, "expired", reasons.TOO_LATE)
            return False
        reason = self._impossible(command) or self._gate_refusal(command)
        if reason := reason or self._yields(command):
            self._answer(command, "refused", reason)
        return not reason

    def _gate_refusal(self, command: Command) -> str:
        return self._state.gate.refusal(command, self._clock.now(), self._room_of(command.device_id))

    def _room_of(self, device_id: int) -> int | None:
        try:
            return self._devices.get(device_id).room_id
        except UnknownDevice:
            return None

    def _impossible(self, command: Command) -> str:
        try:
            device = self._devices.get(command.device_id)
        except UnknownDevice:
            return reasons.NO_DEVICE
        role = ROLES.get(command.point)
        if role is None or device.point(command.point) is None:
            return reasons.no_point(command.point)
        if not role.writable:
            return reasons.read_only(command.point)
        return "" if role.in_range(command.value) else reasons.out_of_range(role)

    def _yields(self, command: Command) -> str:
        """A newer command replaces an older one, but for one that ranks higher and has not had its turn yet."""
        waiting = self._queue.get(target_of(command))
        if waiting is None or waiting.command.expires_at < self._clock.real():
            return ""
        return reasons.waiting(waiting.command.origin) if RANK[waiting.command.class_] > RANK[command.class_] else ""

    # --- out

    def _pump(self) -> None:
        """Send what can be sent now. Called whenever that may have changed; never waits."""
        while self._tasks is not None and len(self._queue) and len(self._busy) < self._field_bus.concurrent:
            wait_ms = self._bucket.wait_ms(self._clock.real()) if self._may_send() else DOUBT_MS
            if wait_ms:
                self._pump_later(wait_ms)
                return
            waiting = self._queue.take(self._busy)
            if waiting is None:
                return
            if waiting.repeat or self._still_may_go(waiting.command):
                self._bucket.take(self._clock.real())
                self._busy.add(waiting.command.device_id)
                self._tasks.create_task(self._carry_out(waiting))

    def _pump_later(self, wait_ms: int) -> None:
        if self._token is None and self._tasks is not None:
            self._token = self._tasks.create_task(self._pump_in(wait_ms))

    async def _pump_in(self, wait_ms: int) -> None:
        await self._clock.real_sleep(wait_ms / 1000)
        self._token = None
        if self._doubtful and not self._may_send():
            self._pump_later(DOUBT_MS)
            return
        doubtful, self._doubtful = self._doubtful, []
        for command in doubtful:
            self._admit(command)
        self._pump()

    def _still_may_go(self, command: Command) -> bool:
        """Time has passed since it was accepted: somebody may hold the device now."""
        if command.expires_at < self._clock.real():
            self._answer(command, "expired", reasons.TOO_LATE)
            return False
        if reason := self._gate_refusal(command):
            self._answer(command, "refused", reason)
        return not reason

    async def _carry_out(self, waiting: Waiting) -> None:
        command = waiting.command
        if not waiting.repeat:
            self._state.causes.sent(target_of(command), command.id, self._clock.real())
        try:
            outcome, reason = await self._send(command)
        finally:
            self._busy.discard(command.device_id)
        if outcome == "done":
            self._done(command)
        if not waiting.repeat:
            self._answer(command, outcome, reason)
        self._pump()

    async def _send(self, command: Command) -> tuple[Outcome, str]:
        """Whatever the field bus does, it is an answer; only our own end is not."""
        if not self._may_send():
            return "refused", reasons.HANDED_OVER
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await self._field_bus.send(command)
        except CommandError as error:
            return error.outcome, str(error)
        except InsulaError as error:
            return "failed", str(error)
        except TimeoutError:
            return "failed", reasons.NO_CONFIRMATION
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            return "failed", reasons.LINK_LOST  # a library's own future was cancelled when its link dropped
        except Exception:
            log.exception("send failed", command=command)
            return "failed", reasons.OUR_FAULT
        return "done", ""

    def _done(self, command: Command) -> None:
        now = self._clock.now()
        self._state.counters["telegrams_sent"] += 1
        self._state.repeats.told(command.device_id, command.point, command.value, now)
        if command.origin.by_hand:
            self._state.gate.hold(command.device_id, command.origin, command.class_, now, command.id)

    # --- what will not be sent

    def drop(self, reason: str, device_id: int | None = None) -> None:
        """Refuse everything that waits: of one device, or of all."""
        for waiting in self._queue.remove(lambda command: device_id is None or command.device_id == device_id):
            self._refuse(waiting, reason)

    def hand_over(self) -> None:
        """Another process drives the gateway. What came while this one still did for certain, the other has never
        driven: it is refused. What came in doubt it may have carried out, while this one stood still: it says what
        became of that, or that it has expired."""
        doubtful, self._doubtful = self._doubtful, []
        real = self._clock.real()
        for waiting in self._queue.remove(lambda command: True):
            if waiting.command.expires_at >= real:
                self._refuse(waiting, reasons.HANDED_OVER)
            elif not waiting.repeat:
                doubtful.append(waiting.command)
        self._unanswered.update((command.id, command) for command in doubtful)

    def sweep(self, *, informed: bool = True) -> None:
        """Answer what expired while it waited, and forget ids that cannot come again. ``informed``: it is known what
        others answered."""
        real = self._clock.real()
        self._once.forget(real)
        for waiting in self._queue.remove(lambda command: command.expires_at < real):
            if not waiting.repeat:
                self._answer(waiting.command, "expired", reasons.TOO_LATE)
        if informed:
            self._sweep_unanswered(real)

    def _sweep_unanswered(self, real: int) -> None:
        for command in [one for one in self._unanswered.values() if one.expires_at < real]:
            if self._may_send():
                self._answer(command, "expired", reasons.UNATTENDED)
            if self._may_send() or command.expires_at + FORGET_MS < real:
                del self._unanswered[command.id]

    def _refuse(self, waiting: Waiting, reason: str) -> None:
        if not waiting.repeat:
            self._answer(waiting.command, "refused", reason)

    def _answer(self, command: Command, outcome: Outcome, reason: str) -> None:
        self._state.counters[outcome] += 1
        if reason == reasons.SUPERSEDED:
            self._state.counters["superseded"] += 1
        self._outbox.put(CommandResult(at=self._clock.real(), command=command, outcome=outcome, reason=reason))
