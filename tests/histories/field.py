"""The far side of a history: a gateway with the real gate, and devices that obey, refuse, break or fall silent."""

import asyncio
from collections.abc import Mapping

from msgspec.structs import replace

from insula.bus.channel import Channel, Received
from insula.bus.keys import lease_key
from insula.clock import Clock
from insula.gateways.gate import Gate
from insula.messages import (
    BuildingSettings,
    Command,
    CommandResult,
    Lease,
    Origin,
    Outcome,
    Quality,
    Reading,
    RoomRecord,
)
from insula.points import ROLES
from tests.a_room import BLIND, LAMP, RADIATOR, SENSOR

DEVICES: Mapping[str, int] = {"position": BLIND, "wind_alarm": BLIND, "valve": RADIATOR, "level": LAMP}
SENSED = ("motion", "humidity", "temperature", "illuminance")
BY_ITSELF = Origin(kind="device")
FIRST = {"motion": 0, "humidity": 40, "temperature": 20, "illuminance": 500, "position": 60, "valve": 20, "level": 0}


class Field:
    """``works``: what becomes of a command (None: nobody answers it); ``latency_s``: after how long."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self.gate = Gate()
        self.gate.connected = True
        self.last: dict[str, Reading] = {}
        self.works: Outcome | None = "done"
        self.latency_s = 0.0
        self.sensor_lives = True
        self.told_motion_at = 0
        self._channel = channel
        self._clock = clock
        self._count = 0
        self._seen: set[str] = set()
        self._answers: set[asyncio.Task[None]] = set()

    def id(self, kind: str) -> str:
        """The same in the same history."""
        self._count += 1
        return f"{kind}{self._count}"

    def stands(self, point: str) -> float:
        return self.last[point].value

    async def close(self) -> None:
        for answer in self._answers:
            answer.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)

    # --- up

    async def report(self, point: str, value: float, origin: Origin = BY_ITSELF) -> None:
        """A device says so; the sensor does not while it is silent."""
        if point in SENSED and not self.sensor_lives:
            return
        now, old = self._clock.now(), self.last.get(point)
        changed = now if old is None or old.value != value else old.changed_at
        await self._tell(self._reading(point, value, changed, origin))

    async def press(self, point: str, value: float) -> None:
        """At the wall: the device moves, and the gate holds it."""
        hand = Origin(kind="switch", name="1.1.7")
        self.gate.hold(DEVICES[point], hand, "occupant", self._clock.now())
        await self.report(point, value, replace(hand, cause=self.id("press")))

    async def alive(self) -> None:
        """What a gateway tells again and again: who lives gives a sign of life, who does not is repeated as it was."""
        now = self._clock.now()
        for point, old in list(self.last.items()):
            if not self.gate.connected or (point in SENSED and not self.sensor_lives):
                again = replace(old, at=now, resend=True)
            elif ROLES[point].freshness == "link":
                again = replace(old, at=now, seen_at=now, resend=True)
            else:
                again = self._reading(point, old.value, old.changed_at, BY_ITSELF)
            await self._tell(again)

    async def link(self, up: bool) -> None:
        if up != self.gate.connected:
            self.gate.connected = up
            for old in list(self.last.values()):
                await self._tell(replace(old, quality="good" if up else "stale", id=self.id("link"), resend=False))
            if up:
                await self.alive()

    def _reading(self, point: str, value: float, changed: int, origin: Origin) -> Reading:
        now, device_id = self._clock.now(), DEVICES.get(point, SENSOR)
        gateway = "knx" if device_id in (BLIND, RADIATOR) else "zwave"
        quality: Quality = "good" if self.gate.connected else "stale"
        return Reading(
            id=self.id("reading"),
            at=now,
            device_id=device_id,
            gateway_id=gateway,
            point=point,
            value=value,
            measured_at=now,
            changed_at=changed,
            seen_at=now,
            quality=quality,
            origin=origin,
        )

    async def _tell(self, reading: Reading) -> None:
        self.last[reading.point] = reading
        if reading.point == "motion":
            self.told_motion_at = self._clock.now()
        if reading.point == "wind_alarm":
            self.gate.alarm(BLIND, "wind_alarm", on=bool(reading.value))
        await self._channel.send(reading)

    # --- down

    def take(self, received: Received) -> None:
        match received.message:
            case Command() as command if command.id not in self._seen:
                self._seen.add(command.id)
                answer = asyncio.create_task(self._answer(command, self.works, self.latency_s))
                self._answers.add(answer)
                answer.add_done_callback(self._answers.discard)
            case Lease() as lease:
                self.gate.lease(lease)
            case RoomRecord() as room:
                self.gate.room(room.room_id, room.mode)
            case BuildingSettings() as settings:
                self.gate.settings = settings
            case None:
                for device_id in (BLIND, RADIATOR, LAMP):
                    if received.record.key == lease_key(device_id):
                        self.gate.release(device_id, self._clock.now())

    async def _answer(self, command: Command, works: Outcome | None, latency_s: float) -> None:
        await asyncio.sleep(latency_s)
        if works is None:
            return
        outcome, reason = works, "the device does not"
        if refusal := self.gate.refusal(command, self._clock.now(), 1):
            outcome, reason = "refused", refusal
        if outcome == "done" and command.origin.by_hand:
            self.gate.hold(command.device_id, command.origin, command.class_, self._clock.now(), command.id)
        real = self._clock.real()
        result = CommandResult(id=f"r{command.id}", at=real, command=command, outcome=outcome, reason=reason)
        await self._channel.send(result)
        if outcome == "done":
            await self.report(command.point, command.value, Origin(kind="device", cause=command.id))
