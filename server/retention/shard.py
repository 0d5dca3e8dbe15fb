"""One shard's projector: read as its owner, fold, acknowledge, trim.

Why each event counts exactly once (docs/retention.md has the whole argument):

- Only the owner reads new entries, and ownership is checked in the same atomic step as the read.
- A new owner first reads everything that was given out and not acknowledged, oldest first.
  So entries reach a profile in ascending order, and its watermark tells folded from not folded.
- A stale owner that wakes up can only repeat entries at or below those watermarks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from server.retention import functions
from server.retention.events import BadEvent, decode_untrusted
from server.retention.fold import change_of
from server.retention.functions import FIRST, FOLDED, NEW, REDELIVERED, Entry
from server.retention.owner import is_dead_owner
from server.retention.stream_keys import GROUP, stream_key

_TROUBLE: Final = (
    "BUSY",
    "CLUSTERDOWN",
    "ERR Function not found",
    "Function not found",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "TRYAGAIN",
)
"""Refusals that are about the store, not about the event: retried, never buried."""


class StoreTrouble(Exception):
    """The store refused work for a reason that may pass; back off, then recover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardOptions:
    batch: int = 2000
    """Entries per read."""
    lease_ms: int = 5000
    """How long a silent owner keeps the shard; each read renews it."""
    block_ms: int = 500
    """Longest wait for a new entry; also how late a stop is noticed."""
    trim_every_ms: int = 10_000
    trim_margin_ms: int = 600_000
    """Acknowledged entries younger than this stay readable (for other groups, for a look)."""


class ShardStats(msgspec.Struct):
    """Counts since the process started."""

    folded: int = 0
    redelivered: int = 0
    repeated: int = 0
    """Produced more than once (another entry, the same event id)."""
    skipped: int = 0
    """Valid, but changes no profile (events of the room itself)."""
    buried: int = 0
    gone: int = 0
    """Deleted from the stream before they were read."""
    trimmed: int = 0
    taken: int = 0
    """How often this process became the owner."""

    @property
    def handled(self) -> int:
        return (
            self.folded + self.redelivered + self.repeated + self.skipped + self.buried + self.gone
        )


