"""The embedded store for every test of the shells."""

from __future__ import annotations

from tests.support.store import own_store, redis_client, room, shop, store_process, store_url

__all__ = ["own_store", "redis_client", "room", "shop", "store_process", "store_url"]
