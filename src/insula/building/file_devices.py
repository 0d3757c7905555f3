"""The devices of a room: those of its type, filled in from the room's line, and its own."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from insula.building.file_points import ZWAVE_POINTS, read_points
from insula.building.file_table import Table, has_type, hint
from insula.building.file_template import Filled, variables
from insula.building.identity import derived_source
from insula.building.model import DevicePlan, GatewayPlan
from insula.building.scheme2020 import points_2020
from insula.errors import InputError
from insula.messages import Point, Protocol

PROTOCOLS: dict[str, Protocol] = {"sensor": "zwave", "lamp": "zwave"}
"""On whose default gateway a kind is when its line names no gateway; kinds not named here: KNX."""
KINDS = ("blind", "radiator", "lamp", "sensor", "controller")
"""The usual ones; any other word is a kind too."""
ROOM_KEYS = (
    *("number", "name", "type", "bloc", "nodes", "beacon", "beacons", "devices"),
    *("tags", "mode", "hand_hold_min", "empty_hold_min"),
)


@dataclass
class RoomLine:
    """A room's line while its devices are read: the nodes not yet given out, the kinds seen so far."""

    table: Table
    number: int
    floor: int
    nodes: list[int] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def known(self) -> Mapping[str, Any]:
        plain = {key: value for key, value in self.table.values.items() if not isinstance(value, (list, Mapping))}
        return {"name": "", **plain, "floor": self.floor, "room": self.number}


class DeviceReader:
    """Reads devices against the gateways of the building."""

    def __init__(self, gateways: Mapping[str, GatewayPlan]) -> None:
        self._gateways = gateways
        self._defaults = {gateway.type: gateway for gateway in gateways.values() if gateway.default}

    def read(self, line: RoomLine, templates: list[Table]) -> list[DevicePlan]:
        line.nodes = self._nodes(line.table)
        own = line.table.tables("devices")
        needed: set[str] = set()
        devices: list[DevicePlan] = []
        for template in (*templates, *own):
            names = variables(template.values)
            needed |= names
            missing = sorted(names - set(line.known))
            if missing:
                line.table.fault(f"{', '.join(missing)} is missing: the room's devices name it in braces")
            else:
                devices.extend(self._device(Filled(template, line.table, line.known), line))
        if line.nodes and len(devices) == len(templates) + len(own):
            line.table.fault(f"nodes {line.nodes} are left over: the room has no further Z-Wave device", "nodes")
        line.table.close(f"room {line.number}", also=(*ROOM_KEYS, *needed))
        return devices

    @staticmethod
    def _nodes(table: Table) -> list[int]:
        nodes = table.raw("nodes")
        if nodes is None:
            return []
        if not isinstance(nodes, list) or not all(has_type(node, int) for node in nodes):
            table.fault("nodes must be a list of node ids", "nodes")
            return []
        return list(nodes)

    def _device(self, table: Table, line: RoomLine) -> Iterator[DevicePlan]:
        kind = table.require("kind", str, "")
        gateway = self._gateway(table, kind)
        if not kind or gateway is None:
            return
        named = self._named(table, line, kind, gateway.type)
        points = read_points(table, gateway.type)
        if points is None:
            points = self._default_points(table, kind, gateway.type, named)
        device = DevicePlan(
            source=table.get("source", str, ""),
            type=gateway.type,
            gateway_id=gateway.id,
            kind=kind,
            name=table.get("name", str, ""),
            points=points,
            options=self._options(table),
            **named,
        )
        table.close("a device")
        line.kinds[kind] += 1
        source = device.source or derived_source(device, line.number, line.kinds[kind])
        yield msgspec.structs.replace(device, source=source)

    def _gateway(self, table: Table, kind: str) -> GatewayPlan | None:
        name = table.get("gateway", str, "")
        if not name:
            protocol = PROTOCOLS.get(kind, "knx")
            if kind and protocol not in self._defaults:
                table.fault(f"{kind}: no default gateway of type {protocol}: name its gateway", "kind")
            return self._defaults.get(protocol)
        if name not in self._gateways:
            table.fault(f"unknown gateway {name!r}{hint(name, self._gateways)}", "gateway")
        return self._gateways.get(name)

    @staticmethod
    def _named(table: Table, line: RoomLine, kind: str, protocol: Protocol) -> dict[str, int | None]:
        """What 2020 called it: bloc and floor, or node id. The room's ``bloc`` names its first device of a kind."""
        if protocol == "zwave":
            follows = "node_id" not in table.values and bool(line.nodes)
            return {"node_id": line.nodes.pop(0) if follows else _number(table, "node_id", None)}
        bloc = None
        if kind not in line.kinds and "bloc" in line.table.values:
            bloc = line.table.get("bloc", int, 0)
        return {"bloc": _number(table, "bloc", bloc), "floor": _number(table, "floor", line.floor)}

    @staticmethod
    def _default_points(
        table: Table, kind: str, protocol: Protocol, named: Mapping[str, int | None]
    ) -> tuple[Point, ...]:
        if protocol == "zwave":
            points = tuple(Point(role=name) for name in ZWAVE_POINTS.get(kind, ()))
        else:
            bloc, floor = named["bloc"], named["floor"]
            if kind in ("blind", "radiator") and (bloc is None or floor is None):
                table.fault(f"{kind}: without points it needs a bloc (its addresses of 2020)", "bloc")
                return ()
            try:
                points = points_2020(kind, bloc or 0, floor or 0) if kind in ("blind", "radiator") else ()
            except InputError as error:
                table.fault(f"{kind}: {error}", "bloc")
                return ()
        if not points:
            table.fault(f"a {protocol} {kind} has no points by default: name its points{hint(kind, KINDS)}", "kind")
        return points

    @staticmethod
    def _options(table: Table) -> dict[str, float | str | bool]:
        options = table.table("options").values
        for key, value in options.items():
            if not isinstance(value, (str, int, float)):
                table.fault(f"option {key} must be a number, text, true or false", "options", key)
        return dict(options)


def _number(table: Table, key: str, default: int | None) -> int | None:
    return table.get(key, int, 0) if key in table.values else default
