"""The automatic controller: readings -> room states -> decide -> commands."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import structlog
from msgspec.structs import replace

from insula.building.resends import Resends
from insula.building.state import SETTLE_MS, RoomState
from insula.bus.channel import Channel, Reader, Received
from insula.bus.codec import LEASE_END, PASSED_ON, RESULT, lease_key
from insula.bus.health import tell_health
from insula.bus.port import Partition, Record
from insula.bus.topics import EVENTS, KNX, STATE, partition_of
from insula.clock import Clock
from insula.controller.aside import Kept
from insula.controller.decisions import became, decisions
from insula.controller.known import Known
from insula.controller.leases import after_command, after_reading, ends
from insula.controller.moments import Moments
from insula.controller.observing import Observing
from insula.controller.outbox import Outbox
from insula.controller.share import Share
from insula.messages import (
    COMMAND_LIFE_MS,
    BusMessage,
    Command,
    CommandResult,
    Health,
    Lease,
    LeaseEnd,
    PassedOn,
    Reading,
)

log = structlog.get_logger("insula.controller")

AT_ONCE = 50
"""Rooms that are decided for at one moment before others in the event loop have a turn."""


DOUBT_MS = 500
"""While it is not certain whether a room is still ours, it is looked at so often (building's clock)."""


class Controller:
    """Decides for the rooms that are its own among the controllers."""

    def __init__(self, channel: Channel, clock: Clock, instance: str = "1") -> None:
        self.known = Known()
        self.counters = {"readings": 0.0, "decisions": 0.0, "commands": 0.0, "leases": 0.0}
        self._channel = channel
        self._outbox = Outbox(channel, clock)
        self._share = Share(channel, clock)
        self._clock = clock
        self._instance = instance
        self._observing = Observing()
        self._resends = Resends()
        self._moments: Moments[int] = Moments(clock.now, clock.sleep_until)
        self._expiries: Moments[str] = Moments(clock.real, self._real_sleep_until)
        self._waiting: dict[str, tuple[int, int, str]] = {}

    async def run(self) -> None:
        """Until cancelled. Decides once the devices, the rules and the leases are known."""
        await self._channel.devices.complete()
        name = f"controller-{self._instance}"
        points = await self._share.open(f"{name}-points")
        events = await self._channel.read([EVENTS.name], name=f"{name}-events", wanted=_is_for_us)
        state = await self._channel.read([STATE.name], name=f"{name}-state", start="beginning", wanted=_no_health)
        self._devices_changed()
        forget_listener = self._channel.devices.on_change(self._devices_changed)
        try:
            await self._catch_up(state)
            await self._decide_and_follow(points, events, state)
        finally:
            forget_listener()
            for reader in (points, events, state):
                await reader.close()

    async def _decide_and_follow(self, points: Reader, *others: Reader) -> None:
        self._share.membership = membership = await self._channel.bus.join(
            "controller", KNX.name, assigned=self._take_over, revoked=self._hand_over
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_points(points))
                for reader in others:
                    tasks.create_task(self._follow(reader))
                tasks.create_task(self._wake())
                tasks.create_task(self._expire())
                tasks.create_task(self._heed_clock())
                tasks.create_task(tell_health(self._channel, self._clock, self._health))
        finally:
            await membership.close()
            await self._outbox.close()

    # --- loops

    async def _catch_up(self, state: Reader) -> None:
        """Rules, settings, leases and what was learned, as they stand on topic ``state``."""
        ends = await self._channel.bus.end_positions([STATE.name])
        while any(state.positions().get(place, 0) < end for place, end in ends.items()):
            for received in await state.batch():
                self.known.learn(received)
        self.known.complete()

    async def _follow(self, reader: Reader) -> None:
        while True:
            await self._outbox.put(self._take_all(await reader.batch()))

    async def _follow_points(self, reader: Reader) -> None:
        while True:
            records = [record for record in await reader.records() if self._wanted(record)]
            await self._outbox.put(self._take_all(filter(None, map(reader.decode, records))))
            await self._own_what_came()

    def _take_all(self, messages: Iterable[Received]) -> Sequence[BusMessage]:
        answers: list[BusMessage] = []
        for received in messages:
            try:
                answers += self._take(received)
            except Exception:
                log.exception("message passed over", place=received.record.place, key=received.record.key)
        return answers

    async def _wake(self) -> None:
        """At each moment at which an answer may change by itself; it is then the command's cause."""
        while True:
            due = await self._moments.due()
            for begin in range(0, len(due), AT_ONCE):
                messages: list[BusMessage] = []
                for moment, room_id in due[begin : begin + AT_ONCE]:
                    room = self.known.rooms.get(room_id)
                    if room is not None and self._share.owns(room.room_id):
                        because = await self._end_leases(room)
                        messages += self._decide(room, f"time:{moment}", because)
                await self._outbox.put(messages)
                await asyncio.sleep(0)

    async def _expire(self) -> None:
        """Commands that nobody answered are open until they expire (real time)."""
        while True:
            for _, command_id in await self._expiries.due():
                room_id, device_id, point = self._waiting.pop(command_id)
                room = self.known.rooms.get(room_id)
                target = room.target(device_id, point) if room is not None else None
                if room is not None and target is not None and target.open and target.open.id == command_id:
                    target.not_carried_out(self._clock.now())
                    await self._outbox.put(self._decide(room, f"expired:{command_id}", "its command had expired"))

    async def _heed_clock(self) -> None:
        """Somebody sets the machine's clock: the answers are others now, and what was to come may be far away."""
        while True:
            await self._clock.was_set()
            now, real = self._clock.now(), self._clock.real()
            log.warning("the clock was set", now=now)
            self._resends.forget()
            for room in self.known.rooms:
                room.clock_was_set(now)
            for command_id in self._waiting:
                self._expiries.add(real + COMMAND_LIFE_MS, command_id)
            self._look_at(self.known.rooms)

    async def _health(self) -> Health:
        return Health(
            part="controller",
            instance=self._instance,
            at=self._clock.real(),
            status="degraded" if self.known.fault else "ok",
            why=self.known.fault,
            counters={**self.counters, "rooms": float(sum(map(self._decides, self.known.rooms)))},
        )

    async def _real_sleep_until(self, moment: int) -> None:
        await self._clock.real_sleep(max(0, moment - self._clock.real()) / 1000)

    # --- which rooms

    async def _take_over(self, partitions: Sequence[Partition]) -> None:
        await self._share.take(partitions)
        await self._own_what_came()

    async def _hand_over(self, partitions: Sequence[Partition]) -> None:
        await self._share.give(partitions)

    async def _own_what_came(self) -> None:
        for number, kept in self._share.taken():
            await self._outbox.put(self._catch_up_rooms(number, kept))
            await asyncio.sleep(0)

    def _catch_up_rooms(self, number: int, kept: Sequence[Kept]) -> Sequence[BusMessage]:
        """What was said of the rooms of a partition becomes what is known of them; nothing is decided by a part of
        that. A room has settled so long after the last of its points was first heard of."""
        rooms = [room for room in self.known.rooms if partition_of(KNX.name, room.room_id) == number]
        settled_at = {room.room_id: room.settled_at for room in rooms}
        answers: list[BusMessage] = []
        for received, since in self._decoded(kept):
            room = self.known.rooms.of_device(received.device_id)
            if isinstance(received, Command):
                answers += self._take_command(received)
            elif room is not None:
                answers += self._hear(room, received)[1]
                heard = min(self._clock.building(since), self._clock.now()) + SETTLE_MS
                settled_at[room.room_id] = max(settled_at.get(room.room_id, 0), heard)
        for room in rooms:
            room.settled_at = settled_at[room.room_id]
            room.close_what_was_shown(self._clock.building)
        self._look_at(rooms)
        return answers

    def _decoded(self, kept: Iterable[Kept]) -> Iterator[tuple[Reading | Command, int]]:
        for one in kept:
            received = self._channel.decoded(one.record)
            if received is not None and isinstance(received.message, Reading | Command):
                yield received.message, one.since

    def _decides(self, room: RoomState) -> bool:
        return self._share.owns(room.room_id) and self._share.certain()

    def _devices_changed(self) -> None:
        self._resends.forget()
        self.known.rooms.set_devices(self._channel.devices)
        for room in self.known.rooms:
            room.settle(self._clock.now())
        self._look_at(self.known.rooms)

    def _look_at(self, rooms: Iterable[RoomState]) -> None:
        now = self._clock.now()
        for room in rooms:
            self._moments.add(now, room.room_id)

    # --- what is heard

    def _wanted(self, record: Record) -> bool:
        """What is to be decoded now: what is new of the rooms that it decides for."""
        return not (self._share.keeps(record) or self._resends.holds(record.headers, self._clock.now()))

    def _take(self, received: Received) -> Sequence[BusMessage]:
        match received.message:
            case Reading() as reading:
                return self._take_reading(reading, placed="room" in received.record.headers)
            case PassedOn(reading=reading):
                return self._take_reading(reading)
            case Command() as command:
                return self._take_command(command)
            case CommandResult() as result:
                return self._take_result(result)
            case LeaseEnd() as end:
                self._end_lease(end)
                return ()
        if received.record.topic == STATE.name:
            self._look_at(self.known.learn(received))
        return ()

    def _take_reading(self, reading: Reading, *, placed: bool = True) -> Sequence[BusMessage]:
        """``placed``: whether it lies on its room's partition. A program of 2020 puts it on any: it is passed on to
        who decides for the room."""
        room = self.known.rooms.of_device(reading.device_id)
        if room is None:
            return ()
        if not self._share.owns(room.room_id):
            return () if placed else (PassedOn(reading=reading),)
        changed, messages = self._hear(room, reading)
        if changed and self.known.rules is not None and reading.point in self.known.rules.roles:
            messages += self._decide(room, reading.id, became(reading))
        return messages

    def _hear(self, room: RoomState, reading: Reading) -> tuple[bool, list[BusMessage]]:
        """Whether it changed anything; and what follows of it without deciding."""
        self.counters["readings"] += 1
        now = self._clock.now()
        self._resends.looked(reading, now)
        before = room.last(reading.device_id, reading.point)
        changed = room.take(reading, now)
        messages: list[BusMessage] = []
        if reading.origin.kind == "switch":
            held = room.leases.get(reading.device_id)
            hold_s = self.known.hand_hold_s(room.room_id)
            messages += self._hold(room, after_reading(reading, before, held, now, hold_s))
        if reading.point == "illuminance":
            messages += self._learned(room)
        if changed and reading.point == "motion":
            self._watch_leases(room)
        return changed, messages

    def _take_command(self, command: Command) -> Sequence[BusMessage]:
        """Another's command: ours are known when they are sent."""
        room = self.known.rooms.of_device(command.device_id)
        if room is not None and room.target(command.device_id, command.point).last_id != command.id:
            self._under_way(room, command)
        return ()

    def _under_way(self, room: RoomState, command: Command) -> None:
        room.commanded(command, self._clock.now())
        self._waiting[command.id] = (room.room_id, command.device_id, command.point)
        life = command.expires_at - command.at  # the clock may have been set back since it was sent
        self._expiries.add(min(command.expires_at, self._clock.real() + life), command.id)

    def _take_result(self, result: CommandResult) -> Sequence[BusMessage]:
        command, now = result.command, self._clock.now()
        room = self.known.rooms.of_device(command.device_id)
        if room is None:
            return ()
        target = room.target(command.device_id, command.point)
        if result.outcome == "done":
            if target.last_id != command.id and (target.open is None or target.open.at < command.at):
                room.commanded(command, now)
            if target.last_id == command.id:  # else a newer one is still under way
                target.carried_out()
            held = room.leases.get(command.device_id)
            messages = self._hold(room, after_command(command, held, now, self.known.hand_hold_s(room.room_id)))
        elif target.open is None or target.last_id != command.id:
            return ()
        else:
            target.not_carried_out(now)
            messages = []
        return [*messages, *self._decide(room, result.id, f"its command was {result.outcome}")]

    # --- leases, learning, deciding

    def _hold(self, room: RoomState, lease: Lease | None) -> list[BusMessage]:
        """What was done by hand holds its device; only who decides for the room writes it down."""
        if lease is None or not self._decides(room):
            return []
        self.known.rooms.hold(lease)
        self._watch_leases(room)
        self.counters["leases"] += 1
        return [lease]

    def _lease_ends(self, room: RoomState) -> dict[int, int]:
        return ends(room, self._clock.now(), self.known.empty_hold_s(room.room_id))

    def _watch_leases(self, room: RoomState) -> None:
        for end in self._lease_ends(room).values():
            self._moments.add(end, room.room_id)

    async def _end_leases(self, room: RoomState) -> str:
        """Those whose time it is; in words, which."""
        now = self._clock.now()
        ended: list[int] = []
        for device_id in [device_id for device_id, end in self._lease_ends(room).items() if end <= now]:
            if not self._decides(room):
                break
            self.known.rooms.release(device_id)
            await self._outbox.forget(STATE.name, lease_key(device_id))
            ended.append(device_id)
        else:
            self._watch_leases(room)
        return f"nobody holds device {ended[0]} any more" if ended else ""

    def _end_lease(self, end: LeaseEnd) -> None:
        """Somebody wants it over: it ends now, with the others that do."""
        room = self.known.rooms.of_device(end.device_id)
        lease = room.leases.get(end.device_id) if room is not None else None
        if room is not None and lease is not None and self._share.owns(room.room_id):
            now = self._clock.now()
            self.known.rooms.hold(replace(lease, until=now))
            self._moments.add(now, room.room_id)

    def _learned(self, room: RoomState) -> Sequence[BusMessage]:
        learned = self.known.rooms.newly_learned(room) if self._decides(room) else None
        return () if learned is None else (learned,)

    def _decide(self, room: RoomState, cause: str, because: str = "") -> Sequence[BusMessage]:
        """The commands that are due in this room, each with its explanation; wakes again when that may change. In a
        room that is only observed, the explanations alone. ``because``: the cause in words."""
        now = self._clock.now()
        if self.known.rules is None or not self._share.owns(room.room_id):
            return ()
        if not self._decides(room):
            self._moments.add(now + DOUBT_MS, room.room_id)
            return ()
        if not room.settled(self.known.rules.roles, now):
            self._moments.add(room.settled_at, room.room_id)
            return ()
        self.counters["decisions"] += 1
        made, changes_at = decisions(self.known.rules, room, cause, self._clock, self.known.place, because)
        if changes_at is not None:
            self._moments.add(changes_at, room.room_id)
        if self.known.observed(room.room_id):
            return self._observing.news(room.room_id, made)
        self._observing.forget(room.room_id)
        messages: list[BusMessage] = []
        for command, decision in made:
            self._under_way(room, command)
            messages += (command, decision)
        self.counters["commands"] += len(made)
        return messages


def _is_for_us(record: Record) -> bool:
    return record.key in (RESULT, LEASE_END, PASSED_ON)


def _no_health(record: Record) -> bool:
    return not record.key.startswith("health/")
