"""The wire forms: message <-> record. The names of 2020 live here and in ``wire.py`` alone."""

from collections.abc import Callable
from hashlib import blake2b
from math import isfinite
from typing import Any, TypeVar

import msgspec

from insula.bus.addressees import Addressees
from insula.bus.devices import DeviceIndex
from insula.bus.keys import STATE_TYPES, state_key, state_type
from insula.bus.keys import gateway_key as gateway_key
from insula.bus.keys import health_key as health_key
from insula.bus.keys import learned_key as learned_key
from insula.bus.keys import lease_key as lease_key
from insula.bus.keys import room_key as room_key
from insula.bus.port import Outgoing, Record
from insula.bus.topics import END_OF_DEVICES
from insula.bus.wire import (
    COMMANDS_BY_KEY,
    READ_POINT,
    READINGS_BY_KEY,
    SET_POINT,
    Action,
    WireCommand,
    WireReading,
    command_action,
    number_in,
    number_out,
    reading_action,
)
from insula.errors import Undecodable, UnknownDevice
from insula.messages import (
    COMMAND_LIFE_MS,
    Acknowledge,
    AlertEvent,
    BusMessage,
    Command,
    CommandResult,
    Decision,
    DeviceRecord,
    Event,
    LeaseEnd,
    Origin,
    PassedOn,
    Reading,
    RuleSet,
    StateValue,
)
from insula.points import ROLES

T = TypeVar("T")

RESULT = "result"
DECISION = "decision"
LEASE_END = "lease_end"
PASSED_ON = "passed_on"
ALERT = "alert"
ACKNOWLEDGE = "acknowledge"

EVENT_TYPES: dict[str, type[Event]] = {
    RESULT: CommandResult,
    DECISION: Decision,
    LEASE_END: LeaseEnd,
    PASSED_ON: PassedOn,
    ALERT: AlertEvent,
    ACKNOWLEDGE: Acknowledge,
}
"""By key, what is on topic ``events``."""

_encode = msgspec.json.Encoder().encode
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {
    type_: msgspec.json.Decoder(type_)
    for type_ in (WireReading, WireCommand, DeviceRecord, *EVENT_TYPES.values(), *STATE_TYPES.values())
}


