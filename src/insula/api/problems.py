"""How failures are answered: the 2020 form on its routes, RFC 9457 problem details elsewhere."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import Message, Scope, Send

from insula.api.errors import RequestError
from insula.errors import InputError, Unavailable
from insula.messages import new_id

MEDIA_TYPE = "application/problem+json"
PAGE = "/docs/problems"
"""What each kind of problem is; its name there is the last part of ``type``."""
AWAY_S = 2
"""What is away is asked again no sooner."""
_MISSING = re.compile(r"Missing required \w+ parameter '(\w+)' for path .*")
_FIELD = re.compile(r"(?:required|unknown) field `(\w+)`")

log = structlog.get_logger("insula.api")


@dataclass(frozen=True, slots=True)
class Kind:
    """``name``: in the page's address; ``title``: the same each time; ``about``: for who reads the page."""

    name: str
    title: str
    about: str


KINDS: Mapping[int, Kind] = {
    400: Kind("bad-request", "Bad request", "A parameter, or what is asked, is wrong; `detail` says what."),
    401: Kind("sign-in", "Sign in first", "No session and no token came with the request, or one that has ended."),
    403: Kind("forbidden", "Forbidden", "It can be seen, but the account or the token may not do this with it."),
    404: Kind("not-found", "Not found", "It is not there, or it is in a room that the account may not see."),
    405: Kind("method", "Method not allowed", "The address has other methods: header Allow."),
    408: Kind("expired", "Expired", "The command's time was over before a gateway could carry it out."),
    409: Kind("conflict", "Conflict", "It does not fit to how things are now."),
    413: Kind("too-large", "Too large", "The body has more bytes than are taken."),
    415: Kind("media-type", "Unsupported media type", "The body is not of a type that this address reads."),
    422: Kind("invalid", "Invalid body", "JSON, but not what is wanted; `errors` has a pointer to each fault."),
    424: Kind("failed", "Failed", "The field bus did not take the command; or a provider of sign-in is away."),
    429: Kind("too-many", "Too many requests", "Try again after `retry_after_s` seconds: header Retry-After."),
    500: Kind("internal", "Internal error", "An error of Insula's own. `id` is in its log, with all that is known."),
    503: Kind("unavailable", "Unavailable", "Something that is needed is away: the database, the bus, a gateway."),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """``more``: members of the problem beside those of RFC 9457."""

    status: int
    detail: str
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def legacy_failure(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    it = _describe(request, error)
    return Response({"success": False, "error": it.detail}, status_code=it.status, headers=_headers(it))


def problem(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    it = _describe(request, error)
    body = problem_body(it.status, it.detail, quote(request.url.path, errors="replace"), it.more)
    return Response(body, status_code=it.status, media_type=MEDIA_TYPE, headers=_headers(it))


def problem_body(status: int, detail: str, instance: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 9457. A status of no kind of ours is what HTTP says it is."""
    kind = KINDS.get(status)
    type_, title = ("about:blank", detail) if kind is None else (f"{PAGE}#{kind.name}", kind.title)
    return {"type": type_, "title": title, "status": status, "detail": detail, "instance": instance, **more}


def _headers(it: Failure) -> dict[str, str]:
    found = dict(it.headers)
    if it.status == 401:
        found["WWW-Authenticate"] = 'Bearer realm="insula"'
    if it.status == 503:
        found["Retry-After"] = str(AWAY_S)
    if "retry_after_s" in it.more:
        found["Retry-After"] = str(it.more["retry_after_s"])
    return found


def _describe(request: Request[Any, Any, Any], error: Exception) -> Failure:
    match error:
        case RequestError():
            return Failure(error.status, str(error), error.more)
        case InputError():
            return Failure(400, str(error))
        case ValidationException():
            return _invalid(error)
        case HTTPException():
            return Failure(error.status_code, _MISSING.sub(r"\1: missing", error.detail), {}, error.headers or {})
        case Unavailable():
            return Failure(503, str(error))
        case RecursionError():
            log.warning("nested too deeply", path=request.url.path)
            return Failure(400, "the JSON is nested too deeply")
        case _:
            id_ = new_id()
            log.error("request failed", id=id_, path=request.url.path, exc_info=error)
            return Failure(500, f"an error of ours; it is in the log, as {id_}", {"id": id_})


def _invalid(error: ValidationException) -> Failure:
    """Names each parameter, or place in the body, and what is wrong with it."""
    said = error.extra if isinstance(error.extra, list) else []
    faults = [fault for fault in said if isinstance(fault, dict)]
    missing = _MISSING.fullmatch(error.detail)
    if missing:
        faults = [{"key": missing[1], "message": "missing"}]
    texts = "; ".join(f"{fault.get('key', '')}: {fault.get('message', '')}" for fault in faults)
    in_body = any(fault.get("source") == "body" for fault in faults)
    return Failure(422 if in_body else 400, texts or error.detail, {"errors": list(_errors(faults))} if faults else {})


def _errors(faults: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, str]]:
    """As in RFC 9457, section 3: a JSON pointer (RFC 6901) into the body, or the parameter's name."""
    for fault in faults:
        key, text = str(fault.get("key", "")), str(fault.get("message", ""))
        if fault.get("source") == "body":
            yield {"detail": text, "pointer": _pointer(key, text)}
        else:
            yield {"detail": text, "parameter": key}


def _pointer(key: str, text: str) -> str:
    steps = [] if key == "data" else re.findall(r"[^.\[\]]+", key)
    named = _FIELD.search(text)
    return "#" + "".join(f"/{step}" for step in [*steps, *([named[1]] if named else [])])


async def refuse_socket(scope: Scope, send: Send, error: RequestError) -> None:
    """As a request would be, before the WebSocket is accepted (ASGI's extension websocket.http.response)."""
    body = problem_body(error.status, str(error), scope["path"], error.more)
    start = {
        "type": "websocket.http.response.start",
        "status": error.status,
        "headers": [(b"content-type", MEDIA_TYPE.encode())],
    }
    await send(cast(Message, start))
    await send(cast(Message, {"type": "websocket.http.response.body", "body": msgspec.json.encode(body)}))
