"""Reading profiles and names."""

from __future__ import annotations

from redis.asyncio import Redis

from server.retention.profile import Profiles
from signaling.ids import ShopId, Subject
from signaling.store_keys import names_key, profile_key, subjects_key
from signaling.views import ProfileView

SHOP = ShopId("main")


async def test_someone_never_seen_has_an_empty_profile(store: Redis) -> None:
    profiles = Profiles(store)
    assert await profiles.profile(SHOP, Subject("x")) == ProfileView(subject="x")
    assert await profiles.find_subject(SHOP, "alice") is None
    assert await profiles.name(SHOP, Subject("x")) is None


async def test_profile_user_and_name(store: Redis) -> None:
    await store.hset(subjects_key(SHOP), "alice", "s1")
    await store.hset(names_key(SHOP), "s1", "小红")
    await store.hset(profile_key(SHOP, Subject("s1")), mapping={"visits": 2, "w0": "0" * 35})
    profiles = Profiles(store)
    subject = await profiles.find_subject(SHOP, "alice")
    assert subject == "s1"
    assert await profiles.profile(SHOP, Subject("s1")) == ProfileView(subject="s1", visits=2)
    assert await profiles.name(SHOP, Subject("s1")) == "小红"
    assert await profiles.profile(ShopId("other"), Subject("s1")) == ProfileView(subject="s1")
