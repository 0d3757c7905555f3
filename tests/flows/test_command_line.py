"""The commands as a person types them; errors are one line and status 1."""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from insula import cli
from insula.building.demo import demo_building
from insula.building.rules import SETS
from insula.http import listen
from insula.simulator.zwave_server import ZwaveServer

Run = Callable[..., tuple[object, str]]


@pytest.fixture
def insula(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs one command; gives its status and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        return end.value.code, capsys.readouterr().out

    return run


@pytest.fixture
def house(tmp_path: Path) -> Path:
    file = tmp_path / "house.toml"
    file.write_text(demo_building())
    return file


def test_check_counts_what_there_is(insula: Run, house: Path) -> None:
    status, said = insula("building", "check", str(house))
    assert status == 0
    assert "4 rooms, 16 devices, 2 gateways: no error" in said


def test_check_names_every_fault_with_its_line(insula: Run, house: Path) -> None:
    text = house.read_text().replace("number = 2,", "number = 1,").replace('"Europe/Paris"', '"Mars/Base"')
    house.write_text(text)
    status, _ = insula("building", "check", str(house))
    lines = {text.splitlines().index(line) + 1 for line in text.splitlines() if "number = 1," in line}
    assert "Mars/Base" in str(status)
    assert f"line {max(lines)}" in str(status)


def test_import_shows_what_it_does_and_a_second_one_has_nothing_to_do(insula: Run, house: Path) -> None:
    assert insula("building", "import", str(house), "--dry-run")[1].endswith(" changes, not made\n")
    status, said = insula("building", "import", str(house))
    assert status == 0
    assert "room 10" in said
    assert insula("building", "import", str(house)) == (0, "0 changes\n")


def test_importing_an_export_changes_nothing(insula: Run, house: Path) -> None:
    insula("building", "import", str(house))
    _, text = insula("building", "export")
    house.write_text(text)
    assert insula("building", "import", str(house)) == (0, "0 changes\n")


def test_rules_are_found_beside_the_building_file(insula: Run, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    file, rules = folder / "house.toml", folder / "my.toml"
    file.write_text(demo_building().replace("[building]", '[building]\nrules = "my.toml"'))
    rules.write_text((SETS / "default.toml").read_text())
    assert insula("building", "import", str(file))[0] == 0
    assert insula("building", "import", str(file)) == (0, "0 changes\n")
    rules.write_text(rules.read_text().replace("humidity > 50", "humidity > 55"))
    assert insula("building", "import", str(file)) == (0, "~ rules: my.toml changed\n1 changes\n")
    rules.write_text(rules.read_text().replace("humidity > 55", "humidty > 55"))
    status, _ = insula("building", "import", str(file))
    line = next(n for n, text in enumerate(rules.read_text().splitlines(), 1) if "humidty" in text)
    assert f"my.toml, line {line}: when: no value named 'humidty'" in str(status)


@pytest.mark.parametrize("command", ["check", "import"])
def test_file_without_rooms_is_refused(insula: Run, house: Path, command: str) -> None:
    insula("building", "import", str(house))
    house.write_text("")
    assert insula("building", command, str(house)) == ("insula: line 1: no room: a building has at least one", "")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("building", "check", "absent.toml"), "absent.toml"),
        (("run", "kitchen"), "no part kitchen; there are: directory, recorder"),
        (("run", "--settings", "absent.toml"), "absent.toml"),
        (("demo", "--rooms", "0", "--data", "x", "--port", "0"), "1 to 2040 rooms"),
        (("demo", "--speed", "0"), "clock.speed"),
        (("run", "--speed", "60", "--port", "0"), "BUILDING@REAL"),
        (("run", "--port", "99999"), "port must be 0-65535"),
        (("demo", "--data", "x", "--port", "0", "--knx-port", "99999"), "port must be 0-65535"),
        (("demo", "--data", "x", "--port", "0", "--knx-port", "0", "--zwave-port", "99999"), "0-65535"),
        (("building", "export", "--data", "/dev/null/x"), "/dev/null/x: "),
        (("bus", "tail", "knx", "--url", "nonsense"), "nonsense: no address"),
    ],
)
def test_wrong_input_is_one_clear_line(insula: Run, words: tuple[str, ...], error: str) -> None:
    status, _ = insula(*words)
    assert str(status).startswith("insula: ")
    assert error in str(status)


