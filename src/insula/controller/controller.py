"""The automatic controller: readings -> room states -> decide -> commands."""

import asyncio
from collections.abc import Sequence

import structlog

from insula.building.resends import Resends
from insula.building.state import RoomState
from insula.bus.channel import Channel, Reader, Received
from insula.bus.codec import LEASE_END, RESULT, lease_key
from insula.bus.health import tell_health
from insula.bus.port import Membership, Partition, Record
from insula.bus.topics import EVENTS, KNX, STATE, ZWAVE, partition_of
from insula.clock import Clock
from insula.controller.aside import Aside
from insula.controller.decider import Decider
from insula.controller.known import Known
from insula.controller.moments import Moments
from insula.controller.outbox import Outbox
from insula.controller.shadow import Shadow
from insula.messages import (
    BusMessage,
    Command,
    CommandResult,
    Health,
    LeaseEnd,
    Reading,
)

log = structlog.get_logger("insula.controller")

AT_ONCE = 50
"""Rooms that are decided for at one moment before others in the event loop have a turn."""


class Controller:
    """Decides for the rooms that are assigned to it among the controllers, and keeps the others' state warm."""

    def __init__(self, channel: Channel, clock: Clock, instance: str = "1") -> None:
        self.known = Known()
        self._channel = channel
        self._outbox = Outbox(channel, clock)
        self._aside = Aside()
        self._clock = clock
        self._instance = instance
        self._resends = Resends()
        self._assigned: set[int] = set()
        self._membership: Membership | None = None
        self._moments: Moments[int] = Moments(clock.now, clock.sleep_until)
        self._shadow_moments: Moments[int] = Moments(clock.now, clock.sleep_until)
        self._expiries: Moments[str] = Moments(clock.real, self._real_sleep_until)
        self._decider = Decider(
            self.known, clock, self._moments, self._expiries, assigned=self._is_assigned, certain=self._is_certain
        )

    @property
    def counters(self) -> dict[str, float]:
        return self._decider.counters

    async def run(self) -> None:
        """Until cancelled. Decides once the devices, the rules and the leases are known."""
        await self._channel.devices.complete()
        name = f"controller-{self._instance}"
        events = await self._channel.read(
            [KNX.name, ZWAVE.name, EVENTS.name], name=name, slow="latest", wanted=self._wanted
        )
        state = await self._channel.read([STATE.name], name=f"{name}-state", start="beginning", wanted=_no_health)
        self._devices_changed()
        forget_listener = self._channel.devices.on_change(self._devices_changed)
        try:
            await self._catch_up(state)
            await self._decide_and_follow(events, state)
        finally:
            forget_listener()
            await events.close()
            await state.close()

    async def _decide_and_follow(self, events: Reader, state: Reader) -> None:
        self._membership = membership = await self._channel.bus.join(
            "controller", KNX.name, assigned=self._take_over, revoked=self._hand_over
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(events))
                tasks.create_task(self._follow(state))
                tasks.create_task(self._wake())
                tasks.create_task(self._wake_shadow())
                tasks.create_task(self._expire())
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
        self._try_shadow()

    async def _follow(self, reader: Reader) -> None:
        while True:
            messages: list[BusMessage] = []
            for received in await reader.batch():
                try:
                    messages += self._take(received)
                except Exception:
                    log.exception("message passed over", place=received.record.place, key=received.record.key)
            await self._outbox.put(messages)

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
        numbers = {number for _, number in partitions}
        self._assigned |= numbers
        for room_id, records, settled_at in self._aside.rooms(numbers):
            await self._outbox.put(self._catch_up_room(room_id, records, settled_at))
            await asyncio.sleep(0)
        self._decider.look_at(self.known.rooms)

    def _catch_up_room(self, room_id: int, records: Sequence[Record], settled_at: int) -> Sequence[BusMessage]:
        """What was kept aside of a room becomes what is known of it; nothing is decided by a part of that."""
        room = self.known.rooms.get(room_id)
        before = room.settled_at if room is not None else 0
        messages: list[BusMessage] = []
        for record in records:
            received = self._channel.decoded(record)
            if received is not None and isinstance(received.message, Reading):
                its = self.known.rooms.of_device(received.message.device_id)
                self._resends.looked(received.message, self._clock.now())
                messages += self._decider.hear(its, received.message)[1] if its is not None else ()
        if room is not None:
            room.settled_at = max(before, settled_at)
            self._decider.look_at([room])
        return messages

    async def _hand_over(self, partitions: Sequence[Partition]) -> None:
        self._assigned -= {number for _, number in partitions}

    def _is_certain(self) -> bool:
        return self._membership is not None and self._membership.certain()

    def _is_assigned(self, room: RoomState) -> bool:
        return partition_of(KNX.name, room.room_id) in self._assigned

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
        """What is to be decoded now: results, and what is new of the rooms that it decides for."""
        if record.topic == EVENTS.name:
            return record.key in (RESULT, LEASE_END)
        now = self._clock.now()
        return not (self._aside.keep(record, self._assigned, now) or self._resends.holds(record.headers, now))

    def _take(self, received: Received) -> Sequence[BusMessage]:
        match received.message:
            case Reading() as reading:
                self._resends.looked(reading, self._clock.now())
                return self._decider.take_reading(reading)
            case Command() as command:
                self._decider.take_command(command)
            case CommandResult() as result:
                return self._decider.take_result(result)
            case LeaseEnd() as end:
                self._decider.end_lease(end)
            case _ if received.record.topic == STATE.name:
                self._learn(received)
        return ()

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


def _no_health(record: Record) -> bool:
    return not record.key.startswith("health/")
