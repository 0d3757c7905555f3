"""The simulated building as a process, which writes down every telegram: arguments ``BUILDING TELEGRAMS``.

A line each: ``knx ADDRESS RAW`` or ``zwave NODE LEVEL``.
"""

import asyncio
import sys
from pathlib import Path
from typing import TextIO

from xknx.dpt.payload import DPTArray
from xknx.telegram import Telegram
from xknx.telegram.apci import GroupValueWrite

from insula.building.file import load_plan
from insula.clock import SystemClock
from insula.logs import configure
from insula.settings import LogSettings
from insula.simulator.simulation import Simulation
from insula.simulator.zwave_nodes import TARGET, VirtualNode


def _on_knx(telegrams: TextIO, telegram: Telegram) -> None:
    if isinstance(telegram.payload, GroupValueWrite) and isinstance(telegram.payload.value, DPTArray):
        telegrams.write(f"knx {telegram.destination_address} {telegram.payload.value.value[0]}\n")


def _on_zwave(telegrams: TextIO, node: VirtualNode, value_id: str, value: object) -> None:
    if value_id == TARGET:
        telegrams.write(f"zwave {node.node_id} {value}\n")


async def main(building: Path, telegrams: TextIO) -> None:
    configure(LogSettings(level="warning"))
    simulation = Simulation(load_plan(building), SystemClock(), control_port=0)
    for interface in simulation.interfaces.values():
        interface.on_telegram(lambda telegram: _on_knx(telegrams, telegram))
    for server in simulation.servers.values():
        server.on_set.append(lambda node, value_id, value: _on_zwave(telegrams, node, value_id, value))
    await simulation.start()
    sys.stdout.write("simulation runs\n")
    sys.stdout.flush()
    try:
        await simulation.run()
    finally:
        await simulation.stop()


if __name__ == "__main__":
    with open(sys.argv[2], "a", buffering=1) as file:
        asyncio.run(main(Path(sys.argv[1]), file))
