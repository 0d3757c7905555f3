"""The documents say what is there, and their links lead somewhere."""

import re
from pathlib import Path
from typing import get_args, get_origin

import msgspec
import pytest

from insula.points import ROLES
from insula.settings import Section, Settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_map_names_files_that_exist() -> None:
    text = (ROOT / "docs" / "map.md").read_text()
    table = "\n".join(line for line in text.splitlines() if line.startswith("| "))
    for name in re.findall(r"`([\w/]+(?:\.py|/))`", table):
        place = ROOT / name if name.startswith("tests") else ROOT / "src" / "insula" / name
        beside = ROOT / "src" / "insula" / "simulator" / name
        assert place.exists() or beside.exists(), f"docs/map.md names {name}"


def setting_names() -> list[str]:
    names = []
    for field in msgspec.structs.fields(Settings):
        section = field.type
        if isinstance(section, type) and issubclass(section, Section):
            names += [f"{field.name}.{inner.name}" for inner in msgspec.structs.fields(section)]
        elif get_origin(section) is dict:
            names += [f"{field.name}.NAME.{inner.name}" for inner in msgspec.structs.fields(get_args(section)[1])]
        else:
            names.append(field.name)
    return names


@pytest.mark.parametrize("name", setting_names())
def test_every_setting_is_documented(name: str) -> None:
    assert f"| `{name}` |" in (ROOT / "docs" / "how-to" / "settings.md").read_text()


@pytest.mark.parametrize("name", ROLES)
def test_every_role_is_documented(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "how-to" / "describe-a-building.md").read_text()


def test_every_route_of_2020_is_documented() -> None:
    text = (ROOT / "docs" / "how-to" / "routes-of-2020.md").read_text()
    source = (ROOT / "src" / "insula" / "api" / "legacy.py").read_text()
    routes = set(re.findall(r'@get\("(/\w+)"', source)) | {
        f"/{name}" for name in re.findall(r'^    \("(\w+)", ', source, re.M)
    }
    routes |= {f"/{name}" for name in re.findall(r'\("(avg_\w+)"', source)}
    assert len(routes) == 16
    assert {route for route in routes if f"`{route}`" not in text} == set()
