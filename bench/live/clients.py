"""Live clients, one for each token (a JSON list on a line of the input): arguments ``PORT SECONDS PEOPLE``. When all
have their snapshot it measures for so long, and prints how late each change came, and how many fresh pictures there
were. After that it prints when (ms) the last of ``PEOPLE`` has a fresh picture, and when it has another one."""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack

import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect

AT_ONCE = 20


class Entry(msgspec.Struct):
    measured_at: int = 0


class Message(msgspec.Struct):
    type: str
    set: dict[str, Entry]


_decode = msgspec.json.Decoder(Message).decode


class Load:
    def __init__(self) -> None:
        self.measuring = False
        self.latencies_ms: list[int] = []
        self.resyncs = 0
        self.fresh = asyncio.Semaphore(0)
        self._last: tuple[bytes, Message] | None = None

    async def follow(self, socket: ClientConnection, ready: asyncio.Semaphore) -> None:
        """``known``: of each entry, when it was measured; one that is only told again, as still fresh, is no change."""
        known: dict[str, int] = {}
        while True:
            data = await socket.recv(decode=False)
            at = time.time_ns() // 1_000_000
            message = self._read(data)
            if not known:
                ready.release()
            elif self.measuring:
                self.resyncs += message.type == "resync"
                measured = [one.measured_at for key, one in message.set.items() if one.measured_at > known.get(key, at)]
                self.latencies_ms += [at - moment for moment in measured]
            elif message.type == "resync":
                self.fresh.release()
            known |= {key: one.measured_at for key, one in message.set.items()}

    def _read(self, data: bytes) -> Message:
        """Many clients get the same one."""
        if self._last is None or self._last[0] != data:
            self._last = data, _decode(data)
        return self._last[1]


async def main(port: int, seconds: float, people: int, tokens: list[str]) -> None:
    load, ready, opening = Load(), asyncio.Semaphore(0), asyncio.Semaphore(AT_ONCE)
    url = f"ws://127.0.0.1:{port}/api/v1/live"

    async def open_(token: str) -> ClientConnection:
        async with opening:
            headers = {"Authorization": f"Bearer {token}"}
            return await stack.enter_async_context(
                connect(url, additional_headers=headers, compression=None, max_size=None, proxy=None)
            )

    async with AsyncExitStack() as stack:
        sockets = await asyncio.gather(*(open_(token) for token in tokens))
        tasks = [asyncio.create_task(load.follow(socket, ready)) for socket in sockets]
        for _ in tokens:
            await ready.acquire()
        load.measuring = True
        await asyncio.sleep(seconds)
        load.measuring = False
        say({"latencies_ms": load.latencies_ms, "resyncs": load.resyncs})
        for _ in ("given", "taken"):
            for _ in range(people):
                await load.fresh.acquire()
            say(time.time_ns() // 1_000_000)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), json.loads(sys.stdin.readline())))
