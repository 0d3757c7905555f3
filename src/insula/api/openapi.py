"""The OpenAPI 3.1 document: what Litestar finds in the routes, and what all routes have in common."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, Request, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Tag
from litestar.routes import HTTPRoute

from insula import __version__
from insula.api.access import needs
from insula.api.asking import COOKIE
from insula.api.bodies import JSON, types_of
from insula.api.examples import BODIES
from insula.api.openapi_schemas import SCHEMAS
from insula.api.problems import KINDS, MEDIA_TYPE, problem_body

ABOUT = """Insula runs a smart building. Everything under `/api/v1` answers with JSON, and a failure with
`application/problem+json` (RFC 9457); the 16 routes of 2020 keep their own form. Times are milliseconds since 1970
(UTC), values are in the unit of their point. A room that one may not see is answered as one that is not there.
What is live comes over a WebSocket, `/api/v1/live`, which OpenAPI cannot describe: docs/how-to/live.md does."""

TAGS = {
    "2020": "The 16 routes of 2020, for its programs and its phone: a beacon names the room.",
    "administration": "Accounts, teams, rights and the audit; for administrators.",
    "building": "The building file: export, and import with a look at the differences first.",
    "bus": "A window on the topics of the bus; for administrators.",
    "commands": "What was asked of a device, and what became of it.",
    "control": "Who holds a device, and rooms that are only observed.",
    "devices": "Devices, their points and last values, and what is wrong with them.",
    "guests": "Rooms whose code alone drives them for a while, without an account.",
    "history": "Values over a time, and why something moved.",
    "operation": "How parts, gateways and devices are; alerts; metrics.",
    "people": "Signing in, one's own password, sessions and API tokens.",
    "zwave": "Nodes that come into a Z-Wave network, or leave it.",
    "presence": "Where one says that one is: what was given *while there* counts then.",
    "rooms": "Sites, buildings, floors and rooms, and what is measured there now.",
    "rules": "The rules in force, those that are tried, and every version that was.",
}
SCHEMES = {
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "From `POST /api/v1/session`."},
    "token": {"type": "http", "scheme": "bearer", "description": "An API token, from `POST /api/v1/tokens`."},
}
SIGNED: list[dict[str, list[str]]] = [{"session": []}, {"token": []}]
WHO = {
    "nothing": "For everybody.",
    "sign in": "For who has signed in.",
    "rooms": "For who has signed in; what it shows and does depends on their rights in each room.",
    "manage everything": "For who may manage every room.",
    "admin": "For administrators.",
}
GUESTS = " Also for a room's guests, in that room."


class Document(JsonRenderPlugin):
    """``/schema/openapi.json``."""

    _found: bytes = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if not self._found:
            self._found = msgspec.json.encode(complete(openapi_schema, request.app))
        return self._found


def openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Insula",
        version=__version__,
        description=ABOUT,
        tags=[Tag(name=name, description=about) for name, about in TAGS.items()],
        use_handler_docstrings=True,
        render_plugins=[Document()],
        openapi_router=Router("/schema", route_handlers=[], opt=needs("nothing"), include_in_schema=False),
    )


def complete(document: dict[str, Any], app: Litestar) -> dict[str, Any]:
    """The document with who may do what, and every answer. It is changed itself."""
    components = document.setdefault("components", {})
    components["securitySchemes"] = SCHEMES
    components.setdefault("schemas", {}).update(SCHEMAS)
    for method, path, handler in described(app):
        operation = document["paths"][path][method]
        _who(operation, handler)
        _body(operation, method, path, handler)
        answers = operation["responses"]
        _given(answers, handler)
        is_2020 = "2020" in operation.get("tags", ())
        form = _failure_2020 if is_2020 else _problem
        if is_2020:
            answers["200"]["content"][JSON]["schema"] = {"$ref": "#/components/schemas/Success2020"}
        for status in {*_statuses(operation, handler)}:
            answers[str(status)] = form(status, path) if status >= 400 else _done(status, answers)
        operation["responses"] = dict(sorted(answers.items()))
    return document


def described(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Method in small letters, path and handler of what is in the document."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.resolve_include_in_schema():
                    for method in sorted(handler.http_methods):
                        yield str(method).lower(), route.path_format or "/", handler


def _who(operation: dict[str, Any], handler: HTTPRouteHandler) -> None:
    need = handler.opt["needs"]
    operation["security"] = [] if need == "nothing" else SIGNED
    about = operation.get("description", "").replace("``", "`")
    guests = GUESTS if handler.opt.get("guests") else ""
    operation["description"] = f"{about} {WHO[need]}{guests}".strip()


def _body(operation: dict[str, Any], method: str, path: str, handler: HTTPRouteHandler) -> None:
    """A route that reads its body itself takes text; each JSON body has an example."""
    types = types_of(handler)
    if types and "requestBody" not in operation:
        content = {type_: {"schema": {"type": "object" if type_ == JSON else "string"}} for type_ in types}
        operation["requestBody"] = {"required": True, "content": content}
    for type_, example in BODIES.get((method, path), {}).items():
        operation["requestBody"]["content"][type_]["example"] = example


def _given(answers: dict[str, Any], handler: HTTPRouteHandler) -> None:
    for status, answer in answers.items():
        if status < "300":
            for type_ in handler.opt.get("gives", ()):
                answer.setdefault("content", {})[type_] = {"schema": {"type": "string"}}


def _statuses(operation: dict[str, Any], handler: HTTPRouteHandler) -> Iterator[int]:
    """Those that fail. Any answer may be 500, or 503 while the database or the bus is away."""
    need, types = handler.opt["needs"], types_of(handler)
    yield from (500, 503)
    if need != "nothing":
        yield from (401, 403)
    if need == "rooms" or "{" in "".join(handler.paths):
        yield 404
    if types or operation.get("parameters"):
        yield 400
    if types:
        yield from (413, 415)
    if JSON in types:
        yield 422
    yield from handler.opt.get("statuses", ())


def _done(status: int, answers: dict[str, Any]) -> dict[str, Any]:
    """As the route's own answer."""
    first = next(answer for other, answer in answers.items() if other < "300")
    return {**first, "description": HTTPStatus(status).description}


def _problem(status: int, path: str) -> dict[str, Any]:
    kind = KINDS[status]
    media = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "example": problem_body(status, kind.about, path, {}),
    }
    found: dict[str, Any] = {"description": kind.title, "content": {MEDIA_TYPE: media}}
    header = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}.get(status)
    if header:
        found["headers"] = {header: {"schema": {"type": "string"}}}
    return found


def _failure_2020(status: int, path: str) -> dict[str, Any]:
    media = {
        "schema": {"$ref": "#/components/schemas/Failure2020"},
        "example": {"success": False, "error": KINDS[status].title},
    }
    return {"description": HTTPStatus(status).phrase, "content": {JSON: media}}
