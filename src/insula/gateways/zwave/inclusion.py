"""Nodes come into a network, leave it, and a controller forgets it: what ``insula zwave`` does.

What each means for the radio and for Insula is told in docs/how-to/zwave-devices.md.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from zwave_js_server.const import InclusionStrategy, SecurityClass
from zwave_js_server.exceptions import BaseZwaveJSServerError
from zwave_js_server.model.controller import Controller
from zwave_js_server.model.controller.inclusion_and_provisioning import InclusionGrant
from zwave_js_server.model.node import Node

from insula.errors import Failed, InputError, Unavailable
from insula.gateways.zwave.link import Connection, connect, unavailable

INTERVIEW_S = 60.0
"""After a node is in: until the driver has asked it what it can."""
NEED_PIN = (SecurityClass.S2_AUTHENTICATED, SecurityClass.S2_ACCESS_CONTROL)
RETRY_S = 0.5

Say = Callable[[str], None]
AskPin = Callable[[str], Awaitable[str]]
"""Given the rest of the device's key, answers the five digits that are printed on the device."""


@dataclass(frozen=True, slots=True)
class Member:
    """A node as the controller knows it. ``secure`` is known of a node that was just included only."""

    node_id: int
    label: str
    secure: bool | None = None


async def include(url: str, *, on_event: Say, timeout: float = 60, ask_pin: AskPin | None = None) -> Member:
    """Takes the node whose button is pressed within ``timeout`` s into the network. Without ``ask_pin`` only such
    security is granted as needs no PIN. Raises Failed if none came, Unavailable without a server."""
    async with _connected(url) as connection:
        controller = connection.driver.controller
        done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        questions = _Questions(controller, ask_pin, on_event)
        controller.on("node found", lambda _: on_event("a node answers; the controller exchanges keys with it"))
        controller.on("grant security classes", questions.grant)
        controller.on("validate dsk and enter pin", questions.pin)
        controller.on("node added", lambda event: _settle(done, event))
        controller.on("inclusion failed", lambda _: _settle(done, Failed("the inclusion failed: try again, nearer")))
        if not await controller.async_begin_inclusion(InclusionStrategy.DEFAULT):
            raise Failed("the controller is busy with another inclusion or exclusion")
        on_event("the controller listens: press the button of the new node now")
        event = await _wait(connection, done, timeout, controller.async_stop_inclusion)
        node: Node = event["node"]
        on_event(f"node {node.node_id} is in the network; it is asked what it can")
        await _interview(node)
        member = Member(node.node_id, _label(node), not event["result"].get("lowSecurity", False))
        on_event(f"included: node {member.node_id} ({member.label}){'' if member.secure else ', without security'}")
        return member


async def exclude(url: str, *, on_event: Say, timeout: float = 60) -> Member:
    """Makes the node whose button is pressed within ``timeout`` s forget its network. Raises as ``include``."""
    async with _connected(url) as connection:
        controller = connection.driver.controller
        done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        controller.on("node removed", lambda event: _settle(done, event))
        controller.on("exclusion failed", lambda _: _settle(done, Failed("the exclusion failed: try again, nearer")))
        if not await controller.async_begin_exclusion():
            raise Failed("the controller is busy with another inclusion or exclusion")
        on_event("the controller listens: press the button of the node that is to leave now")
        event = await _wait(connection, done, timeout, controller.async_stop_exclusion)
        member = Member(event["node"].node_id, _label(event["node"]))
        on_event(f"excluded: node {member.node_id} ({member.label})")
        return member


async def reset(url: str, home_id: str, *, on_event: Say | None = None, timeout: float = 30) -> int:
    """Makes the controller forget its network, if ``home_id`` (typed by a person, decimal or hexadecimal) is its own;
    else InputError. Answers the new home id; Unavailable if the server is not back within ``timeout`` s."""
    async with _connected(url) as connection:
        own = connection.driver.controller.home_id or 0
        if own not in _home_ids(home_id):
            raise InputError(f"{home_id!r} is not the home id of this controller: nothing was reset")
        await connection.driver.async_hard_reset()
        if on_event is not None:
            on_event("the controller forgets its network and starts again")
        await asyncio.wait({connection.lost}, timeout=timeout)
    return await _new_home_id(url, own, timeout)


async def current_home_id(url: str) -> int:
    """The controller's home id, to show it before a person types it."""
    async with _connected(url) as connection:
        return connection.driver.controller.home_id or 0


def _home_ids(typed: str) -> set[int]:
    """What the typed text may mean; without ``0x``, digits alone may be either."""
    text = typed.strip().lower()
    found = set()
    for base in (10, 16):
        with suppress(ValueError):
            found.add(int(text, base))
    return found


async def _new_home_id(url: str, old: int, timeout: float) -> int:
    try:
        async with asyncio.timeout(timeout):
            while True:
                with suppress(Unavailable):
                    if (home_id := await current_home_id(url)) != old:
                        return home_id
                await asyncio.sleep(RETRY_S)
    except TimeoutError:
        raise Unavailable("the controller took the command, but has not come back with a new home id") from None


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Connection]:
    async with connect(url) as connection:
        with unavailable():
            yield connection


async def _wait(
    connection: Connection,
    done: asyncio.Future[dict[str, Any]],
    timeout: float,
    stop: Callable[[], Awaitable[bool]],
) -> dict[str, Any]:
    """The event that was waited for; the controller does not stay in its special state whatever happens."""
    try:
        waiting: set[asyncio.Future[Any]] = {done, connection.lost}
        await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not done.done() and not connection.lost.done():
            await stop()
    if done.done():
        return done.result()
    if connection.lost.done():
        raise Unavailable("the connection to the Z-Wave JS server was lost")
    raise Failed(f"no node came within {timeout:g} s: was its button pressed, is it near enough?")


def _settle(done: asyncio.Future[dict[str, Any]], outcome: dict[str, Any] | Failed) -> None:
    if done.done():
        return
    if isinstance(outcome, Failed):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)


async def _interview(node: Node) -> None:
    ready = asyncio.Event()
    node.on("ready", lambda _: ready.set())
    if not node.ready:
        with suppress(TimeoutError):
            async with asyncio.timeout(INTERVIEW_S):
                await ready.wait()


def _label(node: Node) -> str:
    return node.name or node.device_config.description or node.label or "unknown device"


class _Questions:
    """What the controller asks while it includes a node with security S2."""

    def __init__(self, controller: Controller, ask_pin: AskPin | None, on_event: Say) -> None:
        self._controller = controller
        self._ask_pin = ask_pin
        self._say = on_event
        self._tasks: set[asyncio.Task[None]] = set()

    def grant(self, event: dict[str, Any]) -> None:
        wanted: InclusionGrant = event["requested_grant"]
        classes = [one for one in wanted.security_classes if self._ask_pin is not None or one not in NEED_PIN]
        granted = InclusionGrant(classes, wanted.client_side_auth)
        self._start(self._controller.async_grant_security_classes(granted))

    def pin(self, event: dict[str, Any]) -> None:
        self._start(self._answer(str(event["dsk"])))

    async def _answer(self, dsk: str) -> None:
        pin = await self._ask_pin(dsk) if self._ask_pin is not None else ""
        await self._controller.async_validate_dsk_and_enter_pin(pin.strip())

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except BaseZwaveJSServerError as error:
            self._say(f"the controller did not take the answer: {error}")
