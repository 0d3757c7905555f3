"""``insula zwave include | exclude | reset``: the network of a Z-Wave JS server."""

import asyncio

from cyclopts import App

from insula.cli import _run, _say

URL = "ws://127.0.0.1:13000"
zwave = App(name="zwave", help="Z-Wave devices: include, exclude, reset.")


@zwave.command(name="include")
def zwave_include(url: str = URL, *, timeout: float = 60) -> None:
    """Take a new node into the network: start this, then press the node's button."""
    from insula.gateways.zwave.inclusion import include

    async def ask_pin(dsk: str) -> str:
        return await asyncio.to_thread(input, f"The five digits of the device's label (then {dsk}): ")

    async def work() -> None:
        member = await include(url, on_event=_say, timeout=timeout, ask_pin=ask_pin)
        security = "with" if member.secure else "without"
        _say(f"node {member.node_id}, {member.label}, is in the network, {security} security")
        _say("name it in the building file, and import that")

    _say(f"for {timeout:g} s: press the button of the device")
    _run(work())


@zwave.command(name="exclude")
def zwave_exclude(url: str = URL, *, timeout: float = 60) -> None:
    """Make a node leave its network: start this, then press the node's button."""
    from insula.gateways.zwave.inclusion import exclude

    async def work() -> None:
        member = await exclude(url, on_event=_say, timeout=timeout)
        _say(f"node {member.node_id}, {member.label}, has left the network")

    _say(f"for {timeout:g} s: press the button of the device")
    _run(work())


@zwave.command(name="reset")
def zwave_reset(url: str = URL, *, home_id: str | None = None) -> None:
    """Make the controller forget its whole network. Asks for its home id to be typed."""
    from insula.gateways.zwave.inclusion import current_home_id, reset

    async def work() -> None:
        typed = home_id
        if typed is None:
            present = await current_home_id(url)
            question = f"This forgets every node of network {present:08x}. Type its home id to go on: "
            typed = await asyncio.to_thread(input, question)
        new = await reset(url, typed, on_event=_say)
        _say(f"the controller was reset; its home id is now {new:08x}")

    _run(work())
