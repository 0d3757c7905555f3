"""A Z-Wave JS server without a radio: the websocket protocol, over simulated nodes.

Speaks what Insula, and any program on the same client library, needs of the protocol (schemas 0 to 50); other
commands are answered ``unknown_command``. Everything but ``start`` and ``stop`` is done at once.
"""

import asyncio
import copy
import json
from collections.abc import Callable

import structlog
from aiohttp import web

from insula.errors import InputError
from insula.http import check_port
from insula.simulator.zwave_inclusion import Inclusion
from insula.simulator.zwave_nodes import LEVEL, TARGET, Json, Status, VirtualNode, names, template, value_id
from insula.simulator.zwave_sockets import Socket

log = structlog.get_logger("insula.simulator.zwave")

MAX_SCHEMA = 50
MAX_LEVEL = 99
SUCCESS = 255
NOT_IMPLEMENTED = 4
NO_ANSWER = 204
"""zwave-js, ZWaveErrorCodes.Controller_CallbackNOK."""

SetHook = Callable[[VirtualNode, str, object], None]
PollHook = Callable[[VirtualNode, str], None]


class ProtocolError(Exception):
    """Becomes an error result: ``code`` and the fields that go with it."""

    def __init__(self, code: str, **fields: object) -> None:
        super().__init__(code)
        self.fields = {"errorCode": code, "message": code.replace("_", " "), **fields}


