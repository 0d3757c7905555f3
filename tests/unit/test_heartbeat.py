"""The heartbeat file, and who looks at it."""

import asyncio
import os
from pathlib import Path

import pytest

from insula.cli import main
from insula.errors import Unavailable
from insula.heartbeat import DEAD_AFTER_S, READY, WAITING, beating, look


async def test_a_process_waits_then_is_ready_then_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insula.heartbeat.EVERY_S", 0)
    file = str(tmp_path / "heartbeat")
    async with beating(file) as heart, asyncio.timeout(10):
        assert look(file, alive=True) == WAITING
        with pytest.raises(Unavailable, match="waits for what it needs"):
            look(file)
        heart.ready = True
        while look(file, alive=True) != READY:
            await asyncio.sleep(0)
        assert look(file) == READY
    with pytest.raises(Unavailable, match="not running"):
        look(file, alive=True)


def test_a_process_that_hangs_is_found_out(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    file.write_text(READY)
    before = file.stat().st_mtime - DEAD_AFTER_S - 1
    os.utime(file, (before, before))
    with pytest.raises(Unavailable, match="no heartbeat for 1"):
        look(str(file), alive=True)


async def test_without_a_file_there_is_none(tmp_path: Path) -> None:
    async with beating("") as heart:
        assert not heart.ready
    with pytest.raises(Unavailable, match="INSULA_HEARTBEAT"):
        look("")


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INSULA_HEARTBEAT", str(tmp_path / "heartbeat"))
    with pytest.raises(SystemExit, match="insula: not running"):
        main(["health"])
    (tmp_path / "heartbeat").write_text(READY)
    with pytest.raises(SystemExit) as ended:
        main(["health"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "ready\n"
