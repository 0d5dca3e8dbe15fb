"""Where the shards stand: what is written, what is folded, what went wrong, who is at work."""

from __future__ import annotations

from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from server.retention.stream_keys import (
    DEFAULT_SHARDS,
    GROUP,
    SHARDS_KEY,
    dead_key,
    owner_key,
    stream_key,
)


class ShardStatus(msgspec.Struct, frozen=True):
    shard: int
    entries: int
    """In the stream now, folded ones of the last minutes included."""
    unread: int | None
    """Written and given to no projector yet; None when the store cannot tell."""
    pending: int
    """Given to a projector and not acknowledged."""
    lag_ms: int
    """How long the oldest unread or pending entry has waited."""
    dead_letters: int
    owner: str | None
    """Token of the projector at work; None: nobody."""


async def shard_statuses(store: Redis, *, now_ms: int) -> list[ShardStatus]:
    """The status of every shard that is configured by default or was ever written to."""
    written = await store.smembers(SHARDS_KEY)
    numbers = sorted(set(range(DEFAULT_SHARDS)) | {int(number) for number in written})
    return [await _status(store, number, now_ms) for number in numbers]


async def _status(store: Redis, shard: int, now_ms: int) -> ShardStatus:
    key = stream_key(shard)
    owner = await store.get(owner_key(shard))
    group = await _group(store, key)
    return ShardStatus(
        shard=shard,
        entries=await store.xlen(key),
        unread=group.get("lag"),
        pending=group.get("pending", 0),
        lag_ms=await _lag_ms(store, key, group, now_ms),
        dead_letters=await store.xlen(dead_key(shard)),
        owner=None if owner is None else _word(owner),
    )


async def _group(store: Redis, key: str) -> dict[str, Any]:
    """Our group's figures; before its first projector, everything in the stream is unread."""
    try:
        groups = await store.xinfo_groups(key)
    except ResponseError:  # no such key
        return {"lag": 0}
    for raw in groups:
        group = {_word(name): value for name, value in raw.items()}
        if _word(group["name"]) == GROUP:
            return group
    return {"lag": await store.xlen(key)}


async def _lag_ms(store: Redis, key: str, group: dict[str, Any], now_ms: int) -> int:
    waiting: list[str] = []
    if group.get("pending"):
        summary = await store.xpending(key, GROUP)
        waiting.append(_word(summary["min"]))
    last = _word(group.get("last-delivered-id", "0-0"))
    unread = await store.xrange(key, f"({last}", "+", 1)
    waiting += [_word(found[0]) for found in unread or [] if found[0] is not None]
    oldest_ms = min((int(entry.partition("-")[0]) for entry in waiting), default=now_ms)
    return max(0, now_ms - oldest_ms)


def _word(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
