"""The files of deploy/ against the code: every part runs, every setting exists, the brokers know each other."""

import configparser
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from insula.bootstrap import PARTS
from insula.settings import Section, Settings, load_settings
from tests.services.kafka import FAILOVER

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ONCE = {"topics", "tables"}
OTHERS = {"kafka1", "mariadb", "zwave-js"}


def compose(name: str) -> dict[str, Any]:
    text = (DEPLOY / name).read_text()
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.fixture(scope="module")
def campus() -> dict[str, Any]:
    return compose("compose.yaml")["services"]


@pytest.fixture(scope="module")
def overlay() -> dict[str, Any]:
    return compose("compose.three-brokers.yaml")["services"]


def names_of_settings() -> set[str]:
    names = set()
    for field in msgspec.structs.fields(Settings):
        inner = isinstance(field.type, type) and issubclass(field.type, Section)
        keys = [f"{field.name}_{key.name}" for key in msgspec.structs.fields(field.type)] if inner else [field.name]
        names |= {f"INSULA_{key.upper()}" for key in keys}
    return names


def test_every_part_is_a_service_of_its_own(campus: dict[str, Any]) -> None:
    assert campus.keys() == {*PARTS, *ONCE, *OTHERS}
    for part in PARTS:
        assert campus[part]["command"] == ["insula", "run", part]
        assert campus[part]["restart"] == "unless-stopped"
        assert "depends_on" not in campus[part]


def test_settings_are_those_of_the_code(campus: dict[str, Any], overlay: dict[str, Any]) -> None:
    given = dict(campus["api"]["environment"])
    assert given.keys() <= names_of_settings()
    for name, value in given.items():
        given[name] = re.sub(r"\$\{\w+(?::\?[^}]*|:-(\w*))?\}", lambda found: found[1] or "secret", value)
    one = load_settings(environment=given)
    assert (one.bus.kind, one.bus.replication) == ("kafka", 1)
    assert one.database_url == "mysql+asyncmy://insula:secret@mariadb:3306/insula"
    three = load_settings(environment={**given, **overlay["api"]["environment"]})
    assert (three.bus.replication, three.bus.servers.count(",")) == (3, 2)
    assert {*PARTS, "topics"} <= overlay.keys()


def test_brokers_listen_inside_and_outside(campus: dict[str, Any], overlay: dict[str, Any]) -> None:
    voters = set()
    for name in ("kafka1", "kafka2", "kafka3"):
        broker = {**campus["kafka1"]["environment"], **overlay[name]["environment"]}
        listening = dict(re.findall(r"(\w+)://:(\d+)", broker["KAFKA_LISTENERS"]))
        advertised = dict(re.findall(r"(\w+)://[^,]*?:(\d+)", broker["KAFKA_ADVERTISED_LISTENERS"]))
        assert advertised == {side: listening[side] for side in ("INSIDE", "OUTSIDE")}
        assert f"INSIDE://{name}:" in broker["KAFKA_ADVERTISED_LISTENERS"]
        ports = {**campus, **overlay}[name].get("ports") or campus[name]["ports"]
        assert ports[0].endswith(f":{listening['OUTSIDE']}:{listening['OUTSIDE']}")
        voters.add(f"{broker['KAFKA_NODE_ID']}@{name}:{listening['CONTROLLER']}")
    assert set(overlay["kafka1"]["environment"]["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(",")) == voters


def test_the_overlay_is_what_failover_was_measured_with(overlay: dict[str, Any]) -> None:
    given = overlay["kafka2"]["environment"]
    for setting, measured in FAILOVER.items():
        assert given[f"KAFKA_{setting.upper().replace('.', '_')}"] == str(measured)
    assert (given["KAFKA_DEFAULT_REPLICATION_FACTOR"], given["KAFKA_MIN_INSYNC_REPLICAS"]) == ("3", "2")


def test_images_are_pinned_and_secrets_are_not_in_the_files(campus: dict[str, Any], overlay: dict[str, Any]) -> None:
    for service in (*campus.values(), *overlay.values()):
        assert re.search(r":\d+\.\d+", service.get("image", "pinned:1.0"))
    example = (DEPLOY / "example.env").read_text()
    assert "INSULA_DATABASE_PASSWORD=\n" in example
    used = set(re.findall(r"\$\{(\w+)", "".join(file.read_text() for file in DEPLOY.glob("*.yaml"))))
    known = set(re.findall(r"^(\w+)=", example, re.M))
    assert used - known == {"INSULA_LOG_LEVEL", "KAFKA_CLUSTER_ID"}


def test_the_image_runs_as_nobody_in_particular_and_is_watched() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM (\S+)", text, re.M)) == {"debian:bookworm-slim"}
    assert re.findall(r"^USER (\w+)", text, re.M) == ["insula"]
    assert re.search(r'^HEALTHCHECK .*CMD \["insula", "health", "--alive"\]', text, re.M)
    assert set(re.findall(r"INSULA_\w+", text)) - {"INSULA_"} <= names_of_settings()


def test_the_unit_of_systemd() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.read(DEPLOY / "insula@.service")
    assert "insula run %i" in unit["Service"]["ExecStart"]
    assert set(re.findall(r"INSULA_\w+", unit["Service"]["Environment"])) <= names_of_settings()
