"""Whether this process lives and does its work, for whoever watches it from outside: a file that it touches.

A container's health check runs ``insula health`` beside the process; a process whose loop hangs no longer touches it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from insula.errors import Unavailable

EVERY_S = 2.0
DEAD_AFTER_S = 15.0
READY, WAITING = "ready", "waiting"


@dataclass
class Heart:
    ready: bool = False


@asynccontextmanager
async def beating(file: str) -> AsyncIterator[Heart]:
    """Touches ``file`` every 2 s (real time), and takes it away at the end; empty: no file. OSError if it cannot."""
    heart = Heart()
    if not file:
        yield heart
        return
    path = Path(file)
    _write(path, WAITING)
    task = asyncio.create_task(_beat(path, heart), name="heartbeat")
    try:
        yield heart
    finally:
        task.cancel()
        path.unlink(missing_ok=True)


async def _beat(path: Path, heart: Heart) -> None:
    while True:
        _write(path, READY if heart.ready else WAITING)
        await asyncio.sleep(EVERY_S)


def _write(path: Path, word: str) -> None:
    """At once: whoever looks sees one word or the other."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(word)
    new.replace(path)


def look(file: str, *, alive: bool = False) -> str:
    """What the process says of itself. Raises Unavailable when it is not running, hangs, or (but for ``alive``) still
    waits for what it needs."""
    if not file:
        raise Unavailable("no heartbeat is set (INSULA_HEARTBEAT): nothing to look at")
    try:
        age, said = time.time() - Path(file).stat().st_mtime, Path(file).read_text()
    except FileNotFoundError:
        raise Unavailable("not running") from None
    if age > DEAD_AFTER_S:
        raise Unavailable(f"it hangs: no heartbeat for {age:.0f} s")
    if said != READY and not alive:
        raise Unavailable("it waits for what it needs: its log says for what")
    return said
