"""Every operation of the document of the API, and what no document foresees: `make test`, longer in `make chaos`."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.generation import GenerationMode

from insula.points import ROLES
from tests.demo_process import Demo
from tests.flows.house import ROOM_1, ROOM_2

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BY_NATURE = {("get", "/api/v1/bus/{topic}"): "a stream that does not end"}
"""What is in the document and cannot be tried so. The WebSocket is not in it."""
SELDOM = {("post", "/api/v1/session"): 4}
"""How often at most: too many attempts, and nobody signs in from this machine."""
TIMEOUT_S = 30

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
TYPES = st.sampled_from(["application/json", "text/plain", "application/toml", "multipart/form-data", "x", ""])
HEADERS = st.sampled_from(
    ["Authorization", "Cookie", "Accept", "Content-Type", "Origin", "Sec-Fetch-Site", "Idempotency-Key", "User-Agent"]
)
HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
BEACON_TEXT = st.text(max_size=40) | st.integers().map(str) | st.floats().map(str)


@schemathesis.serializer("application/toml")
def as_text(_: object, value: Any) -> bytes:
    return str(value).encode(errors="replace")


@dataclass
class Fuzz:
    """``seen``: how often each status was answered. With ``chance`` each run tries others."""

    demo: Demo
    document: Mapping[str, Any]
    chance: bool = False
    seen: Counter[int] = field(default_factory=Counter)

    def effort(self, examples: int) -> settings:
        return settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=not self.chance,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )

    # --- what the document says

    def conforms(self, name: str, examples: int) -> None:
        """Every operation, asked by that person (empty: by nobody) with what the document allows, half of it with
        names and ids that are there: no answer but those that the document has."""
        schema = schemathesis.openapi.from_dict(dict(self.document))
        schema.config.update(base_url=self.demo.url)
        browser = self.demo.signed_in(name)
        real = _real(self.demo)
        for result in schema.get_all_operations():
            operation = result.ok()
            if (operation.method, operation.path) in BY_NATURE:
                continue
            count = min(examples, SELDOM.get((operation.method, operation.path), examples))
            self._try(operation, browser, real, count, nobody=not name)
            if name and browser.get(f"{self.demo.url}/api/v1/session", timeout=TIMEOUT_S).status_code == 401:
                browser = self.demo.signed_in(name)

    def _try(
        self, operation: Any, browser: requests.Session, real: Mapping[str, list[Any]], examples: int, *, nobody: bool
    ) -> None:
        @given(
            case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
            which=st.none() | st.integers(0, 1000),
        )
        @self.effort(examples)
        def one(case: Any, which: int | None) -> None:
            if which is not None:
                _fill(case.path_parameters, real, which)
                _fill(case.query, real, which)
            answer = case.call(session=browser, timeout=TIMEOUT_S)
            case.validate_response(answer, checks=CHECKS)
            self.seen[answer.status_code] += 1
            if nobody and operation.definition.raw["security"]:
                assert answer.status_code in (401, 404), f"{operation.label}: {answer.status_code} for nobody"

        one()

    # --- what it does not say

    def takes_any_body(self, examples: int) -> None:
        """Any JSON, any bytes, of any type, to every operation with a body."""
        browser = self.demo.signed_in("admin")
        for method, path in self._with_body():
            self._takes_any_body(browser, method, self.demo.url + path.replace("{", "").replace("}", ""), examples)

    def _takes_any_body(self, browser: requests.Session, method: str, url: str, examples: int) -> None:
        @given(body=ANY_JSON.map(json.dumps).map(str.encode) | st.binary(max_size=60), type_=TYPES)
        @self.effort(examples)
        def one(body: bytes, type_: str) -> None:
            answer = browser.request(method, url, data=body, headers={"Content-Type": type_}, timeout=TIMEOUT_S)
            self._is_no_error(answer.status_code, answer.headers.get("content-type", ""), answer.text)

        one()

    def takes_any_header(self, examples: int) -> None:
        """Also to what asks for none."""
        at = urlsplit(self.demo.url)
        paths = st.sampled_from(["/api/v1/session", "/api/v1/users", "/get_beacons", "/health", "/docs"])

        @given(path=paths, name=HEADERS, text=HEADER_TEXT)
        @self.effort(examples)
        def one(path: str, name: str, text: str) -> None:
            connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=TIMEOUT_S)
            try:
                connection.putrequest("GET", path)
                connection.putheader(name, text.encode("latin-1"))
                connection.endheaders()
                answer = connection.getresponse()
                assert answer.status < 500, f"{path} with {name}: {text!r}: {answer.read()!r}"
                self.seen[answer.status] += 1
            finally:
                connection.close()

        one()

    def takes_any_beacon(self, examples: int) -> None:
        """To each of the 16 routes."""
        browser = self.demo.signed_in("anna")
        routes = [
            path for path, item in self.document["paths"].items() if "2020" in item.get("get", {}).get("tags", ())
        ]
        assert len(routes) == 16

        @given(
            route=st.sampled_from(routes),
            beacon=st.fixed_dictionaries(dict.fromkeys((*ROOM_1, "percentage"), BEACON_TEXT)),
        )
        @self.effort(examples)
        def one(route: str, beacon: dict[str, str]) -> None:
            answer = browser.get(self.demo.url + route, params=beacon, timeout=TIMEOUT_S)
            assert answer.status_code < 500, answer.text
            assert set(answer.json()) >= {"success"}
            self.seen[answer.status_code] += 1

        one()

    def _with_body(self) -> Iterator[tuple[str, str]]:
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if "requestBody" in operation:
                    yield method, path

    def _is_no_error(self, status: int, type_: str, text: str) -> None:
        assert status < 500, text
        assert status < 400 or type_ == "application/problem+json", text
        self.seen[status] += 1


def _fill(values: Any, real: Mapping[str, list[Any]], which: int) -> None:
    for name in values or ():
        if name in real:
            values[name] = real[name][which % len(real[name])]


def _real(demo: Demo) -> dict[str, list[Any]]:
    """Names and ids that are there, by the name of the parameter. Who is signed in is not among them."""
    devices = list(range(1, 17))
    beacons = [ROOM_1, ROOM_2]
    return {
        "device": devices,
        "device_id": devices,
        "room": [1, 2],
        "room_id": [1, 2],
        "point": sorted(ROLES),
        "topic": ["knx", "zwave"],
        "name": ["cleaners", "ben"],
        **{name: [beacon[name] for beacon in beacons] for name in ROOM_1},
    }