def test_taken_port_is_named(insula: Run) -> None:
    with closing(listen("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        status, _ = insula("run", "--port", str(port))
    assert status == f"insula: 127.0.0.1:{port}: Address already in use"
    assert insula("bus", "tail", "knx", "--url", f"http://127.0.0.1:{port}")[0] == (
        f"insula: http://127.0.0.1:{port}: Connection refused"
    )


def test_locked_database_is_one_clear_line(insula: Run, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insula.store.sqlite.WAIT_FOR_LOCK_MS", 10)
    insula("building", "export")
    with closing(sqlite3.connect("data/insula.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert insula("building", "import", str(house))[0] == "insula: database: database is locked"


def test_damaged_database_is_one_clear_line(insula: Run, house: Path) -> None:
    insula("building", "import", str(house))
    file = Path("data/insula.db")
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"x" * (len(whole) - 4096))
    status, _ = insula("building", "export")
    assert "database disk image is malformed" in str(status)
    assert "SELECT" not in str(status)


@pytest.fixture
def controller() -> Iterator[ZwaveServer]:
    """A Z-Wave JS server in a thread of its own: the command line has the main one."""
    server, loop = ZwaveServer(port=0), asyncio.new_event_loop()
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield server
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_reset_wants_the_home_id_typed(insula: Run, controller: ZwaveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "12345")
    status, _ = insula("zwave", "reset", controller.url)
    assert "home id" in str(status)
    monkeypatch.setattr("builtins.input", lambda prompt: str(controller.home_id))
    status, said = insula("zwave", "reset", controller.url)
    assert status == 0
    assert f"its home id is now {controller.home_id:08x}" in said


def test_node_whose_button_is_pressed_is_named(insula: Run, controller: ZwaveServer) -> None:
    controller.inclusion.offer("multisensor", 9, "Multisensor 6")
    status, said = insula("zwave", "include", controller.url)
    assert status == 0
    assert "node 9, Multisensor 6, is in the network" in said
    controller.inclusion.leave(9)
    assert "node 9" in insula("zwave", "exclude", controller.url)[1]


def test_include_and_exclude_end_when_no_button_is_pressed(insula: Run, controller: ZwaveServer) -> None:
    for command in ("include", "exclude"):
        status, _ = insula("zwave", command, controller.url, "--timeout", "0.1")
        assert str(status).startswith("insula: ")


def test_rules_are_rehearsed_on_simulated_days(insula: Run, house: Path, tmp_path: Path) -> None:
    insula("building", "import", str(house), "--data", str(tmp_path))
    status, said = insula("rehearse", "comfort", "--simulated", "0.5", "--json", "--data", str(tmp_path))
    assert status == 0
    present, changed = json.loads(said)["sets"]
    assert (present["name"], changed["name"]) == ("default", "comfort")
    assert present["occupied_min"] == changed["occupied_min"] > 0
    assert changed["occupied_and_cold_min"] < present["occupied_and_cold_min"]
    status, said = insula("rehearse", "comfort", "--simulated", "0.1", "--data", str(tmp_path))
    assert "occupied and cold" in said
    assert "nothing is recorded" in str(insula("rehearse", "comfort", "--data", str(tmp_path))[0])
    assert "no rule set 'nice'" in str(insula("rehearse", "nice", "--data", str(tmp_path))[0])
    assert "--from soon" in str(insula("rehearse", "--from", "soon", "--data", str(tmp_path))[0])
