"""Reading streams in tests, with the types that a client without decoding really gives."""

from __future__ import annotations

from typing import cast

from redis.asyncio import Redis


async def entries(store: Redis, key: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """All entries of a stream: id and fields."""
    return cast("list[tuple[bytes, dict[bytes, bytes]]]", await store.xrange(key))