class Codec:
    """Pure but for the index of devices, which gives messages their 2020 names and records their device."""

    def __init__(self, devices: DeviceIndex) -> None:
        self.devices = devices
        self._addressees = Addressees(devices)
        self._encoders: dict[type, Callable[[Any], Outgoing]] = {
            Reading: self._encode_reading,
            Command: self._encode_command,
            CommandResult: self._encode_result,
            Decision: self._encode_decision,
            LeaseEnd: lambda end: self._event(LEASE_END, _encode(end), self._room_of(end.device_id)),
            PassedOn: lambda passed: self._event(PASSED_ON, _encode(passed), self._room_of(passed.reading.device_id)),
            AlertEvent: lambda event: self._event(ALERT, _encode(event), event.alert.room_id),
            Acknowledge: lambda event: self._event(ACKNOWLEDGE, _encode(event), None),
            DeviceRecord: _encode_device,
            **dict.fromkeys(STATE_TYPES.values(), _encode_state),
        }
        self._decoders: dict[str, Callable[[Record, bytes], BusMessage]] = {
            "knx": self._decode_point,
            "zwave": self._decode_point,
            "events": _decode_event,
            "db": _decode_device,
            "state": _decode_state,
        }

    def encode(self, message: BusMessage) -> Outgoing:
        """Raises UnknownDevice, and Undecodable for a value that is no number."""
        return self._encoders[type(message)](message)

    def decode(self, record: Record) -> BusMessage | None:
        """None for a tombstone and for the marker ``end_read_db``. Raises Undecodable or UnknownDevice."""
        if record.topic in ("db", "state") and (record.value is None or record.key == END_OF_DEVICES):
            return None
        if record.value is None:
            raise Undecodable("a record without a value")
        return self._decoders[record.topic](record, record.value)

    # --- readings and commands, out

    def _encode_reading(self, reading: Reading) -> Outgoing:
        device, role = self._addressees.point(reading.device_id, reading.point)
        action = reading_action(device, role)
        wire = WireReading(
            value=number_out(reading.value, role),
            id=reading.id,
            at=reading.at,
            device_id=reading.device_id,
            gateway_id=reading.gateway_id,
            origin=reading.origin,
            measured_at=reading.measured_at,
            changed_at=reading.changed_at,
            seen_at=reading.seen_at,
            quality=reading.quality,
        )
        if action is None:
            wire.point = role.name
        else:
            wire.kind = action.kind or None
            wire.reason = action.reason
            wire.bloc, wire.floor, wire.node_id = device.bloc, device.floor, device.node_id
        headers = {"point": f"{device.device_id}/{role.name}", "room": str(device.room_id)}
        if reading.resend:
            headers["resend"] = "1"
        return Outgoing(device.type, action.key if action else READ_POINT, _encode(wire), headers, device.room_id)

    def _encode_command(self, command: Command) -> Outgoing:
        device, role = self._addressees.point(command.device_id, command.point)
        value = number_out(command.value, role)
        action = command_action(device, role, value)
        wire = WireCommand(
            id=command.id,
            at=command.at,
            device_id=command.device_id,
            gateway_id=command.gateway_id,
            origin=command.origin,
            class_=command.class_,
            expires_at=command.expires_at,
        )
        if action is None:
            wire.point, wire.value = role.name, value
        else:
            wire.bloc, wire.floor, wire.node_id = device.bloc, device.floor, device.node_id
            wire.percentage = value if action.value is None else None
        headers = {"room": str(device.room_id)}
        return Outgoing(device.type, action.key if action else SET_POINT, _encode(wire), headers, device.room_id)

    # --- readings and commands, in

    def _decode_point(self, record: Record, value: bytes) -> Reading | Command:
        place = (record.topic, record.key)
        action = READINGS_BY_KEY.get(place)
        if action is not None or record.key == READ_POINT:
            return self._decode_reading(record, _parse(WireReading, value), action)
        if record.key == SET_POINT or place in COMMANDS_BY_KEY:
            return self._decode_command(record, _parse(WireCommand, value), COMMANDS_BY_KEY.get(place))
        raise Undecodable(f"no such key on topic {record.topic}: {record.key!r}")

    def _decode_reading(self, record: Record, wire: WireReading, action: Action | None) -> Reading:
        device, role = self._addressees.of(record, wire, action)
        value = number_in(wire.value, role)
        in_range = role.in_range(value)
        if not in_range and role.unit == "%" and role.whole:
            raise Undecodable(f"{role.name} is outside of 0 to 100 %: {value}")
        measured_at = record.at if wire.measured_at is None else wire.measured_at
        return Reading(
            id=wire.id or _id_of(record),
            at=record.at if wire.at is None else wire.at,
            device_id=device.device_id,
            gateway_id=wire.gateway_id or device.gateway_id,
            point=role.name,
            value=value,
            measured_at=measured_at,
            changed_at=measured_at if wire.changed_at is None else wire.changed_at,
            seen_at=wire.seen_at or 0,
            quality=wire.quality or ("good" if in_range else "uncertain"),
            origin=wire.origin or Origin(kind="device"),
            resend=record.headers.get("resend") == "1",
        )

    def _decode_command(self, record: Record, wire: WireCommand, action: Action | None) -> Command:
        """To the gateway of the device's record, whatever the sender believes: it would have no answer elsewhere."""
        device, role = self._addressees.of(record, wire, action)
        if action is None:
            value = number_in(wire.value, role)
        else:
            value = number_in(wire.percentage, role) if action.value is None else action.value
        if not role.in_range(value):
            raise Undecodable(f"{role.name} is outside of {role.low:g} to {role.high:g} {role.unit}: {value}")
        return Command(
            id=wire.id or _id_of(record),
            at=record.at if wire.at is None else wire.at,
            device_id=device.device_id,
            gateway_id=device.gateway_id,
            point=role.name,
            value=value,
            class_=wire.class_ or "occupant",
            expires_at=record.at + COMMAND_LIFE_MS if wire.expires_at is None else wire.expires_at,
            origin=wire.origin or Origin(),
        )

    # --- results and decisions, out

    def _encode_result(self, result: CommandResult) -> Outgoing:
        command = msgspec.structs.replace(result.command, value=_cleaned(result.command.point, result.command.value))
        value = _encode(msgspec.structs.replace(result, command=command))
        return self._event(RESULT, value, self._room_of(command.device_id))

    def _encode_decision(self, decision: Decision) -> Outgoing:
        for seen in decision.values.values():
            if isinstance(seen, float) and not isfinite(seen):
                raise Undecodable(f"a decision's value is no number: {seen}")
        cleaned = msgspec.structs.replace(decision, value=_cleaned(decision.point, decision.value))
        return self._event(DECISION, _encode(cleaned), decision.room_id)

    def _room_of(self, device_id: int) -> int | None:
        try:
            return self.devices.get(device_id).room_id
        except UnknownDevice:  # removed since: what became of its command is still to be known
            return None

    @staticmethod
    def _event(key: str, value: bytes, room_id: int | None) -> Outgoing:
        headers = {} if room_id is None else {"room": str(room_id)}
        return Outgoing("events", key, value, headers, room_id)


def _parse(type_: type[T], value: bytes) -> T:
    try:
        message: T = _decoders[type_].decode(value)
    except (ValueError, RecursionError) as error:  # msgspec's errors, and bad UTF-8, are ValueErrors
        raise Undecodable(str(error)) from None
    return message


def _id_of(record: Record) -> str:
    """An id for a record of 2020, which has none: the same each time it is read."""
    return blake2b(f"{record.place} {record.at}".encode(), digest_size=16).hexdigest()


def _cleaned(point: str, value: float) -> float:
    return number_out(value, ROLES[point]) if point in ROLES else value


def _encode_device(device: DeviceRecord) -> Outgoing:
    fields = {name: value for name, value in msgspec.to_builtins(device).items() if value is not None}
    return Outgoing("db", str(device.device_id), _encode(fields))


def _encode_state(value: StateValue) -> Outgoing:
    return Outgoing("state", state_key(value), _encode(value))


def _decode_event(record: Record, value: bytes) -> Event:
    if record.key not in EVENT_TYPES:
        raise Undecodable(f"no such key on topic events: {record.key!r}")
    return _parse(EVENT_TYPES[record.key], value)


def _decode_device(record: Record, value: bytes) -> DeviceRecord:
    device = _parse(DeviceRecord, value)
    if record.key != str(device.device_id):
        raise Undecodable(f"key {record.key!r} with the record of device {device.device_id}")
    return device


def _decode_state(record: Record, value: bytes) -> StateValue:
    message = _parse(state_type(record.key), value)
    if not isinstance(message, RuleSet) and record.key != state_key(message):
        raise Undecodable(f"key {record.key!r} with the value of {state_key(message)!r}")
    return message
