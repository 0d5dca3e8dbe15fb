"""Publish keys on the real store."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from server.identity import new_subject
from server.publish_keys import GRANTS, MAX_KEYS, PublishKeys
from server.settings import KeySettings
from server.signing import SigningKeys
from signaling.errors import Refusal
from signaling.identity import Identity
from signaling.ids import RoomId, ShopId
from tests.support.store import (
    StoreProcess,
    own_store,
    redis_client,
    shop,
    store_process,
    store_url,
)

__all__ = ["own_store", "redis_client", "shop", "store_process", "store_url"]

ROOM = RoomId("r1")
NOW_MS = 1_800_000_000_000


@pytest.fixture
def signing(shop: ShopId) -> SigningKeys:
    return SigningKeys({"k": KeySettings.model_validate({"secret": "s" * 32, "shop": shop})})


@pytest.fixture
def host(shop: ShopId) -> Identity:
    return Identity(
        shop=shop,
        room=ROOM,
        subject=new_subject(),
        user="anna",
        name="Anna",
        role="host",
        grants=frozenset({"host_show"}),
    )


async def test_a_key_publishes_and_no_more(
    redis_client: Redis, signing: SigningKeys, host: Identity
) -> None:
    keys = PublishKeys(store=redis_client, signing=signing)
    made = await keys.make(host, now_ms=NOW_MS)
    claims = signing.verify(made.token, now=NOW_MS / 1000)
    assert claims.publish_key == made.key_id
    assert claims.user == host.user
    assert claims.role == "host"
    assert claims.grants == GRANTS
    assert await keys.is_valid(host.shop, ROOM, made.key_id)
    assert not await keys.is_valid(host.shop, RoomId("r2"), made.key_id)


async def test_a_revoked_key_stays_revoked(
    redis_client: Redis, signing: SigningKeys, host: Identity
) -> None:
    keys = PublishKeys(store=redis_client, signing=signing)
    made = await keys.make(host, now_ms=NOW_MS)
    assert await keys.revoke(host.shop, ROOM, made.key_id, now_ms=NOW_MS + 5)
    assert await keys.revoke(host.shop, ROOM, made.key_id, now_ms=NOW_MS + 9)
    assert not await keys.is_valid(host.shop, ROOM, made.key_id)
    entries = await keys.entries(host.shop, ROOM)
    assert entries[made.key_id].revoked_ms == NOW_MS + 5
    assert not await keys.revoke(host.shop, ROOM, "unknown", now_ms=NOW_MS)


async def test_a_room_has_so_many_valid_keys(
    redis_client: Redis, signing: SigningKeys, host: Identity
) -> None:
    keys = PublishKeys(store=redis_client, signing=signing)
    made = [await keys.make(host, now_ms=NOW_MS) for _ in range(MAX_KEYS)]
    with pytest.raises(Refusal) as refused:
        await keys.make(host, now_ms=NOW_MS)
    assert refused.value.code == "queue_full"
    await keys.revoke(host.shop, ROOM, made[0].key_id, now_ms=NOW_MS)
    await keys.make(host, now_ms=NOW_MS)


async def test_without_the_store_nobody_publishes_by_key(
    own_store: StoreProcess, signing: SigningKeys, host: Identity
) -> None:
    client = Redis.from_url(own_store.url)
    own_store.kill()
    keys = PublishKeys(store=client, signing=signing)
    for attempt in (
        keys.is_valid(host.shop, ROOM, "x"),
        keys.entries(host.shop, ROOM),
        keys.make(host, now_ms=NOW_MS),
        keys.revoke(host.shop, ROOM, "x", now_ms=NOW_MS),
    ):
        with pytest.raises(Refusal) as refused:
            await attempt
        assert refused.value.code == "store_unavailable"
    await client.aclose()
