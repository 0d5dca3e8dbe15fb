"""The way of engagement events out of a node: batches to the store, a spool while it is away.

Promises, weakest first:

- `emit` never waits. A crash of this process loses at most what the last 50 ms brought.
- Once written, an event survives: it is in the store's stream or, synced, in the spool on disk.
- `emit_durably` returns when that holds, else raises `Refusal("store_unavailable")`.
- What cannot be kept (queue and spool full) is counted as shed, never silently lost.

An event may reach the stream twice (a write whose reply was lost); its id makes that harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.logs import get_log
from server.retention.events import encode
from server.retention.spool import DEFAULT_MAX_BYTES, Spool, SpoolFull
from server.retention.stream_keys import DEFAULT_SHARDS, FIELD, SHARDS_KEY, shard_of, stream_key
from signaling.engagement import Engagement
from signaling.errors import Refusal

log = get_log(__name__)

BATCH_EVENTS: Final = 200
BATCH_WAIT_S: Final = 0.05
"""How long an event may wait for company; a durable one does not wait."""
QUEUE_EVENTS: Final = 20_000
"""Some seconds of the heaviest load: reached only when both store and disk hang."""
_RETRY_S: Final = 0.5
"""How often an absent store is tried."""
_PING_LIMIT_S: Final = 0.25
_HEARTBEAT: Final = "room.heartbeat"


class ProducerStats(msgspec.Struct, frozen=True):
    """Counts since start; `queued` and `spool_bytes` are of now."""

    emitted: int
    """Given to us."""
    stored: int
    """Written to a stream at once."""
    spooled: int
    """Written to the spool."""
    replayed: int
    """Written to a stream out of the spool (those of an earlier run, too)."""
    shed: int
    """Lost on purpose: no room left, or a heartbeat while the store is away."""
    queued: int
    spool_bytes: int
    store_is_up: bool


class _Item(msgspec.Struct):
    record: bytes
    droppable: bool
    """A heartbeat: worth nothing once it is late, so never spooled."""
    done: asyncio.Future[None] | None = None
    """Resolved when the record is durable."""


class _Subject(msgspec.Struct):
    """What the replay must know of a spooled record."""

    subject: str


_subject_decoder = msgspec.msgpack.Decoder(_Subject)


def _subject_of(record: bytes) -> str:
    try:
        return _subject_decoder.decode(record).subject
    except msgspec.DecodeError:
        return ""  # a record of some other version: the projector will say what is wrong with it


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Producer:
    """The `EngagementSink` of a node. One writer task owns the store's writes and the spool."""

    def __init__(
        self,
        store: Redis,
        *,
        shards: int = DEFAULT_SHARDS,
        spool_dir: Path,
        spool_max_bytes: int = DEFAULT_MAX_BYTES,
        queue_events: int = QUEUE_EVENTS,
        write_limit_s: float = 2.0,
        now_ms: Callable[[], int] = _wall_ms,
    ) -> None:
        self._store = store
        self._shards = shards
        self._spool_dir = spool_dir
        self._spool_max_bytes = spool_max_bytes
        self._queue_events = queue_events
        self._write_limit_s = write_limit_s
        self._now_ms = now_ms
        self._queue: deque[_Item] = deque()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        """Do not wait for a fuller batch: somebody waits, the batch is full, or we close."""
        self._drained = asyncio.Event()
        self._spool: Spool | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closing = False
        self._spool_is_full = False
        self._in_hand: list[_Item] = []
        self._store_is_up = True
        self._shards_told = False
        self._retry_at_s = 0.0
        self._emitted = self._stored = self._spooled = self._replayed = self._shed = 0

    async def start(self) -> None:
        """Opens the spool (an earlier run's content is replayed first) and starts the writer.

        Raises `SpoolInUse` or OSError when the spool folder cannot be had.
        """
        self._spool = await asyncio.to_thread(
            Spool, self._spool_dir, max_bytes=self._spool_max_bytes
        )
        self._writer = asyncio.create_task(self._write_all(), name="retention-producer")
        self._wake.set()

    async def close(self) -> None:
        """Writes what is queued to the store or the spool, then stops. Later events are shed."""
        if self._writer is None or self._spool is None:
            return
        self._closing = True
        self._wake.set()
        self._hurry.set()
        await self._writer
        self._writer = None
        await asyncio.to_thread(self._spool.close)

    def emit(self, event: Engagement, /) -> None:
        """Queue without waiting. TypeError when a prop is no plain value (a bug of the caller)."""
        self._enqueue(event, None)

    async def emit_durably(self, events: list[Engagement], /) -> None:
        """Return when the events are in the store's stream or in the spool on disk.

        Raises `Refusal("store_unavailable")` when neither takes them all; say it again then.
        """
        loop = asyncio.get_running_loop()
        waiting = [loop.create_future() for _ in events]
        for event, done in zip(events, waiting, strict=True):
            self._enqueue(event, done)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def wait_drained(self) -> None:
        """Return when everything said so far is in the store's streams: queue and spool empty."""
        await self._drained.wait()

    def stats(self) -> ProducerStats:
        return ProducerStats(
            emitted=self._emitted,
            stored=self._stored,
            spooled=self._spooled,
            replayed=self._replayed,
            shed=self._shed,
            queued=len(self._queue),
            spool_bytes=0 if self._spool is None else self._spool.size_bytes,
            store_is_up=self._store_is_up,
        )

    # --- queue ----------------------------------------------------------------------------------

    def _enqueue(self, event: Engagement, done: asyncio.Future[None] | None) -> None:
        record = encode(event, self._now_ms())
        self._emitted += 1
        item = _Item(record, event.type == _HEARTBEAT, done)
        room = self._queue_events // 2 if item.droppable else self._queue_events
        if self._closing or len(self._queue) >= room:
            self._shed_item(item)
            return
        self._queue.append(item)
        self._drained.clear()
        self._wake.set()
        if done is not None or len(self._queue) >= BATCH_EVENTS:
            self._hurry.set()

    def _shed_item(self, item: _Item) -> None:
        self._shed += 1
        if item.done is not None and not item.done.done():
            item.done.set_exception(Refusal("store_unavailable"))

    # --- the writer task ------------------------------------------------------------------------

    async def _write_all(self) -> None:
        try:
            await self._write_until_closed()
        except BaseException:
            # A bug or a cancellation: nobody may wait for ever for a writer that is gone.
            log.exception("producer_broke")
            self._closing = True
            for item in (*self._in_hand, *self._queue):
                if item.done is None or not item.done.done():
                    self._shed_item(item)
            self._queue.clear()
            raise

    async def _write_until_closed(self) -> None:
        while True:
            self._in_hand = await self._next_batch()
            if self._in_hand:
                await self._write(self._in_hand)
                self._in_hand = []
            if self._closing and not self._queue:
                return
            if self._may_try():
                await self._replay_one_segment()
            if not self._queue and self._spool_is_empty():
                self._drained.set()

    async def _next_batch(self) -> list[_Item]:
        """The next 1 to 200 items; none when it is time to try the store again."""
        if not self._queue and not self._closing:
            self._wake.clear()
            # With a spool to replay, come back for it; else sleep until someone emits.
            limit_s = None if self._spool_is_empty() else self._until_retry_s()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), limit_s)
        if self._queue and len(self._queue) < BATCH_EVENTS and not self._closing:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), BATCH_WAIT_S)
        self._hurry.clear()
        batch = [self._queue.popleft() for _ in range(min(BATCH_EVENTS, len(self._queue)))]
        if len(self._queue) >= BATCH_EVENTS or any(item.done for item in self._queue):
            self._hurry.set()
        return batch

    async def _write(self, batch: list[_Item]) -> None:
        """To the store, or behind what the spool holds already (that keeps the order)."""
        left = batch
        if self._spool_is_empty() and self._may_try():
            failed = await self._to_store([item.record for item in batch])
            left = [batch[i] for i in failed]
            self._stored += len(batch) - len(left)
            kept = set(failed)
            for i, item in enumerate(batch):
                if i not in kept:
                    _resolve(item)
        if left:
            await self._to_spool(left)

    async def _to_spool(self, items: list[_Item]) -> None:
        assert self._spool is not None, "started"
        worth = []
        for item in items:
            if item.droppable and item.done is None:
                self._shed_item(item)
            else:
                worth.append(item)
        if not worth:
            return
        try:
            await asyncio.to_thread(self._spool.append, [item.record for item in worth])
        except SpoolFull as error:
            if not self._spool_is_full:
                log.error("spool_full", reason=str(error))
            self._spool_is_full = True
            for item in worth:
                self._shed_item(item)
            return
        self._spool_is_full = False
        self._spooled += len(worth)
        for item in worth:
            _resolve(item)

    async def _replay_one_segment(self) -> None:
        if self._spool is None or self._spool.is_empty:
            return
        if not self._store_is_up and not await self._store_answers():
            return
        records = await asyncio.to_thread(self._spool.oldest)
        for start in range(0, len(records), BATCH_EVENTS):
            chunk = records[start : start + BATCH_EVENTS]
            if await self._to_store(chunk):
                return  # the whole segment is replayed again later: repeats are harmless
            self._replayed += len(chunk)
        if records:
            await asyncio.to_thread(self._spool.drop_oldest)

    async def _store_answers(self) -> bool:
        """A short question first, so that a hanging store does not hold up the spooling."""
        try:
            async with asyncio.timeout(_PING_LIMIT_S):
                await self._store.ping()
        except (RedisError, OSError, TimeoutError) as error:
            self._note(error)
            return False
        return True

    async def _to_store(self, records: list[bytes]) -> list[int]:
        """One pipelined append; returns the indexes of those not acknowledged."""
        pipeline = self._store.pipeline(transaction=False)
        if not self._shards_told:
            pipeline.sadd(SHARDS_KEY, *range(self._shards))
        for record in records:
            pipeline.xadd(stream_key(shard_of(_subject_of(record), self._shards)), {FIELD: record})
        try:
            async with asyncio.timeout(self._write_limit_s):
                replies = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError, TimeoutError) as error:
            self._note(error)
            return list(range(len(records)))
        replies = replies[-len(records) :]
        failed = [i for i, reply in enumerate(replies) if isinstance(reply, Exception)]
        self._note(replies[failed[0]] if failed else None)
        return failed

    def _note(self, error: BaseException | None) -> None:
        """Remember whether the store takes writes, and say when that changes."""
        if error is None:
            self._shards_told = True
            if not self._store_is_up:
                log.info("store_back")
            self._store_is_up = True
            return
        if self._store_is_up:
            log.warning("store_away", error=f"{type(error).__name__}: {error}"[:200])
        self._store_is_up = False
        self._shards_told = False
        self._retry_at_s = asyncio.get_running_loop().time() + _RETRY_S

    def _may_try(self) -> bool:
        return self._store_is_up or self._until_retry_s() <= 0

    def _until_retry_s(self) -> float:
        if self._store_is_up:
            return 0.0
        return max(0.0, self._retry_at_s - asyncio.get_running_loop().time())

    def _spool_is_empty(self) -> bool:
        return self._spool is None or self._spool.is_empty


def _resolve(item: _Item) -> None:
    if item.done is not None and not item.done.done():
        item.done.set_result(None)
