"""One question to the API of a running Insula, over HTTP."""

import json
from http.client import HTTPException, InvalidURL
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from insula.console import token_for
from insula.errors import InputError, Unavailable

TIMEOUT_S = 30.0


def open_answer(request: str | Request, url: str, timeout_s: float | None = None) -> Any:
    """``url``: the API's address, for the errors. Raises InputError: no address, or refused, and why; Unavailable:
    nobody answers there."""
    try:
        asked = request if isinstance(request, Request) else Request(request)
        if token := token_for(url):
            asked.add_unredirected_header("Authorization", f"Bearer {token}")
        return urlopen(asked) if timeout_s is None else urlopen(asked, timeout=timeout_s)
    except HTTPError as error:
        with error:
            raise InputError(f"{url}: {_title(error.read()) or error}") from error
    except URLError as error:
        raise Unavailable(f"{url}: {getattr(error.reason, 'strerror', None) or error.reason}") from error
    except (ValueError, InvalidURL) as error:
        raise InputError(f"{url}: no address: {error}") from error


def get_json(url: str, path: str) -> Any:
    return ask(url, path)


def post_json(url: str, path: str, body: Any) -> Any:
    return ask(url, path, "POST", json.dumps(body).encode())


def put_json(url: str, path: str, body: Any) -> Any:
    return ask(url, path, "PUT", json.dumps(body).encode())


def ask(url: str, path: str, method: str = "GET", body: bytes | None = None, type_: str = "application/json") -> Any:
    """The JSON value of the answer. Raises as ``open_answer``."""
    try:
        return json.loads(ask_text(url, path, method, body, type_))
    except ValueError as error:
        raise InputError(f"{url}: no answer of Insula's ({error})") from error


def ask_text(
    url: str, path: str, method: str = "GET", body: bytes | None = None, type_: str = "application/json"
) -> str:
    """The answer as text."""
    try:
        request = Request(f"{url}{path}", body, {"Content-Type": type_}, method=method)
        with open_answer(request, url, TIMEOUT_S) as answer:
            return bytes(answer.read()).decode()
    except (HTTPException, OSError) as error:
        raise Unavailable(f"{url}: the answer broke off: {error}") from error
    except ValueError as error:
        raise InputError(f"{url}: no address: {error}") from error


def _title(body: bytes) -> str:
    """What a problem of the API says; empty for an answer that is none."""
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    return str(problem.get("detail") or problem.get("title", "")) if isinstance(problem, dict) else ""
