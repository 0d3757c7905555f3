"""The bus window of a running Insula, followed over HTTP."""

from collections.abc import Iterator
from http.client import HTTPException
from urllib.parse import quote

from insula.ask import open_answer
from insula.errors import Unavailable


def follow(url: str, topic: str, start: str) -> Iterator[str]:
    """The records of a topic from ``start`` (``beginning`` or ``end``), each as a line, until the server ends.

    Raises InputError: no such address or topic; Unavailable: nobody answers there, or no longer.
    """
    try:
        with open_answer(f"{url}/api/v1/bus/{quote(topic, safe='')}?start={start}", url) as answer:
            for line in answer:
                if line.strip():
                    yield line.decode().rstrip("\n")
    except (HTTPException, ConnectionError) as error:
        raise Unavailable(f"{url}: the answer broke off: {error}") from error