class ShardProjector:
    """Folds one shard. Not owner at first; any exception of a method: back off, `recover()`."""

    def __init__(
        self,
        store: Redis,
        shard: int,
        *,
        token: str,
        options: ShardOptions,
        now_ms: Callable[[], int],
    ) -> None:
        self.shard = shard
        self.stats = ShardStats()
        self.owner: str | None = None
        """Who has the shard when it is not us."""
        self._store = store
        self._stream = stream_key(shard)
        self._token = token
        self._options = options
        self._now_ms = now_ms
        self._cursor = FIRST
        self._last_id: str | None = None
        self._trimmed_at_ms = 0

    def recover(self) -> None:
        """Forget where we were: the next read begins with what is pending."""
        self._cursor = FIRST
        self._last_id = None

    async def prepare(self) -> None:
        """Makes stream and group where missing. Call before the first step and after trouble."""
        try:
            await self._store.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def step(self) -> bool:
        """Handles one batch. False when there was nothing to do (or the shard is not ours)."""
        got = await self._read()
        if got.owner is not None and is_dead_owner(got.owner):
            got = await self._read(dead_owner=got.owner)
        self.owner = got.owner
        if got.owner is not None:
            self.recover()
            return False
        if got.taken:
            self.stats.taken += 1
            self.recover()
            return True
        if not got.entries:
            if self._cursor == NEW:
                await self._trim_when_due()
                return False
            self._cursor = NEW  # everything pending is done: from here on only new entries
            return True
        await self._handle(got.entries)
        self._last_id = got.entries[-1].entry_id
        if self._cursor != NEW:
            self._cursor = self._last_id
        await self._trim_when_due()
        return True

    async def wait_new(self) -> None:
        """Returns when the stream has something new for its owner, or after `block_ms`."""
        if self._last_id is None:
            self._last_id = await self._last_delivered_id()
        await self._store.xread({self._stream: self._last_id}, 1, self._options.block_ms)

    async def release(self) -> None:
        await functions.release(self._store, self.shard, self._token)

    async def _read(self, dead_owner: str = "") -> functions.ShardRead:
        return await functions.read(
            self._store,
            self.shard,
            token=self._token,
            lease_ms=self._options.lease_ms,
            count=self._options.batch,
            start=self._cursor,
            dead_owner=dead_owner,
        )

    async def _handle(self, entries: list[Entry]) -> None:  # hot path
        stats = self.stats
        bad: list[tuple[Entry, str]] = []
        sent: list[Entry] = []
        done: list[str] = []
        gone = skipped = 0
        pipeline = self._store.pipeline(transaction=False)
        for entry in entries:
            if entry.data is None:
                gone += 1
                done.append(entry.entry_id)
                continue
            try:
                event, props = decode_untrusted(entry.data)
            except BadEvent as error:
                bad.append((entry, error.reason))
                continue
            if not event.subject:
                skipped += 1
                done.append(entry.entry_id)
                continue
            functions.queue_fold(
                pipeline, self.shard, entry.entry_id, event, change_of(event, props)
            )
            sent.append(entry)
        replies = await pipeline.execute(raise_on_error=False) if sent else []
        folded = redelivered = repeated = 0
        for entry, reply in zip(sent, replies, strict=True):
            if isinstance(reply, Exception):
                bad.append((entry, _fold_failed(reply)))
                continue
            done.append(entry.entry_id)
            folded += reply == FOLDED
            redelivered += reply == REDELIVERED
            repeated += reply == functions.REPEATED
        await self._settle(done, bad)
        stats.folded += folded
        stats.redelivered += redelivered
        stats.repeated += repeated
        stats.skipped += skipped
        stats.gone += gone
        stats.buried += len(bad)

    async def _settle(self, done: list[str], bad: list[tuple[Entry, str]]) -> None:
        pipeline = self._store.pipeline(transaction=False)
        if done:
            pipeline.xack(self._stream, GROUP, *done)
        for entry, reason in bad:
            functions.queue_bury(pipeline, self.shard, entry, reason)
        await pipeline.execute()

    async def _last_delivered_id(self) -> str:
        groups = await self._groups()
        return next((str(g["last-delivered-id"]) for g in groups if g["name"] == GROUP), "0-0")

    async def _groups(self) -> list[dict[str, Any]]:
        """XINFO GROUPS with text instead of bytes."""
        raw = await self._store.xinfo_groups(self._stream)
        return [
            {
                _word(key): _word(value) if isinstance(value, bytes) else value
                for key, value in group.items()
            }
            for group in raw
        ]

    async def _trim_when_due(self) -> None:
        now_ms = self._now_ms()
        if now_ms - self._trimmed_at_ms < self._options.trim_every_ms:
            return
        self._trimmed_at_ms = now_ms
        await self.trim()

    async def trim(self) -> None:
        """Drops entries that every group has acknowledged, minus the margin; never by length."""
        oldest_ms = now_ms = self._now_ms()
        for group in await self._groups():
            needed = str(group["last-delivered-id"])
            if group["pending"]:
                pending = await self._store.xpending(self._stream, str(group["name"]))
                needed = _word(pending["min"] or needed)
            oldest_ms = min(oldest_ms, int(needed.partition("-")[0]))
        horizon_ms = min(oldest_ms, now_ms) - self._options.trim_margin_ms
        if horizon_ms > 0:
            self.stats.trimmed += await self._store.xtrim(
                self._stream, minid=str(horizon_ms), approximate=True
            )


def _fold_failed(error: Exception) -> str:
    """The reason of a dead letter; raises `StoreTrouble` when the store is to blame."""
    if not isinstance(error, ResponseError) or _is_trouble(error):
        raise StoreTrouble(str(error)) from error
    return f"fold_failed: {str(error)[:200]}"


def _is_trouble(error: ResponseError) -> bool:
    # redis-py drops the code of the errors it has a class for; those classes are not plain.
    return type(error) is not ResponseError or str(error).startswith(_TROUBLE)


def _word(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
