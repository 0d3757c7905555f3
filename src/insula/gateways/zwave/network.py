"""The nodes of one connection: what they report goes up, and whoever says nothing for long is asked.

A node's values are told once when the connection stands, as old as the node's last sign of life; a report is told
as it comes. ``currentValue`` of a dimmer is one of these: the driver sets it to the target as soon as the node has
taken a command, and corrects it by the node's own report after the ramp. A change of what can be driven that does
not follow a command of ours was made by somebody at the device: its origin is a switch, ``node 5``.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
from zwave_js_server.const import NodeStatus
from zwave_js_server.exceptions import BaseZwaveJSServerError
from zwave_js_server.model.driver import Driver
from zwave_js_server.model.node import Node
from zwave_js_server.model.value import Value

from insula.clock import Clock
from insula.errors import Failed, Refused
from insula.gateways import reasons
from insula.gateways.port import Upward
from insula.gateways.zwave.translate import Bound, bind, reading
from insula.messages import DeviceRecord, Origin
from insula.points import ROLES

log = structlog.get_logger("insula.zwave")

QUIET_S = 600.0
"""A node that is always listening and said nothing for so long (building's clock) is pinged: a dimmer that nobody
drives never speaks by itself, and would look as if it were gone."""
AWAY_S = 1800.0
"""Who said nothing for so long is asked for what it tells only when it changes, once it is back (building's clock)."""
ON_CHANGE = frozenset(role.name for role in ROLES.values() if role.freshness == "link")
CHECK_S = 60.0
PING_S = 10.0
ALIVE_S = 2.0
RAMP_S = 10.0
"""What a node reports so soon after a command of ours (real time) is its answer, not somebody's hand."""
RETRY_S = 10.0
"""A dead node is not asked more often for the sake of commands (real time): each try holds up the other nodes 4 s."""

Event = dict[str, Any]


class Network:
    """The model of one connection, bound to devices. Lives as long as the connection."""

    def __init__(self, driver: Driver, up: Upward, clock: Clock) -> None:
        self.driver = driver
        self._controller = driver.controller
        self._up = up
        self._clock = clock
        self._devices: dict[int, list[DeviceRecord]] = {}
        self._bound: dict[int, tuple[Bound, ...]] = {}
        self._seen: dict[int, int] = {}
        """The node's last sign of life, ms, real time."""
        self._server_seen: dict[int, int] = {}
        """The same as the server says it, by its own clock."""
        self._pinged: dict[int, int] = {}
        self._commanded: dict[int, int] = {}
        self._known: dict[tuple[int, str], float] = {}
        self._strangers: set[int] = set()
        self._missed: set[int] = set()
        """Nodes that are, or were, away: what they told meanwhile nobody has heard."""
        self._back = asyncio.Event()
        self._since = clock.real()

    def open(self, devices: Sequence[DeviceRecord]) -> None:
        """Listens to every node, and tells the values that are known."""
        self._controller.on("node added", lambda event: self._join(event["node"]))
        self._controller.on("node removed", lambda event: self._leave(event["node"].node_id))
        for node in self._controller.nodes.values():
            self._listen(node)
        self.serve(devices)

    def serve(self, devices: Sequence[DeviceRecord]) -> None:
        by_node: defaultdict[int, list[DeviceRecord]] = defaultdict(list)
        for device in devices:
            if device.node_id is not None:
                by_node[device.node_id].append(device)
        self._devices, self._bound = dict(by_node), {}
        self._strangers &= self._controller.nodes.keys() - by_node.keys()
        for node in self._controller.nodes.values():
            self._scan(node)
        for node_id in by_node.keys() - self._controller.nodes.keys():
            self._dead(node_id, f"node {node_id} is not in the network")

    # --- commands

    def find(self, device_id: int, point: str) -> tuple[Node, Bound]:
        """The node and the value for a command. Raises Refused."""
        for node_id, devices in self._devices.items():
            if any(device.device_id == device_id for device in devices):
                return self._node(node_id), self._target(node_id, device_id, point)
        raise Refused(f"no device {device_id} in this network")

    def _node(self, node_id: int) -> Node:
        if (node := self._controller.nodes.get(node_id)) is None:
            raise Refused(f"node {node_id} is not in the network")
        return node

    def _target(self, node_id: int, device_id: int, point: str) -> Bound:
        for bound in self._bound.get(node_id, ()):
            if bound.device.device_id == device_id and bound.point.role == point and bound.write:
                return bound
        raise Refused(f"node {node_id} has nothing to set for {point}")

    async def reach(self, node: Node) -> None:
        """Raises Failed if the node cannot take a command now; one that was dead is asked first."""
        if node.status is NodeStatus.ASLEEP:
            raise Failed(f"node {node.node_id} is asleep")  # the driver would send it hours later
        if node.status is not NodeStatus.DEAD:
            return
        if self._clock.real() - self._pinged.get(node.node_id, 0) < RETRY_S * 1000 or not await self._revive(node):
            raise Failed(f"node {node.node_id} does not answer")

    def check_turn(self) -> None:
        """Raises Refused if another process has taken over meanwhile."""
        if not self._up.may_send():
            raise Refused(reasons.HANDED_OVER)

    def commanded(self, node: Node) -> None:
        """A command goes to the node just now."""
        self._commanded[node.node_id] = self._clock.real()

    async def _revive(self, node: Node) -> bool:
        alive = asyncio.Event()
        unsubscribe = node.on("alive", lambda _: alive.set())
        try:
            if await self._ping(node):
                async with asyncio.timeout(ALIVE_S):
                    await alive.wait()
        except TimeoutError:
            log.debug("a node answers but is not alive", node=node.node_id)
        finally:
            unsubscribe()
        return alive.is_set()

    # --- signs of life

    async def watch(self) -> None:
        """Asks the nodes that are quiet, and those that are back, one after the other, for ever."""
        while True:
            for node in list(self._controller.nodes.values()):
                if self._is_away(node):
                    self._missed.add(node.node_id)
                if self._is_quiet(node) and self._up.may_send():
                    await self._ping(node)
                if self._is_back(node) and self._up.may_send():
                    await self._ask(node)
            await self._until_next_look()

    async def _until_next_look(self) -> None:
        """Or until a node that was away gives a sign of life."""
        self._back.clear()
        waits: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._clock.sleep(CHECK_S)),
            asyncio.ensure_future(self._back.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _is_back(self, node: Node) -> bool:
        """Whether it was away, and is no longer."""
        return node.node_id in self._missed and node.status is not NodeStatus.DEAD and not self._is_away(node)

    def _is_away(self, node: Node) -> bool:
        seen = self._clock.building(self._seen.get(node.node_id, 0))
        return self._clock.now() - seen >= AWAY_S * 1000

    async def _ask(self, node: Node) -> None:
        """For what it tells only when that changes; what is not answered is asked again at the next look."""
        try:
            async with asyncio.timeout(PING_S):
                for bound in self._bound.get(node.node_id, ()):
                    value = node.values.get(f"{node.node_id}-{bound.status}")
                    if value is not None and bound.point.role in ON_CHANGE:
                        await node.async_poll_value(value)
        except (TimeoutError, BaseZwaveJSServerError, OSError) as error:
            log.debug("asked in vain", node=node.node_id, error=str(error))
        else:
            self._missed.discard(node.node_id)

    def _is_quiet(self, node: Node) -> bool:
        if node.node_id not in self._devices or not node.is_listening:
            return False
        last = max(self._seen.get(node.node_id, 0), self._pinged.get(node.node_id, 0))
        if node.status is NodeStatus.DEAD:
            last = max(last, self._since)
        return self._clock.now() - self._clock.building(last) >= QUIET_S * 1000

    async def _ping(self, node: Node) -> bool:
        self._pinged[node.node_id] = self._clock.real()
        try:
            async with asyncio.timeout(PING_S):
                answered = await node.async_ping()
        except (TimeoutError, BaseZwaveJSServerError, OSError) as error:
            log.debug("ping failed", node=node.node_id, error=str(error))
            return False
        if answered:
            self._alive(node)
        return answered

    # --- events

    def _join(self, node: Node) -> None:
        self._listen(node)
        self._scan(node)

    def _leave(self, node_id: int) -> None:
        self._bound.pop(node_id, None)
        self._dead(node_id, f"node {node_id} left the network")

    def _listen(self, node: Node) -> None:
        handlers: dict[str, Callable[[Event], None]] = {
            "value updated": lambda event: self._value(node, event["value"]),
            "value added": lambda event: self._added(node, event["value"]),
            "value notification": lambda _: self._alive(node),
            "notification": lambda _: self._alive(node),
            "alive": lambda _: self._alive(node),
            "wake up": lambda _: self._alive(node),
            "ready": lambda _: self._scan(node),
            "statistics updated": lambda _: self._statistics(node),
            "dead": lambda _: self._dead(node.node_id, f"node {node.node_id} does not answer"),
        }
        for event, handler in handlers.items():
            node.on(event, handler)
        self._take_last_seen(node)

    def _take_last_seen(self, node: Node) -> bool:
        """Whether the server heard of the node since it last said so. A server's clock may be ahead of ours."""
        last = round(node.last_seen.timestamp() * 1000) if node.last_seen is not None else 0
        if last <= self._server_seen.get(node.node_id, 0):
            return False
        self._server_seen[node.node_id] = last
        self._seen[node.node_id] = max(self._seen.get(node.node_id, 0), min(last, self._clock.real()))
        return True

    def _scan(self, node: Node) -> None:
        """Binds the node's values to its devices, and tells them; a node that nobody names is told as unknown."""
        if node.is_controller_node:
            return
        if node.node_id not in self._devices:
            self._stranger(node.node_id)
            return
        self._bind(node)
        self._take_last_seen(node)
        if seen := self._seen.get(node.node_id):
            self._report(node, node.values.values(), measured_at=self._clock.building(seen))
        if node.status is NodeStatus.DEAD:
            self._dead(node.node_id, f"node {node.node_id} does not answer")

    def _bind(self, node: Node) -> None:
        prefix = f"{node.node_id}-"
        known = [value_id.removeprefix(prefix) for value_id in node.values]
        self._bound[node.node_id] = tuple(
            bound for device in self._devices.get(node.node_id, ()) for bound in bind(device, known)
        )

    def _added(self, node: Node, value: Value) -> None:
        self._bind(node)
        self._value(node, value)

    def _value(self, node: Node, value: Value) -> None:
        if node.node_id not in self._devices:
            return
        self._seen[node.node_id] = self._clock.real()
        told = self._report(node, [value], measured_at=None)
        for device in self._devices[node.node_id]:
            if device.device_id not in told:
                self._up.alive(device.device_id)

    def _report(self, node: Node, values: Iterable[Value], measured_at: int | None) -> set[int]:
        """Tells those of the values that are bound; the devices that one of them belongs to."""
        told = set()
        by_id = {value.value_id: value for value in values}
        for bound in self._bound.get(node.node_id, ()):
            value = by_id.get(f"{node.node_id}-{bound.status}")
            if value is None or (number := reading(bound, value.value, value.metadata.unit)) is None:
                continue
            origin = None if measured_at is not None else self._hand(node, bound, number)
            self._known[bound.device.device_id, bound.point.role] = number
            self._up.report(bound.device.device_id, bound.point.role, number, origin=origin, measured_at=measured_at)
            told.add(bound.device.device_id)
        return told

    def _hand(self, node: Node, bound: Bound, number: float) -> Origin | None:
        known = self._known.get((bound.device.device_id, bound.point.role))
        if not bound.write or known is None or known == number:
            return None
        if self._clock.real() - self._commanded.get(node.node_id, 0) < RAMP_S * 1000:
            return None
        return Origin(kind="switch", name=f"node {node.node_id}")

    def _alive(self, node: Node) -> None:
        self._seen[node.node_id] = self._clock.real()
        if node.node_id in self._missed:
            self._back.set()
        for device in self._devices.get(node.node_id, ()):
            self._up.alive(device.device_id)

    def _statistics(self, node: Node) -> None:
        """They also change when something is sent in vain."""
        if self._take_last_seen(node):
            self._alive(node)

    def _dead(self, node_id: int, why: str) -> None:
        self._missed.add(node_id)
        for device in self._devices.get(node_id, ()):
            self._up.dead(device.device_id, why)

    def _stranger(self, node_id: int) -> None:
        if node_id not in self._strangers:
            self._strangers.add(node_id)
            log.info("a node that no device names", node=node_id)
            self._up.unknown(f"node {node_id}")
