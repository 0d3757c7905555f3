"""The console's token: each API process writes one into its data folder, and the command line shows it to that process.

Who can read the folder can open the database too, so nobody may more by it. It ends with the process.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

CONSOLE_FILE = "console.json"
FOLDERS = ("data", "data/demo")
"""Where the command line looks, beside the folder in ``INSULA_DATA``."""
LOCAL = ("127.0.0.1", "::1", "localhost")


@contextmanager
def console(file: Path, address: str, token: str) -> Iterator[None]:
    """The file is there meanwhile, for its owner alone. ``address``: ``http://HOST:PORT`` of the process."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump({"port": urlsplit(address).port, "token": token}, out)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def token_for(url: str, environment: Mapping[str, str] = os.environ) -> str:
    """What to show to the API at ``url``: ``INSULA_TOKEN``, or the console's token of a process on this machine; empty:
    none is known."""
    if "INSULA_TOKEN" in environment:
        return environment["INSULA_TOKEN"]
    try:
        host, port = urlsplit(url).hostname, urlsplit(url).port
    except ValueError:
        return ""
    folders = (environment.get("INSULA_DATA", ""), *FOLDERS)
    return next((token for one in folders if one and host in LOCAL and (token := _read(Path(one), port))), "")


def _read(folder: Path, port: int | None) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads((folder / CONSOLE_FILE).read_text())
        return str(found["token"]) if found["port"] == port else ""
    return ""
