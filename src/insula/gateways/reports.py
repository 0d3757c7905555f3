"""From the field bus to the bus: what it tells becomes readings, alarms, and news of the link."""

from collections.abc import Callable
from math import isfinite

import structlog

from insula.clock import Clock
from insula.gateways import reasons
from insula.gateways.commands import Commands
from insula.gateways.outbox import Outbox
from insula.gateways.state import GatewayState
from insula.messages import Origin
from insula.points import ROLES, Role

log = structlog.get_logger("insula.gateways")


class Reports:
    """The ``Upward`` of a running gateway. ``on_link`` is called after each change of the link."""

    def __init__(
        self,
        state: GatewayState,
        commands: Commands,
        outbox: Outbox,
        clock: Clock,
        on_link: Callable[[], None],
        may_send: Callable[[], bool],
    ) -> None:
        self._state = state
        self._commands = commands
        self._outbox = outbox
        self._clock = clock
        self._on_link = on_link
        self.may_send = may_send

    # --- the link

    def connected(self) -> None:
        self._state.gate.connected, self._state.why = True, ""
        self._state.connected_at = self._clock.now()
        log.info("connected", gateway=self._state.values.gateway_id)
        self._on_link()

    def disconnected(self, why: str) -> None:
        """Nothing is queued for a link that is down, and nothing is known any more."""
        if self._state.gate.connected:
            self._state.down_since = self._clock.real()
        self._state.gate.connected, self._state.why = False, why
        log.warning("disconnected", gateway=self._state.values.gateway_id, why=why)
        self._commands.drop(reasons.NOT_CONNECTED)
        self._outbox.put(*self._state.values.lost(self._clock.real()))
        self._on_link()

    # --- devices

    def report(
        self,
        device_id: int,
        point: str,
        value: float,
        *,
        origin: Origin | None = None,
        measured_at: int | None = None,
    ) -> None:
        role = ROLES.get(point)
        if role is None:
            self.unknown(f"{device_id}/{point}")
            return
        if not _has_wire_form(role, value):
            self._state.counters["invalid_values"] += 1
            log.warning("impossible value", device=device_id, point=point, value=value)
            return
        now, real = self._clock.now(), self._clock.real()
        if measured_at is None:
            self.alive(device_id)
        if origin is None:
            cause = self._state.causes.of((device_id, role.target), real) if measured_at is None else ""
            origin = Origin(kind="device", cause=cause)
        elif origin.by_hand and role.writable:
            origin = self._state.causes.press((device_id, role.target), origin, real)
        reading = self._state.values.report(
            device_id, role, value, origin=origin, now=now, real=real, measured_at=measured_at
        )
        self._heed(device_id, role, reading.value, origin)
        self._outbox.put(reading)

    def _heed(self, device_id: int, role: Role, value: float, origin: Origin) -> None:
        """What a value means for the commands to come: an alarm, something done at the wall, a valve's position."""
        now = self._clock.now()
        by_hand = origin.by_hand and role.writable
        self._state.repeats.said(device_id, role.name, value, now, by_hand=by_hand)
        if by_hand:
            self._state.gate.hold(device_id, origin, "occupant", now)
        if role.alarm:
            self._state.gate.alarm(device_id, role.name, on=value != 0)
            if reason := self._state.gate.alarm_of(device_id):
                self._commands.drop(reason, device_id)

    def alive(self, device_id: int) -> None:
        self._outbox.put(*self._state.values.alive(device_id, self._clock.now(), self._clock.real()))

    def dead(self, device_id: int, why: str) -> None:
        log.warning("device does not answer", device=device_id, why=why)
        self._state.counters["deaths"] += 1
        self._outbox.put(*self._state.values.dead(device_id, self._clock.real()))

    def unknown(self, address: str) -> None:
        self._state.counters["unknown_telegrams"] += 1
        log.debug("fits no device", address=address)


def _has_wire_form(role: Role, value: float) -> bool:
    """NaN, infinity, and whole percentages beyond 0-100 are no messages. What else is out of range is ``uncertain``."""
    return isfinite(value) and (role.in_range(value) or not (role.whole and role.unit == "%"))
