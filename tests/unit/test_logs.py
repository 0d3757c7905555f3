"""Logs are one line an event on standard error; the libraries' logs come the same way."""

import json
import logging

import pytest
import structlog

from insula.logs import configure
from insula.settings import LogSettings


@pytest.fixture(autouse=True)
def restore() -> object:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_json_lines_hold_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="json"))
    structlog.get_logger("insula.test").info("telegram lost", device=7)
    logging.getLogger("aiohttp").warning("tunnel %s", "gone")
    logging.getLogger("aiohttp").info("chatter")
    logging.getLogger("xknx").warning("chatter")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("telegram lost", "info"), ("tunnel gone", "warning")]
    assert lines[0]["device"] == 7
    assert not [key for line in lines for key in line if key.startswith("_")]


def test_text_is_for_people_and_quiet_levels_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(level="warning"))
    structlog.get_logger("insula.test").info("all is well")
    structlog.get_logger("insula.test").warning("sensor silent", room=1)
    text = capsys.readouterr().err
    assert "sensor silent" in text
    assert "all is well" not in text
