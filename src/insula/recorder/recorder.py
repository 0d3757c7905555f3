"""Readings, events, state: from the bus into their tables, in batches, each with its positions in one transaction."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import IntegrityError

from insula.bus.channel import Channel, Reader, Received
from insula.bus.health import tell_health
from insula.bus.port import Partition, Positions, Record
from insula.bus.wire import READ_POINT, READINGS
from insula.clock import Clock
from insula.errors import Unavailable, first_of
from insula.messages import AlertEvent, CommandResult, Decision, Health, LeaseEnd, Reading
from insula.recorder.batch import Batch
from insula.recorder.events import event_row
from insula.recorder.heard import Heard
from insula.recorder.moves import Moves
from insula.recorder.selection import Selection
from insula.store.devices import known_devices
from insula.store.engine import Store
from insula.store.events import EventIn, add_events
from insula.store.log import add_log
from insula.store.positions import PositionMoved, Stored, load_positions, move_positions
from insula.store.state import HEALTH, save_state

log = structlog.get_logger("insula.recorder")

READER = "recorder"
TOPICS = ("knx", "zwave", "events", "state")
RETRY_S = 5.0
ENOUGH = 20_000
"""Rows that are written without waiting for the batch's time."""
FULL = 40_000
"""Rows that may wait to be written; then reading waits too."""
LIMIT = 500
"""Records decoded at a time: others have their turn between."""

_READING_KEYS = {READ_POINT, *(action.key for action in READINGS)}


