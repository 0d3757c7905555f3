"""Which types of body a route reads, and gives: JSON where it has ``data``, others where it says so."""

from typing import Any

from litestar import Request
from litestar.handlers.base import BaseRouteHandler

from insula.api.errors import UnsupportedType

JSON = "application/json"
TOML = "application/toml"
TEXT = "text/plain"


def takes(*types: str) -> dict[str, Any]:
    """For the ``opt`` of a route that reads the body itself."""
    return {"takes": types}


def gives(*types: str) -> dict[str, Any]:
    """For the ``opt`` of a route that may answer with other types than its own."""
    return {"gives": types}


def types_of(handler: BaseRouteHandler) -> tuple[str, ...]:
    """Empty: it reads no body."""
    found: tuple[str, ...] = handler.opt.get("takes", ())
    return found or ((JSON,) if "data" in handler.parsed_fn_signature.parameters else ())


async def check_type(request: Request[Any, Any, Any]) -> None:
    """Before each request. Raises UnsupportedType."""
    types = types_of(request.route_handler)
    if types and _has_body(request) and request.content_type[0] not in types:
        raise UnsupportedType(f"the body must be {' or '.join(types)}")


def _has_body(request: Request[Any, Any, Any]) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
