"""From users to pseudonyms, on the real store."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio import Redis

from server.identity import Identities, anonymous, clean_name, is_anonymous
from server.signing import TokenClaims, make_claims
from signaling.errors import Refusal
from signaling.ids import RoomId, ShopId
from signaling.store_keys import names_key, subjects_key
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


def claims(shop: ShopId, user: str, name: str = "") -> TokenClaims:
    return make_claims(shop=shop, room=ROOM, user=user, name=name, role="viewer", now=time.time())


async def test_a_person_keeps_one_pseudonym(redis_client: Redis, shop: ShopId) -> None:
    identities = Identities(store=redis_client)
    first = await identities.of(claims(shop, "vera", "Vera"))
    again = await identities.of(claims(shop, "vera"))
    assert first.subject == again.subject
    assert "vera" not in first.subject
    other = await identities.of(claims(shop, "vito"))
    assert other.subject != first.subject
    elsewhere = await identities.of(claims(ShopId(f"{shop}x"), "vera"))
    assert elsewhere.subject != first.subject


async def test_first_visits_at_once_agree(redis_client: Redis, shop: ShopId) -> None:
    identities = Identities(store=redis_client)
    met = await asyncio.gather(*(identities.subject(shop, "vera") for _ in range(20)))
    assert len(set(met)) == 1


async def test_the_last_name_is_remembered(redis_client: Redis, shop: ShopId) -> None:
    identities = Identities(store=redis_client)
    who = await identities.of(claims(shop, "vera", "小红"))
    await identities.of(claims(shop, "vera", "小红姐"))
    await identities.of(claims(shop, "vera", ""))
    stored = await redis_client.hget(names_key(shop), who.subject)
    assert stored == "小红姐".encode()


async def test_an_erased_person_is_a_stranger(redis_client: Redis, shop: ShopId) -> None:
    identities = Identities(store=redis_client)
    before = await identities.subject(shop, "vera")
    await redis_client.hdel(subjects_key(shop), "vera")
    assert await identities.subject(shop, "vera") != before


async def test_a_store_that_is_away_is_a_refusal(own_store: StoreProcess) -> None:
    client = Redis.from_url(own_store.url)
    own_store.kill()
    with pytest.raises(Refusal) as refused:
        await Identities(store=client).of(claims(ShopId("main"), "vera"))
    assert refused.value.code == "store_unavailable"
    await client.aclose()


def test_anonymous_players_are_all_different() -> None:
    first, second = (anonymous(ShopId("main"), ROOM) for _ in range(2))
    assert first.subject != second.subject
    assert is_anonymous(first)
    assert first.grants == frozenset()


def test_names_are_one_line_without_tricks() -> None:
    assert clean_name("  小\u202e红\x00\n\t姐 ") == "小 红 姐"
    assert len(clean_name("x" * 100)) == 64
    assert clean_name("\n\t ") == ""
