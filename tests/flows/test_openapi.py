"""The document of the API is valid and complete; its pages, and every problem, are as they say."""

import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from litestar.routes import HTTPRoute
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from insula.api.openapi import described
from insula.api.problems import KINDS
from insula.building.file import parse_plan
from insula.building.rules import parse_ruleset
from insula.clock import ManualClock
from insula.errors import Unavailable
from tests.flows.house import House, house
from tests.flows.test_signing_in import Door, door, json

HIDDEN = ("/schema", "/docs")
"""The document itself, and its pages."""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, ManualClock()) as home:
        yield home


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path) as it:
        yield it


async def document_of(home: House) -> dict[str, Any]:
    answer = await home.http.get("/schema/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


# --- the document


async def test_the_document_is_valid_and_complete(home: House) -> None:
    document = await document_of(home)
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1")
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids)) > 45
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"], name
        assert set(operation["tags"]) <= tags, f"{name}: say in TAGS what {operation['tags']} is"
        assert operation["tags"], name
        assert {"500", "503"} < operation["responses"].keys(), name
        assert not operation["security"] or "401" in operation["responses"], name


async def test_every_route_is_in_it(home: House) -> None:
    document = await document_of(home)
    for route in home.api.app.routes:
        if isinstance(route, HTTPRoute) and not route.path.startswith(HIDDEN):
            methods = {str(method).lower() for method in route.methods} - {"options", "head"}
            assert methods <= document["paths"][route.path_format].keys(), route.path


async def test_every_body_has_an_example_that_fits(home: House) -> None:
    document = await document_of(home)
    for name, operation in operations(document):
        for type_, media in operation.get("requestBody", {}).get("content", {}).items():
            if type_ == "application/json" and "$ref" in str(media["schema"]):
                assert "example" in media, f"{name}: give it one in api/examples.py"
                schema = {**media["schema"], "components": document["components"]}
                OAS31Validator(schema).validate(media["example"])
            elif type_ == "application/toml":
                parse = parse_ruleset if "/rules" in name else parse_plan
                assert parse(media["example"])


# --- its pages


class Links(HTMLParser):
    """Every address that a page makes a browser ask, or leads to; and whether anything in it would run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("href", "src", "action", "style", "srcset")]
        assert not [name for name, _ in attrs if name.startswith("on")]


@pytest.mark.parametrize("path", ["/docs", "/docs/problems", "/docs/style.css"])
async def test_the_pages_come_from_nothing_outside(home: House, path: str) -> None:
    answer = await home.http.get(path, headers={"Authorization": ""})
    assert answer.status_code == 200
    assert re.findall(r"(?:https?:)?//[\w.]+", answer.text) == []
    links = Links()
    links.feed(answer.text)
    assert {link for link in links.found if not link.startswith(("/", "#")) or link.startswith("//")} == set()
    assert links.tags.isdisjoint({"script", "iframe", "img", "object", "embed", "base", "form"})
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy


async def test_the_page_shows_every_operation_and_kind(home: House) -> None:
    page, problems = (await home.http.get("/docs")).text, (await home.http.get("/docs/problems")).text
    for method, path, handler in described(home.api.app):
        assert f'<span class="method">{method}</span><code>{path}</code>' in page, handler
    for kind in KINDS.values():
        assert f'id="{kind.name}"' in problems


# --- problems


async def test_a_problem_says_its_kind_its_detail_and_where(it: Door) -> None:
    answer = await (await it.admin()).get("/commands/none")
    assert answer.headers["content-type"] == "application/problem+json"
    assert json(answer, 404) == {
        "type": "/docs/problems#not-found",
        "title": "Not found",
        "status": 404,
        "detail": "no command none",
        "instance": "/api/v1/commands/none",
    }


async def test_each_status_says_what_helps(it: Door) -> None:
    nobody, admin = it.browser(), await it.admin()
    unknown = await nobody.get("/users")
    assert (unknown.status_code, unknown.headers["www-authenticate"]) == (401, 'Bearer realm="insula"')
    method = await admin.patch("/session")
    assert method.status_code == 405
    assert {"GET", "POST", "DELETE"} <= set(method.headers["allow"].split(", "))
    type_ = await admin.post("/users", content=b"name=x", headers={"Content-Type": "text/plain"})
    assert json(type_, 415)["detail"] == "the body must be application/json"
    missing = json(await admin.get("/history?device=1"), 400)
    assert {"detail": "missing", "parameter": "point"} in missing["errors"]
    assert json(await admin.get("/nothing-here"), 404)["type"] == "/docs/problems#not-found"
    for _ in range(20):
        refused = await nobody.post("/session", json={"name": "admin", "password": "wrong"})
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == str(refused.json()["retry_after_s"])


async def test_what_is_too_large_is_not_read(it: Door) -> None:
    large = b'{"name": "' + b"x" * 11_000_000 + b'"}'
    answer = await (await it.admin()).post("/users", content=large, headers={"Content-Type": "application/json"})
    assert json(answer, 413)["title"] == "Too large"


async def test_what_is_away_is_said_and_when_to_come_again(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("database: locked")

    monkeypatch.setattr(home.api.commands, "ask", away)
    answer = await home.http.get("/api/v1/commands/x")
    assert json(answer, 503)["detail"] == "database: locked"
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"level": "own"}, "#/level"),
        ({}, "#/level"),
        ({"level": "see", "color": 1}, "#/color"),
        ({"level": "see", "user": 5}, "#/user"),
        ([], "#"),
    ],
)
async def test_a_fault_of_a_body_has_its_place(it: Door, body: Any, pointer: str) -> None:
    found = json(await (await it.admin()).post("/rights", json=body), 422)
    assert [error["pointer"] for error in found["errors"]] == [pointer]


async def test_a_number_beyond_the_database_is_an_error_of_the_asker(it: Door) -> None:
    answer = await (await it.admin()).delete(f"/rights/{2**70}")
    assert json(answer, 400)["detail"] == "a number or a text is more than the database takes"


async def test_an_error_of_ours_has_an_id_that_the_log_has(
    home: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setattr(home.api.commands, "ask", broken)
    found = json(await home.http.get("/api/v1/commands/x"), 500)
    assert "secret" not in str(found)
    assert f"id={found['id']}" in capsys.readouterr().out
