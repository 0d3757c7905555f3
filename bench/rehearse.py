"""How long it takes to rehearse other rules on a recorded week of 50 rooms, and whether the same rules decide the same.

The week is made by the simulated world and written into a database as the recorder writes it.
"""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from insula.building.demo import demo_plan
from insula.building.rules import load_ruleset
from insula.bus.devices import DeviceIndex
from insula.messages import CommandResult, Decision, Reading
from insula.recorder.moves import Moves
from insula.recorder.selection import Selection
from insula.rehearsal.recorded import Question, rehearse_recorded
from insula.rehearsal.simulated import Days, SimulatedBuilding, device_records
from insula.store.building import import_plan
from insula.store.engine import Store
from insula.store.events import DecisionIn, EventIn, ResultIn, add_events
from insula.store.log import LogRow, add_log

ROOMS, DAYS = 50, 7.0
BEGIN = 1_768_176_000_000
"""Monday, 12 January 2026."""
EVERY_S = 300.0


def measure() -> dict[str, float]:
    """Seconds, rows of Log, how many of the recorded decisions the same rules did not make again, and how many others
    they made."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), ROOMS, DAYS))


async def _measure(folder: Path, rooms: int, days: float) -> dict[str, float]:
    store = Store(f"sqlite:///{folder / 'insula.db'}")
    await store.start()
    try:
        await record(store, rooms, days)
        started = time.perf_counter()
        outcome = await rehearse_recorded(store, Question(changed=load_ruleset("comfort"), days=days))
        took = time.perf_counter() - started
        again = (await rehearse_recorded(store, Question(days=days))).reproduction
        assert again is not None
        return {
            "rehearse_7d_50rooms_s": took,
            "rehearse_rows": outcome.rows,
            "rehearse_missed": len(again.missed),
            "rehearse_extra": len(again.extra),
        }
    finally:
        await store.stop()


async def record(store: Store, rooms: int, days: float) -> None:
    """So many days of the demo's building, with the set ``default`` in force."""
    plan = demo_plan(rooms)
    await import_plan(store, plan)
    kept = Kept(DeviceIndex())
    for device in device_records(plan):
        kept.devices.put(device)
    building = SimulatedBuilding(plan, load_ruleset("default"), Days(BEGIN, days), kept.take)
    for _ in building.hours():
        async with store.write() as connection:
            await add_log(connection, kept.rows)
            await add_events(connection, kept.events)
        kept.rows.clear()
        kept.events.clear()


class Kept:
    """What a recorder would keep of what it hears."""

    def __init__(self, devices: DeviceIndex) -> None:
        self.devices = devices
        self.rows: list[LogRow] = []
        self.events: list[EventIn] = []
        self._selection = Selection(EVERY_S)
        self._moves = Moves()

    def take(self, message: Reading | Decision | CommandResult) -> None:
        match message:
            case Reading():
                row = self._selection.row(message, message.at)
                if row is not None:
                    self.rows.append(row)
                self.events += self._moves.rows(message, self.devices)
            case Decision():
                self.events.append(DecisionIn(message, message.decided_at))
            case CommandResult():
                room_id = self.devices.get(message.command.device_id).room_id
                self.events.append(ResultIn(message, message.command.at, room_id))
