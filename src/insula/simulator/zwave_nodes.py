"""Simulated Z-Wave nodes as a Z-Wave JS server tells of them.

The templates in ``data/`` are dumps (schema 35, zwave-js 15.29) of a multisensor Aeotec ZW100 and a dimmer Aeotec
ZW111, shortened.
"""

import copy
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import Any

Json = dict[str, Any]

TEMPERATURE = "49-0-Air temperature"
HUMIDITY = "49-0-Humidity"
ILLUMINANCE = "49-0-Illuminance"
MOTION = "48-0-Motion"
MOTION_STATUS = "113-0-Home Security-Motion sensor status"
BATTERY = "128-0-level"
LEVEL = "38-0-currentValue"
TARGET = "38-0-targetValue"

_ID_FIELDS = (
    "commandClass",
    "commandClassName",
    "endpoint",
    "property",
    "propertyName",
    "propertyKey",
    "propertyKeyName",
)


class Status(IntEnum):
    """The driver's view of a node (zwave-js, NodeStatus)."""

    ASLEEP = 1
    DEAD = 3
    ALIVE = 4


@cache
def template(name: str) -> Json:
    """``controller``, ``multisensor`` or ``dimmer``. Not to be changed: copy it."""
    text = files("insula.simulator").joinpath("data", f"zwave_{name}.json").read_text("utf-8")
    data: Json = json.loads(text)
    return data


def value_id(value: Json) -> str:
    """``<command class>-<endpoint>-<property>[-<property key>]``"""
    key = value.get("propertyKey")
    base = f"{value['commandClass']}-{value.get('endpoint') or 0}-{value['property']}"
    return base if key is None else f"{base}-{key}"


@dataclass(slots=True)
class VirtualNode:
    """``silent``: the device is gone, whatever the driver thinks (``status`` in ``state``). ``dsk``: its device
    specific key, if it wants to be included with security S2; the first five digits are the PIN on its label."""

    node_id: int
    state: Json
    values: dict[str, Json]
    silent: bool = False
    dsk: str = ""

    @property
    def status(self) -> int:
        return int(self.state["status"])

    def heard(self) -> None:
        """The node spoke just now (real time)."""
        self.state["lastSeen"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def dump(self, *, with_values: bool = True) -> Json:
        return {**self.state, "values": list(self.values.values()) if with_values else []}


def make_node(name: str, node_id: int, label: str = "", *, dsk: str = "") -> VirtualNode:
    """A node from the template ``name``, heard of just now; ``label`` is the name its owner gave it."""
    state = copy.deepcopy(template(name))
    state["nodeId"] = node_id
    if label:
        state["name"] = label
    for endpoint in state["endpoints"]:
        endpoint["nodeId"] = node_id
    node = VirtualNode(node_id, state, {value_id(value): value for value in state.pop("values")}, dsk=dsk)
    node.heard()
    return node


def names(value: Json) -> Json:
    """The fields by which an event names its value."""
    return {field: value[field] for field in _ID_FIELDS if field in value}
