"""The automatic controller: readings -> room states -> decide -> commands."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import structlog

from insula.building.resends import Resends
from insula.building.state import SETTLE_MS
from insula.bus.channel import Channel, Reader, Received
from insula.bus.codec import LEASE_END, PASSED_ON, RESULT, lease_key
from insula.bus.health import tell_health
from insula.bus.port import Partition, Record, reached
from insula.bus.topics import EVENTS, KNX, STATE, partition_of
from insula.clock import Clock
from insula.controller.aside import Kept
from insula.controller.decider import Decider
from insula.controller.known import Known
from insula.controller.moments import Moments
from insula.controller.outbox import Outbox
from insula.controller.shadow import Shadow
from insula.controller.share import Share
from insula.messages import (
    BusMessage,
    Command,
    CommandResult,
    Health,
    LeaseEnd,
    PassedOn,
    Reading,
)

log = structlog.get_logger("insula.controller")

AT_ONCE = 50
"""Rooms that are decided for at one moment before others in the event loop have a turn."""


class Controller:
    """Decides for the rooms that are its own among the controllers."""

    def __init__(self, channel: Channel, clock: Clock, instance: str = "1") -> None:
        self.known = Known()
        self._channel = channel
        self._outbox = Outbox(channel, clock)
        self._share = Share(channel, clock)
        self._clock = clock
        self._instance = instance
        self._resends = Resends()
        self._moments: Moments[int] = Moments(clock.now, clock.sleep_until)
        self._shadow_moments: Moments[int] = Moments(clock.now, clock.sleep_until)
        self._expiries: Moments[str] = Moments(clock.real, self._real_sleep_until)
        self._decider = Decider(
            self.known, clock, self._moments, self._expiries, owns=self._share.owns, certain=self._share.certain
        )

    @property
    def counters(self) -> dict[str, float]:
        return self._decider.counters

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
                tasks.create_task(self._wake_shadow())
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
        while not reached(state.positions(), ends):
            for received in await state.batch():
                self.known.learn(received)
        self.known.complete()
        self._try_shadow()

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
        """At each moment at which an answer may change by itself."""
        while True:
            due = await self._moments.due()
            for begin in range(0, len(due), AT_ONCE):
                messages: list[BusMessage] = []
                for moment, room_id in due[begin : begin + AT_ONCE]:
                    room = self.known.rooms.get(room_id)
                    if room is not None:
                        ended, decided = self._decider.wake(room, moment)
                        for device_id in ended:
                            await self._outbox.forget(STATE.name, lease_key(device_id))
                        messages += decided
                await self._outbox.put(messages)
                await asyncio.sleep(0)

    async def _wake_shadow(self) -> None:
        """The same of rules that are only tried: at moments of their own."""
        while True:
            for moment, room_id in await self._shadow_moments.due():
                room = self.known.rooms.get(room_id)
                if room is not None:
                    await self._outbox.put(self._decider.wake_shadows(room, moment))

    async def _expire(self) -> None:
        """Commands that nobody answered are open until they expire (real time)."""
        while True:
            for _, command_id in await self._expiries.due():
                await self._outbox.put(self._decider.expire(command_id))

    async def _heed_clock(self) -> None:
        while True:
            await self._clock.was_set()
            log.warning("the clock was set", now=self._clock.now())
            self._resends.forget()
            self._decider.clock_was_set()

    async def _health(self) -> Health:
        return Health(
            part="controller",
            instance=self._instance,
            at=self._clock.real(),
            status="degraded" if self.known.fault else "ok",
            why=self.known.fault,
            counters={**self.counters, "rooms": float(sum(map(self._decider.decides, self.known.rooms)))},
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
                self._decider.take_command(received)
            elif room is not None:
                self._resends.looked(received, self._clock.now())
                answers += self._decider.hear(room, received)[1]
                heard = min(self._clock.building(since), self._clock.now()) + SETTLE_MS
                settled_at[room.room_id] = max(settled_at.get(room.room_id, 0), heard)
        for room in rooms:
            room.settled_at = settled_at[room.room_id]
            room.close_what_was_shown(self._clock.building)
        self._decider.look_at(rooms)
        return answers

    def _decoded(self, kept: Iterable[Kept]) -> Iterator[tuple[Reading | Command, int]]:
        for one in kept:
            received = self._channel.decoded(one.record)
            if received is not None and isinstance(received.message, Reading | Command):
                yield received.message, one.since

    def _devices_changed(self) -> None:
        self._resends.forget()
        self.known.rooms.set_devices(self._channel.devices)
        for room in self.known.rooms:
            room.settle(self._clock.now())
        for shadow in self._decider.shadows:
            shadow.keep(self.known.rooms)
        self._decider.look_at(self.known.rooms)

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
                self._decider.take_command(command)
            case CommandResult() as result:
                return self._decider.take_result(result)
            case LeaseEnd() as end:
                self._decider.end_lease(end)
            case _ if received.record.topic == STATE.name:
                self._learn(received)
        return ()

    def _take_reading(self, reading: Reading, *, placed: bool = True) -> Sequence[BusMessage]:
        """``placed``: whether it lies on its room's partition. A program of 2020 puts it on any: it is passed on to
        who decides for the room."""
        room = self.known.rooms.of_device(reading.device_id)
        if room is None:
            return ()
        if not self._share.owns(room.room_id):
            return () if placed else (PassedOn(reading=reading),)
        self._resends.looked(reading, self._clock.now())
        return self._decider.take_reading(reading)

    def _learn(self, received: Received) -> None:
        rooms = self.known.learn(received)
        self._try_shadow()
        self._decider.look_at(rooms)

    def _try_shadow(self) -> None:
        """The rules that are to be tried beside are these now, or none."""
        rules = self.known.shadow
        if rules is None:
            self._decider.shadows = ()
        elif [shadow.rules for shadow in self._decider.shadows] != [rules]:
            self._decider.shadows = (Shadow(rules, self.known, self._clock, self._shadow_moments),)


def _is_for_us(record: Record) -> bool:
    return record.key in (RESULT, LEASE_END, PASSED_ON)


def _no_health(record: Record) -> bool:
    return not record.key.startswith("health/")
