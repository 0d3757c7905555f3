"""The connection to a Z-Wave JS server: made, watched, and made again for ever.

The client library never reconnects: its ``listen`` returns when the socket closes, and the model it filled keeps
its last values. So each connection is a new client with a new model.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import aiohttp
import structlog
from zwave_js_server.client import Client
from zwave_js_server.exceptions import BaseZwaveJSServerError, FailedCommand, InvalidServerVersion
from zwave_js_server.model.driver import Driver

from insula.clock import Clock
from insula.errors import Unavailable

log = structlog.get_logger("insula.zwave")

CONNECT_S = 15.0
"""Until the model is filled. The dump of a full network (232 nodes) is some megabytes."""
PROBE_S = 2.0
PROBE_ANSWER_S = 2.0
PROBES = 2
"""A server that leaves so many commands unanswered is lost (the library's own heartbeat: 81 s). One is not enough: it
may be we who were held up."""
CLOSE_S = 0.6
BACKOFF_S = (0.5, 1.0)
"""First wait, and the longest: a server that is back is found again within 2 s."""
WRONG_VERSION_S = 30.0


class WrongVersion(Unavailable):
    """The server speaks no version of its protocol that the client library speaks."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that stands. ``lost`` is done when it does not any more; its exception says why, if it knows.
    Cancelling it gives the connection up."""

    driver: Driver
    lost: asyncio.Task[None]


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Connection]:
    """A connection with its model filled; closed at the end of the block. Raises Unavailable."""
    async with aiohttp.ClientSession() as session:
        client = Client(url, session)
        tasks: list[asyncio.Task[None]] = []
        try:
            with unavailable():
                connection = await _open(client, tasks)
            yield connection
        finally:
            await _close(client, *tasks)


@contextmanager
def unavailable() -> Iterator[None]:
    """The library's errors of a connection, as ours."""
    try:
        yield
    except InvalidServerVersion as error:
        raise WrongVersion(str(error)) from error
    except TimeoutError as error:
        raise Unavailable(f"no answer within {CONNECT_S:g} s") from error
    except (BaseZwaveJSServerError, aiohttp.ClientError, OSError) as error:
        raise Unavailable(str(error) or type(error).__name__) from error


async def _open(client: Client, tasks: list[asyncio.Task[None]]) -> Connection:
    """``tasks`` gets the task that listens, also when this fails half way."""
    async with asyncio.timeout(CONNECT_S):
        await client.connect()
        ready = asyncio.Event()
        listening = asyncio.create_task(client.listen(ready), name=f"listens to {client.ws_server_url}")
        tasks.append(listening)
        await _first(ready.wait(), listening)
    if client.driver is None:
        raise Unavailable("the server closed the connection")
    return Connection(client.driver, listening)


async def _first(ready: Coroutine[None, None, bool], listening: asyncio.Task[None]) -> None:
    """Until the model is filled; raises what ended the listening before."""
    waiting = asyncio.create_task(ready)
    try:
        await asyncio.wait({waiting, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if listening.done():
        listening.result()


async def _close(client: Client, *listening: asyncio.Task[None]) -> None:
    """Bounded, as the other side may be gone without a word."""
    for task in listening:
        for _ in range(2):  # the first cancels listening, which then says goodbye; the second cancels the goodbye
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_S)
        if task.done() and not task.cancelled():
            task.exception()  # whoever waits for ``lost`` has been told
    with suppress(TimeoutError, BaseZwaveJSServerError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(CLOSE_S):
            await client.disconnect()


async def keep(
    url: str, clock: Clock, serve: Callable[[Connection], Coroutine[None, None, None]], down: Callable[[str], None]
) -> None:
    """Connects for ever. ``serve`` lives with each connection and is cancelled when it is lost; then, and after
    each failed attempt, ``down`` is told why."""
    wait = BACKOFF_S[0]
    while True:
        try:
            async with connect(url) as connection:
                wait = BACKOFF_S[0]
                await _until_lost(connection, serve, clock)
                why = "connection lost"
        except WrongVersion as error:
            log.error("the Z-Wave JS server has another version", url=url, error=str(error))
            why, wait = str(error), WRONG_VERSION_S
        except Unavailable as error:
            why = str(error)
        except Exception as error:  # whatever a server may send: the gateway stays
            log.exception("connection to the Z-Wave JS server failed", url=url)
            why = f"{type(error).__name__}: {error}"
        down(why)
        await clock.real_sleep(wait)
        wait = min(wait * 2, max(BACKOFF_S))


async def _until_lost(
    connection: Connection, serve: Callable[[Connection], Coroutine[None, None, None]], clock: Clock
) -> None:
    serving = asyncio.create_task(serve(connection))
    watching = asyncio.create_task(_until_silent(connection.driver, clock))
    try:
        await asyncio.wait({serving, watching, connection.lost}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (serving, watching):
            task.cancel()
        await asyncio.wait({serving, watching})
    if serving.done() and not serving.cancelled():
        serving.result()
    for task in (connection.lost, watching):
        if task.done() and not task.cancelled():
            with unavailable():
                task.result()


async def _until_silent(driver: Driver, clock: Clock) -> None:
    """Raises Unavailable when the server does not answer any more, though its connection stands."""
    unanswered = 0
    while unanswered < PROBES:
        unanswered = 0 if await _answers(driver) else unanswered + 1
        if not unanswered:
            await clock.real_sleep(PROBE_S)
    raise Unavailable("the server does not answer")


async def _answers(driver: Driver) -> bool:
    """The log's settings are what the library itself asks for at its start: no radio, and every server knows it."""
    try:
        async with asyncio.timeout(PROBE_ANSWER_S):
            await driver.async_get_log_config()
    except TimeoutError:
        return False
    except FailedCommand:
        return True
    return True
