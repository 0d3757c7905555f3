"""Inclusion, exclusion and their security questions, as a simulated controller goes through them."""

import asyncio
from typing import Protocol

from insula.simulator.zwave_nodes import Json, VirtualNode, make_node

S2_UNAUTHENTICATED, S2_AUTHENTICATED = 0, 1
EXCLUDED = 0
"""zwave-js, RemoveNodeReason."""


class Membership(Protocol):
    """The network whose nodes come and go."""

    nodes: dict[int, VirtualNode]

    def emit(self, event: Json) -> None: ...


class Inclusion:
    """``offer`` and ``leave`` are a person at the node: its button is pressed, now or as soon as the controller
    listens for it."""

    def __init__(self, server: Membership) -> None:
        self._server = server
        self._mode = ""
        self._offered: list[VirtualNode] = []
        self._leaving: list[int] = []
        self._grant: asyncio.Future[Json] | None = None
        self._pin: asyncio.Future[str] | None = None
        self._joining: asyncio.Task[None] | None = None

    def offer(self, name: str, node_id: int, label: str = "", *, dsk: str = "") -> None:
        """A new node (template ``name``) wants in."""
        self._offered.append(make_node(name, node_id, label, dsk=dsk))
        self._next()

    def leave(self, node_id: int) -> None:
        """A node of the network wants out."""
        self._leaving.append(node_id)
        self._next()

    def stop(self) -> None:
        if self._joining is not None:
            self._joining.cancel()

    def command(self, command: str, message: Json) -> Json | None:
        """The answer to a ``controller.`` command; None: not one of these."""
        match command:
            case "controller.begin_inclusion":
                return self._begin("inclusion", secure=True, strategy=message.get("options", {}).get("strategy", 0))
            case "controller.begin_exclusion":
                return self._begin("exclusion")
            case "controller.stop_inclusion":
                return self._stop("inclusion")
            case "controller.stop_exclusion":
                return self._stop("exclusion")
            case "controller.grant_security_classes":
                if self._grant is not None and not self._grant.done():
                    self._grant.set_result(message["inclusionGrant"])
                return {}
            case "controller.validate_dsk_and_enter_pin":
                if self._pin is not None and not self._pin.done():
                    self._pin.set_result(message["pin"])
                return {}
        return None

    def _begin(self, mode: str, **fields: object) -> Json:
        if self._mode:
            return {"success": False}
        self._mode = mode
        self._emit(f"{mode} started", **fields)
        asyncio.get_running_loop().call_soon(self._next)
        return {"success": True}

    def _stop(self, mode: str) -> Json:
        if self._mode != mode:
            return {"success": False}
        self._mode = ""
        self._emit(f"{mode} stopped")
        return {"success": True}

    def _next(self) -> None:
        if self._mode == "inclusion" and self._offered:
            self._joining = asyncio.create_task(self._join(self._offered.pop(0)))
        elif self._mode == "exclusion" and self._leaving:
            self._remove(self._leaving.pop(0))

    def _remove(self, node_id: int) -> None:
        self._stop("exclusion")
        if (node := self._server.nodes.pop(node_id, None)) is not None:
            self._emit("node removed", node=node.dump(), reason=EXCLUDED)

    async def _join(self, node: VirtualNode) -> None:
        self._emit("node found", node={"nodeId": node.node_id, "deviceClass": node.state["deviceClass"]})
        self._stop("inclusion")
        secure = not node.dsk or await self._secure(node)
        node.state |= {"ready": False, "interviewStage": "None"}
        self._server.nodes[node.node_id] = node
        self._emit("node added", node=node.dump(with_values=False), result={"lowSecurity": not secure})
        node.state |= {"ready": True, "interviewStage": "Complete"}
        self._server.emit({"source": "node", "event": "ready", "nodeId": node.node_id, "nodeState": node.dump()})

    async def _secure(self, node: VirtualNode) -> bool:
        """Security S2: the controller asks which classes to grant, then for the PIN on the device's label."""
        loop = asyncio.get_running_loop()
        self._grant, self._pin = loop.create_future(), loop.create_future()
        wanted = {"securityClasses": [S2_UNAUTHENTICATED, S2_AUTHENTICATED], "clientSideAuth": False}
        self._emit("grant security classes", requested=wanted)
        granted = (await self._grant)["securityClasses"]
        if S2_AUTHENTICATED not in granted:
            return S2_UNAUTHENTICATED in granted
        self._emit("validate dsk and enter pin", dsk=node.dsk[5:])
        return await self._pin == node.dsk[:5]

    def _emit(self, event: str, **fields: object) -> None:
        self._server.emit({"source": "controller", "event": event, **fields})
