"""The store functions of functions.lua, as typed calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from server.retention.events import StoredEvent
from server.retention.fold import Change, OrderChange
from server.retention.stream_keys import (
    CONSUMER,
    FIELD,
    GROUP,
    dead_key,
    orders_key,
    owner_key,
    recent_ids_key,
    stream_key,
    watermark,
    watermark_field,
)
from signaling.ids import ShopId, Subject
from signaling.store_keys import profile_key

_SOURCE: Final = Path(__file__).with_name("functions.lua")

FOLDED: Final = 1
REDELIVERED: Final = 0
"""The store delivered the entry before, and it was folded then."""
REPEATED: Final = 2
"""The event was produced more than once; an earlier entry was folded."""

NEW: Final = ">"
"""Read entries that nobody was given yet."""
FIRST: Final = "0"
"""Read what was given to an owner and never acknowledged, from the beginning."""


async def load(store: Redis) -> None:
    """Installs the library; harmless when it is there. Needs Redis >= 7 or Valkey."""
    await store.function_load(_SOURCE.read_text(encoding="utf-8"), replace=True)


class Entry(NamedTuple):
    """One stream entry; `data` is None when it was deleted or has no field `e`."""

    entry_id: str
    data: bytes | None


class ShardRead(NamedTuple):
    """Exactly one of: entries (maybe none), `taken` just now, or the `owner` who has the shard."""

    entries: list[Entry]
    taken: bool = False
    owner: str | None = None


async def read(
    store: Redis,
    shard: int,
    *,
    token: str,
    lease_ms: int,
    count: int,
    start: str,
    dead_owner: str = "",
) -> ShardRead:
    """Reads entries as the shard's owner and renews the lease; takes the shard when it is free.

    `start` is `NEW`, or an id after which pending entries are read (`FIRST` for all).
    """
    reply: list[Any] = await store.fcall(
        "lm1_read",
        2,
        stream_key(shard),
        owner_key(shard),
        GROUP,
        CONSUMER,
        token,
        str(lease_ms),
        str(count),
        start,
        dead_owner,
    )
    match reply:
        case [0, bytes(owner)]:
            return ShardRead([], owner=owner.decode())
        case [2]:
            return ShardRead([], taken=True)
        case [1, list(entries)]:
            return ShardRead([_entry(raw) for raw in entries])
    raise AssertionError(f"lm1_read replied {reply!r}")


def _entry(raw: list[Any]) -> Entry:
    entry_id, fields = raw
    data: bytes | None = None
    if fields is not None:
        for name, value in zip(fields[::2], fields[1::2], strict=True):
            if name == FIELD:
                data = value
    return Entry(entry_id.decode(), data)


async def release(store: Redis, shard: int, token: str) -> None:
    await store.fcall("lm1_release", 1, owner_key(shard), token)


def queue_fold(
    pipeline: Pipeline,
    shard: int,
    entry_id: str,
    event: StoredEvent,
    change: Change,
) -> None:
    """Adds the fold of one event to a pipeline. Replies `FOLDED`, `REDELIVERED` or `REPEATED`."""
    shop, subject = ShopId(event.shop_id), Subject(event.subject)
    if change.order is not None:
        _queue_order(pipeline, shard, entry_id, shop, subject, change.order)
        return
    adds: list[str] = []
    for name, amount in change.adds:
        adds += (name, str(amount))
    pipeline.fcall(
        "lm1_fold",
        2,
        profile_key(shop, subject),
        recent_ids_key(shop, subject),
        watermark_field(shard),
        watermark(entry_id),
        _compact(event.event_id),
        str(event.received_ms),
        _text(change.seen_ms),
        _text(change.present_from_ms),
        _text(change.present_to_ms),
        *adds,
    )


def _queue_order(
    pipeline: Pipeline,
    shard: int,
    entry_id: str,
    shop: ShopId,
    subject: Subject,
    order: OrderChange,
) -> None:
    """Orders know their repeats by themselves, for ever: no recent ids are needed."""
    is_refund = order.paid_minor is None
    pipeline.fcall(
        "lm1_order",
        2,
        profile_key(shop, subject),
        orders_key(shop, subject),
        watermark_field(shard),
        watermark(entry_id),
        order.order_id,
        "refund" if is_refund else "paid",
        order.refund_id if is_refund else str(order.paid_ms),
        str(order.refund_minor if is_refund else order.paid_minor),
    )


def queue_bury(pipeline: Pipeline, shard: int, entry: Entry, reason: str) -> None:
    """Adds to a pipeline: acknowledge a bad entry and keep it as a dead letter."""
    pipeline.fcall(
        "lm1_bury",
        2,
        stream_key(shard),
        dead_key(shard),
        GROUP,
        entry.entry_id,
        reason,
        entry.data or b"",
    )


def _compact(event_id: str) -> bytes:
    """16 bytes for a UUID (nearly always), else the text itself."""
    if len(event_id) == 36:
        try:
            return UUID(event_id).bytes
        except ValueError:
            pass  # 36 characters that are no UUID are an id like any other text
    return event_id.encode()


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
