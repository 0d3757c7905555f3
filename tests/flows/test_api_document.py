"""The API against its own document: nothing is answered that is not in it, and nothing makes it fail (schemathesis)."""

from collections.abc import Iterator

import pytest
import requests

from tests.api_fuzz import Fuzz
from tests.demo_process import Demo, demo_process


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo_process(tmp_path_factory.mktemp("demo")) as it:
        yield it


@pytest.fixture
def fuzz(demo: Demo) -> Iterator[Fuzz]:
    """In the end the log says of no request that it failed by our own fault."""
    document = requests.get(f"{demo.url}/schema/openapi.json", timeout=30).json()
    yield Fuzz(demo, document)
    assert demo.errors() == []


@pytest.mark.parametrize(("name", "examples", "wanted"), [("admin", 12, 200), ("anna", 6, 403), ("", 2, 401)])
def test_every_answer_is_in_the_document(fuzz: Fuzz, name: str, examples: int, wanted: int) -> None:
    fuzz.conforms(name, examples)
    assert fuzz.seen[wanted] > 50, fuzz.seen


def test_no_body_makes_it_fail(fuzz: Fuzz) -> None:
    fuzz.takes_any_body(20)
    assert fuzz.seen[415] > 10, fuzz.seen


def test_no_header_makes_it_fail(fuzz: Fuzz) -> None:
    fuzz.takes_any_header(150)
    assert fuzz.seen[401] > 10, fuzz.seen


def test_no_beacon_makes_it_fail(fuzz: Fuzz) -> None:
    fuzz.takes_any_beacon(200)
    assert fuzz.seen[400] > 10, fuzz.seen
