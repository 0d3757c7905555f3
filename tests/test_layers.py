"""Imports point one way, and nothing below knows what is above it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "insula"

FOUNDATION = {"errors", "points", "messages", "clock"}
MAY_IMPORT = {
    "errors": set(),
    "points": set(),
    "messages": set(),
    "clock": set(),
    "settings": {"errors"},
    "logs": {"settings"},
    "http": {"errors"},
    "heartbeat": {"errors"},
    "qr": set(),
    "retry": {"errors", "clock"},
    "bus": FOUNDATION,
    "building": FOUNDATION,
    "access": {"errors"},
    "gateways": FOUNDATION | {"bus"},
    "controller": FOUNDATION | {"bus", "building"},
    "alerts": FOUNDATION | {"bus", "building"},
    "store": FOUNDATION | {"bus", "building", "access"},
    "recorder": FOUNDATION | {"bus", "building", "store"},
    "directory": FOUNDATION | {"bus", "building", "store"},
    "api": FOUNDATION | {"access", "bus", "building", "store", "retry", "qr"},
    "rehearsal": FOUNDATION | {"bus", "building", "controller", "store", "simulator"},
    "simulator": FOUNDATION | {"building", "http"},
}
"""A package and what it may import of Insula besides itself. The rest (bootstrap, demo, cli) may import all."""


def imports(file: Path) -> Iterator[str]:
    """The parts of Insula that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file}: a relative import"
            names = [node.module] if node.module != "insula" else [f"insula.{alias.name}" for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("insula.") and "__" not in name)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package: str) -> None:
    files = [SOURCE / f"{package}.py", *(SOURCE / package).rglob("*.py")]
    found = {name for file in files if file.exists() for name in imports(file)}
    assert found - MAY_IMPORT[package] - {package} == set()


def test_every_package_has_its_place() -> None:
    packages = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert packages <= MAY_IMPORT.keys()


@pytest.mark.parametrize(("package", "other"), [("knx", "zwave"), ("zwave", "knx")])
def test_gateways_do_not_know_each_other(package: str, other: str) -> None:
    for file in (SOURCE / "gateways" / package).rglob("*.py"):
        assert f"insula.gateways.{other}" not in file.read_text()
