"""The bus window of a running Insula, followed over HTTP."""

import json
from collections.abc import Iterator
from http.client import HTTPException, InvalidURL
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import urlopen

from insula.errors import InputError, Unavailable


def follow(url: str, topic: str, start: str) -> Iterator[str]:
    """The records of a topic from ``start`` (``beginning`` or ``end``), each as a line, until the server ends.

    Raises InputError: no such address or topic; Unavailable: nobody answers there, or no longer.
    """
    try:
        with _open(f"{url}/api/v1/bus/{quote(topic, safe='')}?start={start}", url) as answer:
            for line in answer:
                if line.strip():
                    yield line.decode().rstrip("\n")
    except (HTTPException, ConnectionError) as error:
        raise Unavailable(f"{url}: the answer broke off: {error}") from error


def _open(address: str, url: str) -> Any:
    try:
        return urlopen(address)
    except HTTPError as error:
        with error:
            raise InputError(f"{url}: {_title(error.read()) or error}") from error
    except URLError as error:
        raise Unavailable(f"{url}: {getattr(error.reason, 'strerror', None) or error.reason}") from error
    except (ValueError, InvalidURL) as error:
        raise InputError(f"{url}: no address: {error}") from error


def _title(body: bytes) -> str:
    """What a problem of the API says; empty for an answer that is none."""
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    return str(problem.get("title", "")) if isinstance(problem, dict) else ""
