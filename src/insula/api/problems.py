"""How failures are answered: the 2020 form on its routes, RFC 9457 problem details elsewhere."""

import re
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from insula.api.errors import RequestError
from insula.errors import InputError, Unavailable

_MISSING = re.compile(r"Missing required \w+ parameter '(\w+)' for path .*")

log = structlog.get_logger("insula.api")


def legacy_failure(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    status, text = _describe(request, error)
    return Response({"success": False, "error": text}, status_code=status)


def problem(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    status, text = _describe(request, error)
    more = error.more if isinstance(error, RequestError) else {}
    body = {"type": "about:blank", "title": text, "status": status, "instance": request.url.path, **more}
    return Response(body, status_code=status, media_type="application/problem+json")


def _describe(request: Request[Any, Any, Any], error: Exception) -> tuple[int, str]:
    if isinstance(error, RequestError):
        return error.status, str(error)
    if isinstance(error, InputError):
        return 400, str(error)
    if isinstance(error, HTTPException):
        return error.status_code, _detail(error)
    if isinstance(error, Unavailable):
        return 503, str(error)
    log.error("request failed", path=request.url.path, exc_info=error)
    return 500, "an error of ours; it is in the log"


def _detail(error: HTTPException) -> str:
    """A validation error names each parameter and what is wrong with it."""
    extra = error.extra if isinstance(error.extra, list) else []
    faults = [f"{fault.get('key', '')}: {fault.get('message', '')}" for fault in extra if isinstance(fault, dict)]
    return "; ".join(faults) or _MISSING.sub(r"\1: missing", error.detail)