class Recorder:
    """Recorders of one group divide the partitions among them.

    ``every_s``: how often an unchanged value is stored (building's clock); ``batch_s``: how often what was read is
    written (real time). ``run``: the id of the in-memory bus, whose positions mean nothing to another; empty for
    Kafka. ``alone``: all parts are in this process, and begin when it does. ``instance``: its name in /health.
    """

    def __init__(
        self,
        channel: Channel,
        store: Store,
        clock: Clock,
        *,
        every_s: float = 300,
        batch_s: float = 0.5,
        run: str = "",
        alone: bool = False,
        instance: str = "1",
    ) -> None:
        self._channel = channel
        self._store = store
        self._clock = clock
        self._every_s = every_s
        self._batch_s = batch_s
        self._run = run
        self._instance = instance
        self._selection = Selection(every_s)
        self._moves = Moves()
        self._heard = Heard(channel.devices, clock)
        self._start: list[EventIn] = [self._heard.start()] if alone else []
        self._batch = Batch()
        self._stored: dict[Partition, Stored] = {}
        self._held: dict[Partition, int] = {}
        self._writing = asyncio.Lock()
        self._room = asyncio.Event()
        self._enough = asyncio.Event()
        self._why = ""
        self.counters: Counter[str] = Counter()
        """``rows`` and ``events`` written, ``skipped`` of devices that the database does not have, ``ahead``: measured
        in the future, ``takeovers`` by another."""

    async def run(self) -> None:
        await self._channel.devices.complete()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(tell_health(self._channel, self._clock, self._health))
            while True:
                await self._record()
                if self._why:
                    await self._clock.real_sleep(RETRY_S)

    async def flush(self) -> None:
        """Write what was read. Raises PositionMoved when another recorder has done so in the meantime."""
        # Shielded: a transaction that is cut off leaves its connection in an unknown state.
        await asyncio.shield(asyncio.ensure_future(self._flush()))

    # --- reading

    async def _record(self) -> None:
        """Read and write until another recorder turns out to have taken over, or something is away."""
        self._begin_again()
        reader = None
        try:
            reader = await self._channel.read(
                TOPICS,
                name=READER,
                group=READER,
                start="beginning",
                assigned=self._assigned,
                revoked=self._revoked,
                wanted=self._wanted,
            )
            await self._work(reader)
        except* PositionMoved as moved:
            self.counters["takeovers"] += 1
            log.warning("another recorder has taken over; beginning again", places=str(first_of(moved)))
            self._begin_again()
        except* Unavailable as away:
            self._why = str(first_of(away))
            log.error("not recording; beginning again", why=self._why)
        finally:
            if reader is not None:
                await self._close(reader)

    async def _work(self, reader: Reader) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(reader))
            tasks.create_task(self._write())

    def _begin_again(self) -> None:
        self._selection = Selection(self._every_s)
        self._batch = Batch(events=[*self._start])
        self._stored.clear()
        self._held.clear()
        self._room.set()

    async def _close(self, reader: Reader) -> None:
        try:
            await self.flush()
        except (PositionMoved, Unavailable) as error:
            log.warning("the last batch was not written", why=str(error))
        await reader.close()

    async def _read(self, reader: Reader) -> None:
        while True:
            received = await reader.batch(LIMIT)
            self._take(received, reader.positions())
            self.counters["undecodable"] = reader.undecodable
            await asyncio.sleep(0)
            await self._room.wait()

    def _take(self, received: Sequence[Received], positions: Positions) -> None:
        now, ahead = self._clock.now(), self._selection.ahead
        for one in received:
            if isinstance(one.message, Reading):
                row = self._selection.row(one.message, now)
                if row is not None:
                    self._batch.rows.append(row)
                self._batch.events += self._moves.rows(one.message, self._channel.devices)
                self._batch.events += self._heard.reading(one.message)
            elif isinstance(one.message, CommandResult | Decision | AlertEvent):
                self._batch.events.append(event_row(one.message, self._channel.devices, self._clock))
            elif isinstance(one.message, LeaseEnd):
                self._batch.events.append(self._heard.lease_end(one.message))
            elif one.record.topic == "state":
                self._batch.events += self._heard.state(one.record)
                self._batch.state[one.record.key] = one.record.value
        self.counters["ahead"] += self._selection.ahead - ahead
        self._batch.reaches(positions)
        self._held.update(positions)
        if len(self._batch.rows) > ENOUGH:
            self._enough.set()
        if len(self._batch.rows) > FULL:
            self._room.clear()

    def _wanted(self, record: Record) -> bool:
        if record.topic == "state":
            return not record.key.startswith(HEALTH)
        if record.topic == "events":
            return True
        return record.key in _READING_KEYS and not self._selection.holds(record, self._clock.now())

    async def _assigned(self, partitions: Sequence[Partition]) -> Positions:
        stored = await self._load_positions()
        self._stored.update({place: stored[place] for place in partitions if place in stored})
        begin = {place: self._begin(stored.get(place)) for place in partitions}
        self._held.update(begin)
        return begin

    async def _load_positions(self) -> dict[Partition, Stored]:
        """Waits for a database that is away: who gives up here gives its share of the group up too."""
        while True:
            try:
                async with self._store.read() as connection:
                    stored = await load_positions(connection, READER)
                self._why = ""
                return stored
            except Unavailable as error:
                self._why = f"not recording: {error}"
                log.error("waiting to know where to begin", why=str(error))
                await self._clock.real_sleep(RETRY_S)

    def _begin(self, stored: Stored | None) -> int:
        return stored.offset if stored is not None and stored.run == self._run else 0

    async def _revoked(self, partitions: Sequence[Partition]) -> None:
        """What cannot be written is dropped if all partitions go, as on Kafka: whoever has them next reads it again."""
        try:
            await self.flush()
        except (PositionMoved, Unavailable) as error:
            if self._held.keys() - set(partitions):
                raise
            log.warning("dropped, to be read again", rows=len(self._batch.rows), why=str(error))
            self._begin_again()
        for place in partitions:
            self._stored.pop(place, None)
            self._held.pop(place, None)

    # --- writing

    async def _write(self) -> None:
        while True:
            await self._due()
            try:
                await self.flush()
                self._why = ""
            except Unavailable as error:
                self._why = f"not written: {error}"
                log.error("not written; trying again", why=str(error), rows=len(self._batch.rows))
                await self._clock.real_sleep(RETRY_S)

    async def _due(self) -> None:
        """Until the batch's time is over, or it is large enough."""
        waits = [asyncio.ensure_future(wait) for wait in (self._clock.real_sleep(self._batch_s), self._enough.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _flush(self) -> None:
        async with self._writing:
            batch, self._batch = self._batch, Batch()
            self._enough.clear()
            after = {
                place: Stored(self._run, offset)
                for place, offset in batch.positions.items()
                if self._stored.get(place) != Stored(self._run, offset)
            }
            try:
                if after:
                    await self._store_batch(batch, after)
            except BaseException:  # whatever it was, no later batch may go without this one
                self._batch = batch.then(self._batch)
                raise
            self._stored.update(after)
            self._room.set()

    async def _store_batch(self, batch: Batch, after: dict[Partition, Stored]) -> None:
        try:
            await self._transaction(batch, after)
        except IntegrityError:
            async with self._store.read() as connection:
                known = await known_devices(connection)
            strange = sum(row.device not in known for row in batch.rows)
            batch.rows = [row for row in batch.rows if row.device in known]
            self.counters["skipped"] += strange
            log.warning("readings of devices that the database does not have", rows=strange)
            await self._transaction(batch, after)
        self.counters["rows"] += len(batch.rows)
        self.counters["events"] += len(batch.events)

    async def _transaction(self, batch: Batch, after: dict[Partition, Stored]) -> None:
        async with self._store.write() as connection:
            await move_positions(connection, READER, self._stored, after)
            await add_log(connection, batch.rows)
            await add_events(connection, batch.events)
            await save_state(connection, batch.state, self._clock.real())

    # --- health

    async def _health(self) -> Health:
        return Health(
            part="recorder",
            instance=self._instance,
            at=self._clock.real(),
            status="degraded" if self._why else "ok",
            why=self._why,
            counters={**self.counters, "lag": await self._lag(), "waiting": len(self._batch.rows)},
        )

    async def _lag(self) -> int:
        """Records of its partitions that it has not read."""
        ends = await self._channel.bus.end_positions(TOPICS)
        return sum(max(0, ends.get(place, 0) - offset) for place, offset in self._held.items())
