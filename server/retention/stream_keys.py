"""Every key of the store that retention uses: fields, lifetime, writer.

One shard's stream, owner and dead letters share the hash tag `{ev<N>}`; a person's keys share
`{shop/subject}` (signaling/store_keys.py). An atomic step touches one tag only, so that the same
code runs on a Redis Cluster.
"""

from __future__ import annotations

import zlib
from typing import Final

from signaling.ids import ShopId, Subject
from signaling.store_keys import PREFIX

DEFAULT_SHARDS: Final = 4
GROUP: Final = "profiles"
"""The consumer group of the projector; a later archive would be a group of its own."""
CONSUMER: Final = "projector"
"""One name for every owner: what a dead owner left pending is read again with id 0, in order."""
FIELD: Final = b"e"
"""The one field of a stream entry: MessagePack of `events.StoredEvent`."""
SHARDS_KEY: Final = f"{PREFIX}:{{ev}}:shards"
"""set of shard numbers ever written to by a producer: lowering `shards` strands nothing."""


def shard_of(subject: str, shards: int) -> int:
    """The shard of a person's events: one stream a person keeps them ordered."""
    return zlib.crc32(subject.encode()) % shards


def stream_key(shard: int) -> str:
    """stream: field `e`. Producers append; the projector trims behind what it acknowledged."""
    return f"{PREFIX}:{{ev{shard}}}:s"


def owner_key(shard: int) -> str:
    """string with lease: token of the one projector that may read new entries of the shard."""
    return f"{PREFIX}:{{ev{shard}}}:owner"


def dead_key(shard: int) -> str:
    """stream: `e` (the bytes as found), `reason`, `entry` (id they had). Newest 10,000 are kept."""
    return f"{PREFIX}:{{ev{shard}}}:dead"


def recent_ids_key(shop: ShopId, subject: Subject) -> str:
    """zset: event id -> received ms, of the last 48 h (newest 4,096): drops produced repeats.
    Written by the store function `lm1_fold` only, expires 48 h after the last event."""
    return f"{PREFIX}:{{{shop}/{subject}}}:d"


def orders_key(shop: ShopId, subject: Subject) -> str:
    """hash of a person's orders: `p:<order>` -> paid in minor units and when (Unix ms), with a
    space between; `r:<order>` -> sum of its refunds; `k:<refund>` -> 1 (it was counted).
    Written by the store function `lm1_order` only; kept, so that a repeat after a year still
    changes nothing."""
    return f"{PREFIX}:{{{shop}/{subject}}}:o"


def watermark_field(shard: int) -> str:
    """The field of a profile that holds the last stream id folded into it from this shard."""
    return f"w{shard}"


def watermark(entry_id: str) -> str:
    """A stream id as digits of fixed width, so that comparing strings compares ids.

    Lua numbers are doubles and would round `ms * 10**6 + seq`, so it never becomes a number.
    """
    ms, _, seq = entry_id.partition("-")
    return f"{int(ms):015d}{int(seq):020d}"
