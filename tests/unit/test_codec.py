"""The wire forms: tests/golden/wire holds the records of 2020, one a line; round trips hold for every message."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula import errors
from insula.bus.codec import Codec
from insula.bus.keys import state_key
from insula.bus.port import Outgoing, Record
from insula.errors import InputError, Undecodable, UnknownDevice
from insula.messages import (
    BuildingSettings,
    BusMessage,
    Command,
    CommandResult,
    Decision,
    DeviceRecord,
    GatewayRecord,
    Health,
    Learned,
    Lease,
    Origin,
    Reading,
    Rule,
    RuleSet,
)
from insula.points import ROLES
from tests.unit.devices import BLIND, DEVICES, DIMMER, PLAIN_BLIND, SENSOR, index

GOLDEN = Path(__file__).parent.parent / "golden" / "wire"
AT = 1_767_225_600_000
ADDED = {"id", "at", "device_id", "gateway_id", "origin"}
ADDED_TO_READINGS = ADDED | {"measured_at", "changed_at", "seen_at", "quality"}
ADDED_TO_COMMANDS = ADDED | {"class", "expires_at"}


def golden(name: str) -> list[Any]:
    cases = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(case, id=f"{case['key']}: {case['name']}") for case in cases]


@pytest.fixture
def codec() -> Codec:
    return Codec(index())


def as_read(outgoing: Outgoing, offset: int = 0) -> Record:
    return Record(outgoing.topic, 0, offset, outgoing.key, outgoing.value, outgoing.headers, AT)


def sent(topic: str, key: str, value: str | bytes, *, offset: int = 0) -> Record:
    return Record(topic, 3, offset, key, value.encode() if isinstance(value, str) else value, {}, AT)


def fields(text: str | bytes | None) -> dict[str, Any]:
    assert text is not None
    decoded = json.loads(text)
    assert isinstance(decoded, dict)
    return decoded


def reading(device: DeviceRecord, point: str, value: float) -> Reading:
    return Reading(
        at=AT,
        device_id=device.device_id,
        gateway_id=device.gateway_id,
        point=point,
        value=value,
        measured_at=AT - 5,
        changed_at=AT - 9,
    )


def command(device: DeviceRecord, point: str, value: float) -> Command:
    return Command(
        at=AT,
        device_id=device.device_id,
        gateway_id=device.gateway_id,
        point=point,
        value=value,
        expires_at=AT + 1000,
    )


# --- 2020 -> message


@pytest.mark.parametrize("case", golden("readings"))
def test_a_reading_of_2020_is_read(codec: Codec, case: dict[str, Any]) -> None:
    message = codec.decode(sent(case["topic"], case["key"], case["sent"]))

    assert isinstance(message, Reading)
    assert (message.device_id, message.point, message.value) == (case["device_id"], case["point"], case["value"])
    assert message.gateway_id == codec.devices.get(case["device_id"]).gateway_id
    assert message.at == message.measured_at == message.changed_at == AT
    assert (message.quality, message.origin, message.resend) == ("good", Origin(kind="device"), False)


@pytest.mark.parametrize("case", golden("commands"))
def test_a_command_of_2020_is_read(codec: Codec, case: dict[str, Any]) -> None:
    message = codec.decode(sent(case["topic"], case["key"], case["sent"]))

    assert isinstance(message, Command)
    assert (message.device_id, message.point, message.value) == (case["device_id"], case["point"], case["value"])
    assert message.gateway_id == codec.devices.get(case["device_id"]).gateway_id
    assert (message.at, message.expires_at, message.class_) == (AT, AT + 30_000, "occupant")
    assert message.origin == Origin()
    assert message.origin.by_hand


@pytest.mark.parametrize("case", golden("lenient"))
def test_what_programs_of_2020_send_is_understood(codec: Codec, case: dict[str, Any]) -> None:
    message = codec.decode(sent(case["topic"], case["key"], case["sent"]))

    assert isinstance(message, Reading | Command)
    assert (message.device_id, message.point, message.value) == (case["device_id"], case["point"], case["value"])
    assert type(message.value) is float


@pytest.mark.parametrize("case", golden("refused"))
def test_what_is_wrong_is_refused(codec: Codec, case: dict[str, Any]) -> None:
    with pytest.raises(getattr(errors, case["error"])):
        codec.decode(sent(case["topic"], case["key"], case["sent"]))


def test_a_record_of_2020_has_the_same_id_each_time_it_is_read_and_none_shares_it(codec: Codec) -> None:
    records = [sent("knx", "open_blinds", '{"bloc":1,"floor":4}', offset=offset) for offset in range(20)]
    ids = [message.id for record in records if isinstance(message := codec.decode(record), Command)]
    again = [message.id for record in records if isinstance(message := codec.decode(record), Command)]

    assert ids == again
    assert len(set(ids)) == 20


def test_a_value_out_of_its_range_without_a_quality_is_uncertain(codec: Codec) -> None:
    message = codec.decode(sent("zwave", "sensors_get_temperature", '{"node_id":2,"value":900}'))

    assert isinstance(message, Reading)
    assert message.quality == "uncertain"


@pytest.mark.parametrize("value", [b"\xff", b'{"bloc":"\xff"}', b'{"a":' + b"[" * 100_000, b"\x00", b'{"bloc":1e5}'])
def test_no_bytes_can_stop_a_reader(codec: Codec, value: bytes) -> None:
    with pytest.raises(InputError):
        codec.decode(sent("knx", "open_blinds", value))


@pytest.mark.parametrize("topic", ["knx", "zwave", "events"])
def test_a_record_without_a_value_is_no_message_there(codec: Codec, topic: str) -> None:
    with pytest.raises(Undecodable):
        codec.decode(Record(topic, 0, 0, "result", None))


def test_a_command_goes_to_the_gateway_of_its_device(codec: Codec) -> None:
    text = '{"device_id":1,"point":"position","value":5,"gateway_id":"zwave"}'
    message = codec.decode(sent("knx", "set_point", text))

    assert isinstance(message, Command)
    assert message.gateway_id == BLIND.gateway_id


def test_whole_numbers_may_come_as_floats(codec: Codec) -> None:
    message = codec.decode(sent("knx", "open_blinds", '{"bloc":1.0,"floor":4.0}'))

    assert isinstance(message, Command)
    assert message.device_id == BLIND.device_id


@pytest.mark.parametrize("bloc", ["1.5", "1e300", "-1e17"])
def test_what_is_not_whole_names_no_device(codec: Codec, bloc: str) -> None:
    with pytest.raises(Undecodable, match="bloc is no whole number"):
        codec.decode(sent("knx", "open_blinds", f'{{"bloc":{bloc},"floor":4}}'))


@pytest.mark.parametrize("name", ["at", "measured_at", "changed_at", "seen_at"])
@pytest.mark.parametrize("time", [-1, 7_258_118_400_000, 9_007_199_254_740_991])
def test_what_is_no_time_of_this_age_is_refused(codec: Codec, name: str, time: int) -> None:
    with pytest.raises(Undecodable, match=name):
        codec.decode(sent("zwave", "sensors_get_temperature", f'{{"node_id":2,"value":20,"{name}":{time}}}'))


def test_a_device_is_found_anew_when_its_record_changes(codec: Codec) -> None:
    record = as_read(codec.encode(reading(SENSOR, "temperature", 20)))
    assert isinstance(codec.decode(record), Reading)
    codec.devices.put(msgspec.structs.replace(SENSOR, points=(), gateway_id="other"))
    with pytest.raises(UnknownDevice):
        codec.decode(record)
    codec.devices.put(SENSOR)
    assert isinstance(codec.decode(record), Reading)
    codec.devices.remove(SENSOR.device_id)
    with pytest.raises(UnknownDevice):
        codec.decode(record)


@pytest.mark.parametrize("field", ['"id":"%s"', '"origin":{"name":"%s"}', '"origin":{"cause":"%s"}'])
def test_a_text_that_would_be_sent_on_is_bounded(codec: Codec, field: str) -> None:
    with pytest.raises(Undecodable, match="255"):
        codec.decode(sent("knx", "open_blinds", '{"bloc":1,"floor":4,%s}' % (field % ("x" * 256))))


# --- message -> 2020


@pytest.mark.parametrize("case", golden("readings"))
def test_a_reading_goes_out_as_2020_knows_it(codec: Codec, case: dict[str, Any]) -> None:
    device = codec.devices.get(case["device_id"])
    outgoing = codec.encode(reading(device, case["point"], case["value"]))

    assert (outgoing.topic, outgoing.key, outgoing.spread) == (case["topic"], case["key"], device.room_id)
    assert outgoing.headers == {"point": f"{device.device_id}/{case['point']}", "room": str(device.room_id)}
    published, listed = fields(outgoing.value), fields(case["sent"])
    assert {name: published.get(name) for name in listed} == listed
    assert published.keys() == listed.keys() | ADDED_TO_READINGS
    assert json.dumps(published["value"]) == json.dumps(listed["value"]), "42, not 42.0"


@pytest.mark.parametrize("case", golden("commands"))
def test_a_command_goes_out_as_2020_knows_it(codec: Codec, case: dict[str, Any]) -> None:
    device = codec.devices.get(case["device_id"])
    outgoing = codec.encode(command(device, case["point"], case["value"]))

    assert (outgoing.topic, outgoing.key, outgoing.spread) == (case["topic"], case["key"], device.room_id)
    assert outgoing.headers == {"room": str(device.room_id)}
    published, listed = fields(outgoing.value), fields(case["sent"])
    assert {name: published.get(name) for name in listed} == listed
    assert published.keys() == listed.keys() | ADDED_TO_COMMANDS
    assert all(type(published[name]) is type(listed[name]) for name in listed)


def test_halves_of_a_percent_are_rounded(codec: Codec) -> None:
    assert fields(codec.encode(reading(BLIND, "position", 41.5)).value)["value"] == 42


def test_half_open_by_up_and_down_has_no_action_of_2020(codec: Codec) -> None:
    assert codec.encode(command(BLIND, "move", 50)).key == "set_point"


def test_a_resend_says_so_in_a_header_alone(codec: Codec) -> None:
    again = msgspec.structs.replace(reading(SENSOR, "motion", 0), resend=True)
    outgoing = codec.encode(again)

    assert outgoing.headers["resend"] == "1"
    assert "resend" not in fields(outgoing.value)
    assert codec.decode(as_read(outgoing)) == again


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_not_sent(codec: Codec, value: float) -> None:
    for message in (
        reading(SENSOR, "temperature", value),
        reading(BLIND, "position", value),
        command(DIMMER, "level", value),
        CommandResult(at=AT, command=command(DIMMER, "level", value), outcome="done"),
        msgspec.structs.replace(DECISION, values={"luminance": value}),
    ):
        with pytest.raises(InputError):
            codec.encode(message)


@pytest.mark.parametrize(("device_id", "point"), [(99, "position"), (5, "move"), (7, "position")])
def test_a_message_to_nobody_is_not_sent(codec: Codec, device_id: int, point: str) -> None:
    nobody = msgspec.structs.replace(PLAIN_BLIND, device_id=device_id)
    for message in (reading(nobody, point, 0), command(nobody, point, 0)):
        with pytest.raises(UnknownDevice):
            codec.encode(message)


# --- results, decisions, devices, state

DECISION = Decision(
    at=AT,
    room_id=101,
    device_id=4,
    point="level",
    value=90,
    rule="lamp on",
    version="1",
    command_id="c",
    trigger="r",
    values={"luminance": 0.0, "occupied": True, "mode": "day"},
    lost=("lamp off",),
)


def test_a_result_carries_its_command_whole(codec: Codec) -> None:
    outgoing = codec.encode(CommandResult(at=AT, command=command(BLIND, "position", 0), outcome="refused", reason="no"))

    assert (outgoing.topic, outgoing.key, outgoing.spread) == ("events", "result", BLIND.room_id)
    published = fields(outgoing.value)["command"]
    assert (published["value"], published["class"]) == (0, "occupant")
    assert type(published["value"]) is int


def test_the_result_of_a_device_that_is_gone_is_still_told(codec: Codec) -> None:
    gone = msgspec.structs.replace(BLIND, device_id=99)
    result = CommandResult(at=AT, command=command(gone, "position", 1), outcome="failed")
    outgoing = codec.encode(result)

    assert outgoing.spread is None
    assert codec.decode(as_read(outgoing)) == result


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: f"{device.kind} {device.device_id}")
def test_devices_go_out_with_the_fields_of_2020(codec: Codec, device: DeviceRecord) -> None:
    outgoing = codec.encode(device)
    published = fields(outgoing.value)

    assert (outgoing.topic, outgoing.key, outgoing.headers) == ("db", str(device.device_id), {})
    listed = ("kind", "bloc", "floor") if device.bloc is not None else ()
    listed = ("node_id", "name") if device.type == "zwave" else listed
    for name in ("device_id", "room_number", "type", "gateway_id", *listed):
        assert published[name] == getattr(device, name)
    assert None not in published.values(), "no node_id in a KNX record, no bloc in a Z-Wave record"
    assert codec.decode(as_read(outgoing)) == device


def test_a_device_under_another_key_is_refused(codec: Codec) -> None:
    with pytest.raises(Undecodable, match="key '8'"):
        codec.decode(sent("db", "8", codec.encode(SENSOR).value or b""))


def test_tombstones_and_the_marker_are_no_message(codec: Codec) -> None:
    assert codec.decode(Record("db", 0, 0, "7", None)) is None
    assert codec.decode(Record("state", 0, 0, "lease/7", None)) is None
    assert codec.decode(sent("db", "end_read_db", "whatever")) is None


STATE = {
    "lease/7": Lease(device_id=7, owner=Origin(kind="user", name="ann"), since=AT, until=AT + 1, reason="by hand"),
    "rules/building": RuleSet(
        name="default", version="1", rules=(Rule(name="a", when="!occupied", target="radiator.valve", value=10),)
    ),
    "settings/building": BuildingSettings(name="EPFL", time_zone="Europe/Zurich", latitude=46.5, longitude=6.6),
    "gateway/knx": GatewayRecord(id="knx", type="knx", default=True, options={"host": "127.0.0.1", "port": 3671}),
    "learned/101": Learned(room_id=101, lux_per_percent=0.0, gain_k_h=1.5),
    "health/knx/1": Health(part="knx", instance="1", at=AT, status="degraded", why="no link", counters={"sent": 0.0}),
}


@pytest.mark.parametrize("key", STATE)
def test_state_is_found_by_its_key(codec: Codec, key: str) -> None:
    outgoing = codec.encode(STATE[key])

    assert (outgoing.topic, outgoing.key, state_key(STATE[key])) == ("state", key, key)
    assert codec.decode(as_read(outgoing)) == STATE[key]


# --- every message comes back as it was

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
times = st.integers(0, 7_258_118_399_999)
numbers = st.floats(-1e9, 1e9)
classes = st.sampled_from(["safety", "service", "occupant", "schedule", "comfort", "energy"])
kinds = st.sampled_from(["user", "rule", "switch", "device", "simulator", "system", "unknown"])
origins = st.builds(Origin, kind=kinds, name=texts, cause=texts)
places = st.sampled_from([(device, point.role) for device in DEVICES for point in device.points])


@st.composite
def point_values(draw: st.DrawFn) -> dict[str, Any]:
    device, point = draw(places)
    role = ROLES[point]
    inside = st.integers(int(role.low), int(role.high)) if role.whole else st.floats(role.low, role.high)
    return {
        "device_id": device.device_id,
        "gateway_id": draw(ids),
        "point": point,
        "value": float(draw(inside)),
        "id": draw(ids),
        "at": draw(times),
        "origin": draw(origins),
    }


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    quality = draw(st.sampled_from(["good", "uncertain", "stale"]))
    measured, changed, seen = draw(times), draw(times), draw(times)
    return Reading(
        **draw(point_values()),
        measured_at=measured,
        changed_at=changed,
        seen_at=seen,
        quality=quality,
        resend=draw(st.booleans()),
    )


@st.composite
def commands(draw: st.DrawFn) -> Command:
    values = draw(point_values())
    values["gateway_id"] = CODEC.devices.get(values["device_id"]).gateway_id
    return Command(**values, class_=draw(classes), expires_at=draw(times))


outcomes = st.sampled_from(["done", "refused", "expired", "failed"])
messages = st.one_of(
    readings(),
    commands(),
    st.builds(CommandResult, id=ids, at=times, command=commands(), outcome=outcomes, reason=texts),
    st.builds(
        Decision,
        id=ids,
        at=times,
        room_id=st.integers(0, 10**6),
        device_id=st.integers(0, 10**6),
        point=st.sampled_from(["setpoint", "unheard_of"]),
        value=numbers,
        rule=texts,
        version=texts,
        command_id=ids,
        trigger=texts,
        values=st.dictionaries(texts, numbers | texts | st.booleans(), max_size=4),
        lost=st.lists(texts, max_size=3).map(tuple),
    ),
    st.builds(Lease, device_id=st.integers(0), owner=origins, class_=classes, reason=texts, since=times, until=times),
    st.builds(Learned, room_id=st.integers(0, 10**9), lux_per_percent=numbers, gain_k_h=st.none() | numbers),
    st.builds(Health, part=ids, instance=ids, at=times, why=texts, counters=st.dictionaries(texts, numbers)),
    st.sampled_from([*DEVICES, *STATE.values()]),
)
CODEC = Codec(index())


@given(messages)
def test_a_message_comes_back_as_it_was(message: BusMessage) -> None:
    assert CODEC.decode(as_read(CODEC.encode(message))) == message


keys_of_topics = st.sampled_from(
    [
        *((topic, key) for topic, key in {(c.values[0]["topic"], c.values[0]["key"]) for c in golden("refused")}),
        *((c.values[0]["topic"], c.values[0]["key"]) for c in golden("readings") + golden("commands")),
        *(("state", key) for key in STATE),
    ]
)
names = st.sampled_from(["bloc", "floor", "node_id", "percentage", "value", "device_id", "point", "at", "origin"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from([1, 2, 3, 4, 7, "co2"])
json_values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=8)
objects = st.dictionaries(names | texts, json_values, max_size=8)


@given(keys_of_topics, objects.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_whatever_is_sent_is_a_message_or_an_input_error(place: tuple[str, str], value: bytes) -> None:
    try:
        message = CODEC.decode(sent(*place, value))
    except InputError:
        return
    assert message is None or CODEC.encode(message).topic == place[0]
