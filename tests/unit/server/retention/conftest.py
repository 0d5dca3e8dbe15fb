"""A store of each test's own: shard streams are shared by all shops of a store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from redis.asyncio import Redis

from server.retention import functions
from tests.support.store import StoreProcess, own_store

__all__ = ["own_store"]


@pytest_asyncio.fixture
async def store(own_store: StoreProcess) -> AsyncIterator[Redis]:
    client = Redis.from_url(own_store.url)
    await functions.load(client)
    yield client
    await client.aclose()
