"""Hands off at the wire: no rule writes a telegram before the building is active; people do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from xknx.telegram import Telegram
from xknx.telegram.apci import GroupValueWrite

from insula.cli import main
from insula.console import token_for
from insula.demo import Demo, demo
from insula.settings import ApiSettings, ClockSettings, Settings
from insula.store.hands import Scope, set_mode
from tests.flows.house import ROOM_2
from tests.flows.test_demo import FREE, NOON, hold

INSULA = "1.1.100"


@dataclass
class Wire:
    """What Insula wrote on the simulated KNX bus and Z-Wave network; nothing else is looked at."""

    demo: Demo
    http: httpx.AsyncClient
    written: list[str] = field(default_factory=list)

    def listen(self) -> None:
        for interface in self.demo.simulation.interfaces.values():
            interface.on_telegram(self._telegram)
        for server in self.demo.simulation.servers.values():
            server.on_set.append(self._set)

    def _telegram(self, telegram: Telegram) -> None:
        if isinstance(telegram.payload, GroupValueWrite) and str(telegram.source_address) == INSULA:
            self.written.append(f"knx {telegram.destination_address}")

    def _set(self, node_id: int, value_id: str, _value: Any) -> None:
        self.written.append(f"zwave {node_id} {value_id}")

    async def insula(self, *arguments: str) -> None:
        """The command line, on this building."""
        url = f"http://127.0.0.1:{self.demo.installation.port}"
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(main, [*arguments, "--url", url])
        assert ended.value.code == 0

    async def entries(self, room: int) -> list[dict[str, Any]]:
        answer = await self.http.get("/api/v1/why", params={"room": room})
        return list(answer.json()["entries"])

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not true():
                await asyncio.sleep(0)

    async def until_told(self, room: int, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(30):
            while len(entries := await self.entries(room)) < count:
                pass
        return entries


@pytest.fixture(autouse=True)
def console(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command line finds its token in the demo's folder."""
    monkeypatch.setenv("INSULA_DATA", str(tmp_path / "demo"))


@asynccontextmanager
async def observed(folder: Path) -> AsyncIterator[Wire]:
    """A building that was imported: it runs, and is not active yet."""
    settings = Settings(data=str(folder), api=ApiSettings(port=0), clock=ClockSettings(epoch=NOON))
    async with demo(settings, FREE) as it:
        await set_mode(it.installation.store, "observe", Scope(), "", 0)
        tasks = [asyncio.create_task(work) for work in (it.simulation.run(), it.installation.run())]
        try:
            await asyncio.wait_for(it.installation.ready.wait(), 30)
            url = f"http://127.0.0.1:{it.installation.port}"
            token = token_for(url)
            async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}) as http:
                wire = Wire(it, http)
                wire.listen()
                yield wire
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_not_one_telegram_is_written_before_the_building_is_active(tmp_path: Path) -> None:
    async with observed(tmp_path / "demo") as wire:
        await hold(wire.demo, 1, people=1, humidity=70)
        entries = await wire.until_told(1, 2)
        assert {entry["outcome"] for entry in entries} == {"observed"}
        assert all("only observed" in entry["text"] for entry in entries)
        assert wire.written == []

        answer = await wire.http.get("/percentage_dimmers", params=ROOM_2 | {"percentage": "40"})
        assert answer.json() == {"success": True}
        assert [one.split()[0] for one in wire.written] == ["zwave"]

        wire.written.clear()
        await wire.insula("hands-on", "--room", "1")
        await wire.until(lambda: any(one.startswith("knx") for one in wire.written))
        entries = await wire.until_told(1, 3)
        assert entries[-1]["actor"]["kind"] == "rule"

        await wire.insula("hands-off")
        modes = (await wire.http.get("/api/v1/mode")).json()
        assert modes["building"] == "observe"
        assert {room["mode"] for room in modes["rooms"]} == {"observe"}
