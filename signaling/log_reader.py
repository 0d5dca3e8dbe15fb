"""Follows the streams of every room with people on this node (DESIGN 4.1).

Two readers, each one task with one blocking XREAD over all its streams: the `log` streams, where a
question must not wait, and the `chat` streams, read in paces so that a flood costs some tens of
reads a second instead of thousands. In a Redis Cluster there would be a pair for each shard.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import RedisError

from signaling.errors import Refusal
from signaling.group_writer import GroupWriter, Reply
from signaling.positions import START, StreamId, format_stream_id, parse_stream_id
from signaling.store_keys import wake_key
from signaling.tasks import TaskSet

log = logging.getLogger(__name__)

BLOCK_MS: Final = 2000
"""Below the socket time-out of the client (5 s), so that a silent store is noticed by that."""
MAX_ENTRIES: Final = 500
"""Entries of one stream in one read: bounds how long one delivery holds the loop."""
CHAT_PACE_S: Final = 0.025
"""Shortest time between two reads of chat: half a chat tick, so that ticks are full."""
LOG_PACE_S: Final = 0.002
BACK_OFF_S: Final = (0.05, 2.0)


StoreArgument: TypeAlias = bytes | str | memoryview
"""What the client library takes for a key or a value; its maps are invariant in it."""


class Entry(NamedTuple):
    """One stream entry; `data` is its field `e`, empty when it has none."""

    stream_id: StreamId
    data: bytes


Deliver = Callable[[str, list[Entry]], None]
"""Called in the loop with a stream's key and its new entries, in order, each once."""


class StreamReader:
    """One XREAD over a changing set of streams. `on_restored` is called when reading works again
    after it failed: what was cached of the store may be out of date then."""

    def __init__(
        self,
        redis: Redis,
        *,
        name: str,
        wake: str,
        deliver: Deliver,
        on_restored: Callable[[], None],
        pace_s: float,
    ) -> None:
        self._redis = redis
        self._name = name
        self._wake = wake
        self._wake_at: StreamId = START
        self._deliver = deliver
        self._on_restored = on_restored
        self._pace_s = pace_s
        self._positions: dict[str, StreamId] = {}

    def follow(self, key: str, after: StreamId) -> None:
        self._positions[key] = after

    def unfollow(self, key: str) -> None:
        self._positions.pop(key, None)

    async def run(self) -> None:
        """Read until cancelled, through any number of store restarts."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            try:
                reply = await self._read()
            except (RedisError, OSError) as error:
                failures += 1
                wait_s = min(BACK_OFF_S[0] * 2**failures, BACK_OFF_S[1])
                log.warning("log_reader_away reader=%s error=%s", self._name, type(error).__name__)
                await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
                continue
            if failures:
                failures = 0
                log.info("log_reader_restored reader=%s", self._name)
                self._on_restored()
            if self._hand_over(reply):
                await asyncio.sleep(max(0.0, self._pace_s - (loop.time() - started)))

    async def _read(self) -> Reply:
        places = {self._wake: self._wake_at, **self._positions}
        streams: dict[StoreArgument, int | StoreArgument] = {
            key: format_stream_id(place) for key, place in places.items()
        }
        return await self._redis.xread(streams, count=MAX_ENTRIES, block=BLOCK_MS)

    def _hand_over(self, reply: Reply) -> bool:  # hot path
        """Deliver what is new; True when there was anything besides a wake-up."""
        any_new = False
        for key, entries in _streams(reply):
            last = entries[-1].stream_id
            if key == self._wake:
                self._wake_at = last
                continue
            position = self._positions.get(key)
            if position is None or last <= position:
                continue  # given up, or followed anew from a later place, while the read was out
            if entries[0].stream_id <= position:
                entries = [entry for entry in entries if entry.stream_id > position]
            self._positions[key] = last
            any_new = True
            self._deliver(key, entries)
        return any_new


def _streams(reply: Reply) -> Iterator[tuple[str, list[Entry]]]:
    """The reply of XREAD in either version of the store's protocol: RESP2 makes it a list of
    pairs, RESP3 a map whose values are wrapped once more."""
    if not reply:
        return
    if isinstance(reply, dict):
        pairs = [(key, [row for chunk in value for row in chunk]) for key, value in reply.items()]
    else:
        pairs = list(reply)
    for key, rows in pairs:
        if rows:
            entries = [Entry(parse_stream_id(row[0]), row[1].get(b"e", b"")) for row in rows]
            yield key.decode(), entries


class LogReader:
    """Both readers of a node and what wakes them when a room is added."""

    def __init__(
        self,
        redis: Redis,
        writer: GroupWriter,
        *,
        node: str,
        deliver: Deliver,
        on_restored: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._wake = wake_key(node)
        self._changed = asyncio.Event()
        self._tasks = TaskSet("log_reader")

        def reader(name: str, pace_s: float) -> StreamReader:
            return StreamReader(
                redis,
                name=name,
                wake=self._wake,
                deliver=deliver,
                on_restored=on_restored,
                pace_s=pace_s,
            )

        self._log = reader("log", LOG_PACE_S)
        self._chat = reader("chat", CHAT_PACE_S)

    async def start(self) -> None:
        self._tasks.spawn(self._log.run(), "log")
        self._tasks.spawn(self._chat.run(), "chat")
        self._tasks.spawn(self._wake_readers(), "wake")

    async def close(self) -> None:
        await self._tasks.close()

    def follow(self, log_key: str, log_at: StreamId, chat_key: str, chat_at: StreamId) -> None:
        """Deliver what comes after these places."""
        self._log.follow(log_key, log_at)
        self._chat.follow(chat_key, chat_at)
        self._changed.set()

    def unfollow(self, log_key: str, chat_key: str) -> None:
        self._log.unfollow(log_key)
        self._chat.unfollow(chat_key)

    async def _wake_readers(self) -> None:
        """A blocked XREAD knows only its old streams: an entry in the wake stream ends it."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._writer.execute("XADD", self._wake, "MAXLEN", 1, "*", "w", "1")
                await self._writer.execute("PEXPIRE", self._wake, 60_000)
            except Refusal:
                # The store is away; the readers start over with the new streams when it is back.
                continue