class ZwaveServer:
    """``port`` 0: a free one, known after ``start``. Real seconds: ``latency_s`` of a frame to a node and its answer,
    ``give_up_s`` until the driver calls a node dead that does not answer (a real one: 3 to 4)."""

    def __init__(
        self, host: str = "127.0.0.1", port: int = 13000, *, latency_s: float = 0.0, give_up_s: float = 3.5
    ) -> None:
        self.host = host
        self.port = port
        self.nodes: dict[int, VirtualNode] = {}
        self.on_set: list[SetHook] = []
        """Told of every value that a node took."""
        self.on_poll: list[PollHook] = []
        """Told before a node answers for a value: it is to be there."""
        self.inclusion = Inclusion(self)
        self.min_schema, self.max_schema = 0, MAX_SCHEMA
        self._latency_s = latency_s
        self._give_up_s = give_up_s
        self._state = copy.deepcopy(template("controller"))
        self._sockets: set[Socket] = set()
        self._radio = asyncio.Lock()
        self.on_air = asyncio.Event()
        """Set while a frame is under way."""
        self._runner: web.AppRunner | None = None
        self._away = False

    @property
    def url(self) -> str:
        return f"ws://{self.host}:{self.port}"

    @property
    def home_id(self) -> int:
        return int(self._state["controller"]["homeId"])

    # --- life

    async def start(self) -> None:
        """Raises OSError if the port is taken."""
        check_port(self.port)
        app = web.Application()
        app.router.add_get("/", self._accept)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.inclusion.stop()
        self.drop_clients()
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    def cut(self) -> None:
        """The server is away: connections break, new ones are refused. The nodes live on."""
        self._away = True
        self.drop_clients()

    def restore(self) -> None:
        self._away = False

    def drop_clients(self) -> None:
        for socket in list(self._sockets):
            socket.abort()

    # --- what happens at the nodes

    def add(self, node: VirtualNode) -> VirtualNode:
        """A node that was included earlier."""
        self.nodes[node.node_id] = node
        return node

    def node(self, node_id: int) -> VirtualNode:
        try:
            return self.nodes[node_id]
        except KeyError:
            raise InputError(f"no node {node_id} in the Z-Wave network") from None

    def report(self, node_id: int, value_id: str, value: object, *, unit: str | None = None) -> None:
        """A node reports a value by itself; one that is silent does not, one that was dead is alive again.
        Another ``unit`` than before is told first, as the real server does."""
        node = self.node(node_id)
        if node.silent:
            return
        node.heard()
        if node.status == Status.DEAD:
            self._set_status(node, Status.ALIVE)
        if unit is not None:
            metadata = node.values[value_id]["metadata"]
            metadata["unit"] = unit
            args = {**names(node.values[value_id]), "metadata": metadata}
            self._emit_node(node, "metadata updated", args=args)
        self._update(node, value_id, value)

    def kill_node(self, node_id: int) -> None:
        """The device is gone and the driver knows it."""
        node = self.node(node_id)
        node.silent = True
        self._set_status(node, Status.DEAD)

    def silence(self, node_id: int, silent: bool = True) -> None:
        """The device is gone, or back; the driver finds out when it next sends something to it, or hears of it."""
        self.node(node_id).silent = silent

    def revive_node(self, node_id: int) -> None:
        """The device is back, and says so."""
        node = self.node(node_id)
        node.silent = False
        node.heard()
        self._set_status(node, Status.ALIVE)

    def sleep_node(self, node_id: int) -> None:
        self._set_status(self.node(node_id), Status.ASLEEP)

    def forget_nodes(self) -> None:
        """What a factory reset does: no nodes, another home id, and the server starts again."""
        self.nodes.clear()
        self._state["controller"]["homeId"] = self.home_id % 0xFFFFFFFF + 1
        self.drop_clients()

    def _set_status(self, node: VirtualNode, status: Status) -> None:
        event = {Status.DEAD: "dead", Status.ALIVE: "alive", Status.ASLEEP: "sleep"}[status]
        old, node.state["status"] = node.status, int(status)
        if old != status:
            self._emit_node(node, event, oldStatus=old)

    def _update(self, node: VirtualNode, value_id: str, value: object) -> None:
        """Also an unchanged value is told again, as the real server does."""
        at = node.values[value_id]
        old, at["value"] = at.get("value"), value
        self._emit_node(node, "value updated", args={**names(at), "newValue": value, "prevValue": old})

    def _emit_node(self, node: VirtualNode, event: str, **fields: object) -> None:
        self.emit({"source": "node", "event": event, "nodeId": node.node_id, **fields})

    def emit(self, event: Json) -> None:
        text = json.dumps({"type": "event", "event": event})
        for socket in self._sockets:
            if socket.listening:
                socket.send_text(text)

    # --- the protocol

    async def _accept(self, request: web.Request) -> web.WebSocketResponse:
        if self._away:
            raise web.HTTPServiceUnavailable
        socket = Socket(request)
        self._sockets.add(socket)
        greeting = {
            "type": "version",
            **self._state["server"],
            "homeId": self.home_id,
            "minSchemaVersion": self.min_schema,
            "maxSchemaVersion": self.max_schema,
        }
        try:
            return await socket.serve(greeting, self._handle)
        finally:
            self._sockets.discard(socket)

    async def _handle(self, socket: Socket, message: Json) -> None:
        answer: Json = {"type": "result", "success": True, "messageId": message["messageId"]}
        try:
            answer["result"] = await self._command(socket, message)
        except ProtocolError as error:
            answer |= {"success": False, **error.fields}
        except Exception:  # whatever a client may send: the server stays
            log.exception("command failed", command=message["command"])
            answer |= {"success": False, "errorCode": "unknown_error", "message": "unknown error"}
        socket.send(answer)
        socket.listening = socket.listening or message["command"] == "start_listening"

    async def _command(self, socket: Socket, message: Json) -> Json:
        command: str = message["command"]
        match command:
            case "initialize" | "set_api_schema":
                return self._initialize(socket, message)
            case "start_listening":
                return {"state": self._dump()}
            case "driver.get_log_config":
                return {"config": self._state["driver"]["logConfig"]}
            case "driver.hard_reset":
                asyncio.get_running_loop().call_later(0.001, self.forget_nodes)
                return {}
            case "node.set_value":
                return {"result": await self._set_value(self._named(message), message)}
            case "node.poll_value":
                return await self._poll(self._named(message), message)
            case "node.ping":
                return {"responded": await self._reach(self._named(message))}
            case "node.get_state":
                return {"state": self._named(message).dump()}
        if (result := self.inclusion.command(command, message)) is None:
            raise ProtocolError("unknown_command", command=command)
        return result

    def _initialize(self, socket: Socket, message: Json) -> Json:
        schema = int(message.get("schemaVersion", -1))
        if not self.min_schema <= schema <= self.max_schema:
            raise ProtocolError("schema_incompatible", requestedSchemaVersion=schema)
        socket.schema = schema
        return {}

    def _dump(self) -> Json:
        nodes = [self._state["controller_node"], *(node.dump() for node in self.nodes.values())]
        return {"driver": self._state["driver"], "controller": self._state["controller"], "nodes": nodes}

    def _named(self, message: Json) -> VirtualNode:
        if (node := self.nodes.get(message.get("nodeId", 0))) is None:
            raise ProtocolError("node_not_found", nodeId=message.get("nodeId"))
        return node

    async def _reach(self, node: VirtualNode) -> bool:
        """Sends it a frame, one at a time: there is one radio. A node that does not answer is dead from then on."""
        async with self._radio:
            self.on_air.set()
            await asyncio.sleep(self._give_up_s if node.silent else self._latency_s)
            self.on_air.clear()
        if not node.silent:
            node.heard()
        self._set_status(node, Status.DEAD if node.silent else Status.ALIVE)
        return not node.silent

    async def _poll(self, node: VirtualNode, message: Json) -> Json:
        name = value_id(message["valueId"])
        if name not in node.values:
            raise ProtocolError("unknown_error")
        await self._answered(node)
        for hook in self.on_poll:
            hook(node, name)
        self._update(node, name, node.values[name].get("value"))
        return {"value": node.values[name]["value"]}

    async def _set_value(self, node: VirtualNode, message: Json) -> Json:
        name = value_id(message["valueId"])
        if name not in node.values or not node.values[name]["metadata"].get("writeable"):
            return {"status": NOT_IMPLEMENTED, "message": "no such value, or it cannot be set"}
        await self._answered(node)
        self._take(node, name, message["value"])
        return {"status": SUCCESS}

    async def _answered(self, node: VirtualNode) -> None:
        if not await self._reach(node):
            text = "The node did not acknowledge the command (ZW0204)"
            raise ProtocolError("zwave_error", zwaveErrorCode=NO_ANSWER, zwaveErrorMessage=text)

    def _take(self, node: VirtualNode, value_id: str, value: object) -> None:
        """The driver believes that a dimmer is where it was told to go until the node says otherwise."""
        self._update(node, value_id, value)
        if value_id == TARGET and isinstance(value, int | float):
            self._update(node, LEVEL, min(value, MAX_LEVEL))
        for hook in self.on_set:
            hook(node, value_id, value)
