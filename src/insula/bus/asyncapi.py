"""What is on the topics, as an AsyncAPI document (https://www.asyncapi.com/docs/reference/specification/v3.0.0).

Made of the message types themselves; ``docs/asyncapi.yaml`` is what this gives.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from insula import __version__
from insula.bus.codec import EVENT_TYPES
from insula.bus.keys import STATE_TYPES
from insula.bus.topics import DB, END_OF_DEVICES, EVENTS, STATE, TOPICS, Topic
from insula.bus.wire import COMMANDS, READ_POINT, READINGS, SET_POINT, Action, WireCommand, WireReading
from insula.messages import Acknowledge, AlertEvent, CommandResult, Decision, DeviceRecord, LeaseEnd, PassedOn

Schema = dict[str, Any]

TYPES = (WireReading, WireCommand, DeviceRecord, *EVENT_TYPES.values(), *STATE_TYPES.values())
SCHEMAS = "#/components/schemas/"
HEADERS: Schema = {
    "type": "object",
    "properties": {
        "point": {"type": "string", "description": "<device_id>/<point>"},
        "room": {"type": "string", "description": "the room's id, which chooses the partition"},
        "resend": {"const": "1", "description": "nothing new in it"},
    },
}
"""Of readings, when Insula's own parts send them."""
ABOUT_EVENTS: dict[type, str] = {
    CommandResult: "What became of a command",
    Decision: "Why the controller sent a command",
    LeaseEnd: "Somebody asks that nobody hold a device any more",
    PassedOn: "A reading that was put on another partition than its room's",
    AlertEvent: "An alert was raised, acknowledged or cleared",
    Acknowledge: "A person has seen an alert",
}
ABOUT = """\
Key = the action, value = a JSON object in UTF-8. Fields not listed may be added. Numbers may come in as strings and
flags as booleans, as programs of 2020 send them; they go out as numbers."""


def document() -> str:
    """The document as YAML."""
    _, schemas = msgspec.json.schema_components(TYPES, ref_template=SCHEMAS + "{name}")
    messages = {name: message for topic in TOPICS.values() for name, message in _messages(topic)}
    about = {
        "asyncapi": "3.0.0",
        "info": {"title": "Insula", "version": __version__, "description": ABOUT},
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS.values()},
        "components": {"messages": messages, "schemas": schemas},
    }
    return msgspec.yaml.encode(about).decode()


def _channel(topic: Topic) -> Schema:
    kept: Schema = {"partitions": topic.partitions, "topicConfiguration": _kept(topic)}
    return {
        "address": topic.name,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name, _ in _messages(topic)},
        "bindings": {"kafka": kept},
    }


def _kept(topic: Topic) -> Schema:
    kept: Schema = {"cleanup.policy": topic.cleanup.split(",")}
    return {**kept, "retention.ms": -1} if topic.compacted else kept


def _messages(topic: Topic) -> Iterator[tuple[str, Schema]]:
    """Each record that may be on this topic: its name here, and what it is."""
    if topic is DB:
        yield "device", _message({"pattern": "^[0-9]+$"}, _removable(DeviceRecord), "A device; null: it was removed")
        yield END_OF_DEVICES, _message({"const": END_OF_DEVICES}, {"type": "object"}, "The list of devices ends here")
    elif topic is STATE:
        for kind, type_ in STATE_TYPES.items():
            yield kind, _message({"pattern": f"^{kind}/"}, _removable(type_), f"{type_.__name__}; null: it is over")
    elif topic is EVENTS:
        for key, event in EVENT_TYPES.items():
            name = f"{key}_event" if key in STATE_TYPES else key
            yield name, _message({"const": key}, _of(event), ABOUT_EVENTS[event])
    else:
        yield from _points(topic)


def _points(topic: Topic) -> Iterator[tuple[str, Schema]]:
    """Actions of 2020 by their keys, and the two keys for all else."""
    for action in READINGS:
        if action.topic == topic.name:
            summary = f"A reading: {action.point}"
            yield action.key, {**_message({"const": action.key}, _reading(action), summary), "headers": HEADERS}
    for action in COMMANDS:
        if action.topic == topic.name:
            yield action.key, _message({"const": action.key}, _command(action), f"A command: {action.point}")
    for key, type_, what in ((READ_POINT, WireReading, "A reading"), (SET_POINT, WireCommand, "A command")):
        payload = _with(type_, {}, ["device_id", "point", "value"])
        yield f"{topic.name}_{key}", _message({"const": key}, payload, f"{what} of any point of a {topic.name} device")


def _reading(action: Action) -> Schema:
    said = {"reason": action.reason, **({"kind": action.kind} if action.kind else {})}
    return _with(WireReading, said, [*_names(action), *said, "value"])


def _command(action: Action) -> Schema:
    return _with(WireCommand, {}, [*_names(action), *(["percentage"] if action.value is None else [])])


def _names(action: Action) -> list[str]:
    """The fields that name a device in 2020's way."""
    return ["bloc", "floor"] if action.topic == "knx" else ["node_id"]


def _with(type_: type, said: dict[str, str], required: list[str]) -> Schema:
    more: Schema = {"required": required}
    if said:
        more["properties"] = {name: {"const": value} for name, value in said.items()}
    return {"allOf": [_of(type_), more]}


def _of(type_: type) -> Schema:
    return {"$ref": SCHEMAS + type_.__name__}


def _removable(type_: type) -> Schema:
    return {"oneOf": [_of(type_), {"type": "null"}]}


def _message(key: Schema, payload: Schema, summary: str) -> Schema:
    return {"summary": summary, "payload": payload, "bindings": {"kafka": {"key": {"type": "string", **key}}}}
