"""``insula status`` and ``insula alerts``, against an API that answers what it is told to."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

from insula import cli

PART = {"status": "ok", "why": "", "counters": {}}
GATEWAY = {"status": "ok", "why": "", "counters": {"bus_per_s": 3.25, "bus_limit_per_s": 50, "pending": 2}}
AWAY = {"status": "degraded", "why": "cable [pulled]", "counters": {}}
ROW = {
    "device_id": 3,
    "name": "Multisensor 6",
    "room_number": 12,
    "gateway_id": "zwave",
    "seen_at": 1_767_225_600_000,
    "battery": 8.0,
    "gateway_away": False,
    "dead": False,
    "silent": True,
    "unconfirmed": False,
    "low_battery": True,
}
ALERT = {
    "key": "device-3.away",
    "severity": "warning",
    "text": "Multisensor 6 [x] silent",
    "raised_at": 1_767_225_600_000,
    "acknowledged_by": "",
}
WELL: dict[str, Any] = {
    "/health": {"status": "ok", "why": [], "parts": {"recorder/1": PART, "gateway/knx": GATEWAY}},
    "/api/v1/devices/health": {"devices": 4, "counts": {"silent": 0, "dead": 0}, "shown": []},
    "/api/v1/alerts": {"alerts": [], "after": None},
}


class Api(BaseHTTPRequestHandler):
    answers: dict[str, Any] = {}
    posted: list[Any] = []

    def do_GET(self) -> None:
        self._answer(self.answers.get(self.path.partition("?")[0]))

    def do_POST(self) -> None:
        type(self).posted.append((self.path, msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))))
        self._answer(ALERT if "device-3" in self.path else None)

    def _answer(self, body: Any) -> None:
        text = msgspec.json.encode({"title": "no such alert"} if body is None else body)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("COLUMNS", "200")
    Api.answers, Api.posted = dict(WELL), []
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    return end.value.code, capsys.readouterr().out


def test_all_is_well(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = run(capsys, "status", "--url", url)
    assert status == 0
    for text in ("recorder/1", "3.2", "4 devices: all well", "no open alert"):
        assert text in said


def test_who_drives_a_gateway_and_who_stands_by_is_named(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    driven = {**GATEWAY, "driven_by": "north", "standby": {"south": "ok", "west": "degraded"}}
    parts = {"gateway/knx": driven, "standby/knx@south": PART, "standby/knx@west": AWAY}
    Api.answers["/health"] = {"status": "degraded", "why": ["standby/knx@west: cable [pulled]"], "parts": parts}
    status, said = run(capsys, "status", "--url", url)
    assert status == 1
    for text in ("north", "south ok, west degraded", "standby/knx@west: cable [pulled]"):
        assert text in said
    assert said.count("standby/") == 1


def test_what_is_wrong_is_named_and_the_status_is_1(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    Api.answers["/health"] = {
        "status": "degraded",
        "why": ["gateway/knx: cable [pulled]"],
        "parts": {"gateway/knx": AWAY},
    }
    Api.answers["/api/v1/devices/health"] = {
        "devices": 4,
        "counts": {"silent": 1, "low_battery": 1},
        "shown": [ROW] * 25,
    }
    Api.answers["/api/v1/alerts"] = {"alerts": [ALERT], "after": None}
    status, said = run(capsys, "status", "--url", url)
    assert status == 1
    for text in ("cable [pulled]", "1 silent, 1 battery low", "8 %", "silent, battery low", "5 more", "6 [x] silent"):
        assert text in said


def test_an_alert_waits_for_a_person_until_it_was_seen(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    Api.answers["/api/v1/alerts"] = {"alerts": [ALERT], "after": None}
    assert run(capsys, "status", "--url", url)[0] == 1
    seen = {**ALERT, "acknowledged_at": 1_767_225_600_000, "acknowledged_by": "anna"}
    Api.answers["/api/v1/alerts"] = {"alerts": [seen], "after": None}
    assert run(capsys, "status", "--url", url)[0] == 0


def test_alerts_are_listed_and_acknowledged(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "alerts", "list", "--url", url)[1] == "no open alert\n"
    Api.answers["/api/v1/alerts"] = {"alerts": [ALERT], "after": None}
    assert "device-3.away" in run(capsys, "alerts", "list", "--all", "--url", url)[1]
    status, said = run(capsys, "alerts", "acknowledge", "device-3.away", "--by", "anna", "--url", url)
    assert (status, said) == (0, "acknowledged: Multisensor 6 [x] silent\n")
    assert Api.posted == [("/api/v1/alerts/device-3.away/acknowledge", {"by": "anna"})]
    assert run(capsys, "alerts", "acknowledge", "x/y", "--url", url)[0] == f"insula: {url}: no such alert"


def test_who_is_no_insula(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no address" in str(run(capsys, "status", "--url", "nowhere")[0])
    assert "127.0.0.1:9" in str(run(capsys, "status", "--url", "http://127.0.0.1:9")[0])
