"""The store function against plain sums: order, repeats, watermarks, visits."""

from __future__ import annotations

import random

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from server.retention import functions
from server.retention.events import decode_untrusted, encode
from server.retention.fold import change_of
from server.retention.functions import FOLDED, REDELIVERED, REPEATED
from server.retention.profile import Profiles
from server.retention.stream_keys import recent_ids_key
from signaling.engagement import Engagement
from signaling.ids import ShopId, Subject
from signaling.store_keys import profile_key
from signaling.views import ProfileView
from tests.support.engagements import SHOP, T0_MS, expected_profiles, said, traffic

S1 = Subject("s1")
PROFILE = profile_key(ShopId(SHOP), S1)


async def fold(
    store: Redis, *entries: tuple[str, Engagement], shard: int = 0, received_ms: int = T0_MS
) -> list[int]:
    pipeline = store.pipeline(transaction=False)
    for entry_id, said_event in entries:
        event, props = decode_untrusted(encode(said_event, received_ms))
        functions.queue_fold(pipeline, shard, entry_id, event, change_of(event, props))
    replies: list[int] = await pipeline.execute()
    return replies


async def profile(store: Redis, subject: Subject = S1) -> ProfileView:
    return await Profiles(store).profile(ShopId(SHOP), subject)


def left(conn: str, from_s: int, to_s: int) -> Engagement:
    dwell_ms = (to_s - from_s) * 1000
    return said("room.left", conn, T0_MS + to_s * 1000, "s1", dwell_ms=dwell_ms)


async def test_a_redelivered_entry_changes_nothing(store: Redis) -> None:
    one = said("message.sent", "m1", T0_MS, "s1")
    two = said("message.sent", "m2", T0_MS, "s1")
    assert await fold(store, ("5-0", one), ("5-1", two)) == [FOLDED, FOLDED]
    before = await store.hgetall(PROFILE)
    assert await fold(store, ("5-0", one), ("5-1", two)) == [REDELIVERED, REDELIVERED]
    assert await store.hgetall(PROFILE) == before


async def test_an_event_produced_twice_counts_once(store: Redis) -> None:
    like = said("like.sent", "c1:7", T0_MS, "s1", count=5)
    assert await fold(store, ("5-0", like), ("9-0", like)) == [FOLDED, REPEATED]
    assert (await profile(store)).likes == 5
    assert await fold(store, ("9-0", like)) == [REDELIVERED], "a repeat moves the watermark"


async def test_ids_beyond_the_precision_of_a_double_are_told_apart(store: Redis) -> None:
    # 2^53 + 1 is no double: kept as a number, the second entry would look like the first.
    replies = await fold(
        store,
        *(
            (f"1780000000000-{2**53 + n}", said("message.sent", f"m{n}", T0_MS, "s1"))
            for n in range(4)
        ),
    )
    assert replies == [FOLDED] * 4
    assert (await profile(store)).messages == 4


async def test_each_shard_has_its_own_watermark(store: Redis) -> None:
    one, two = (said("message.sent", f"m{n}", T0_MS, "s1") for n in (1, 2))
    assert await fold(store, ("9-0", one), shard=0) == [FOLDED]
    assert await fold(store, ("5-0", two), shard=1) == [FOLDED]
    assert (await profile(store)).messages == 2


async def test_repeats_are_recognised_for_two_days(store: Redis) -> None:
    one = said("message.sent", "m1", T0_MS, "s1")
    day_ms = 86_400_000
    await fold(store, ("1-0", one))
    assert await fold(store, ("2-0", one), received_ms=T0_MS + day_ms) == [REPEATED]
    other = said("message.sent", "m2", T0_MS, "s1")
    await fold(store, ("3-0", other), received_ms=T0_MS + 3 * day_ms)
    recent = recent_ids_key(ShopId(SHOP), S1)
    assert await store.zcard(recent) == 1, "older ids are let go"
    assert 0 < await store.pttl(recent) <= 2 * day_ms


@pytest.mark.parametrize("seed", range(6))
async def test_worked_dwell_in_any_order(store: Redis, seed: int) -> None:
    """RETENTION's worked example: A 0-600, 620-900, 1000-1100; B two tabs 100-500, 300-700."""
    stays = [left("c1", 0, 600), left("c2", 620, 900), left("c3", 1000, 1100), left("c1", 0, 600)]
    random.Random(seed).shuffle(stays)
    await fold(store, *((f"{n + 1}-0", event) for n, event in enumerate(stays)))
    view = await profile(store)
    assert (view.dwell_ms, view.visits) == (1_000_000, 2)
    assert (view.first_seen_ms, view.seen_ms) == (T0_MS, T0_MS + 1_100_000)

    tabs = [left("c4", 5100, 5500), left("c5", 5300, 5700)]
    random.Random(seed).shuffle(tabs)
    await fold(store, *((f"{n + 100}-0", event) for n, event in enumerate(tabs)))
    view = await profile(store)
    assert (view.dwell_ms, view.visits) == (1_600_000, 3)


async def test_dwell_grows_while_the_viewer_is_still_there(store: Redis) -> None:
    beats = [said("room.heartbeat", f"c1:{s}", T0_MS + s * 1000, "s1") for s in (15, 30, 45)]
    joined = said("room.joined", "c1", T0_MS, "s1")
    await fold(store, *((f"{n + 1}-0", event) for n, event in enumerate([joined, *beats])))
    view = await profile(store)
    assert (view.dwell_ms, view.visits) == (45_000, 1)
    await fold(store, ("9-0", left("c1", 0, 52)))
    view = await profile(store)
    assert (view.dwell_ms, view.visits) == (52_000, 1)


async def test_the_gap_between_visits_is_thirty_seconds_sharp(store: Redis) -> None:
    await fold(store, ("1-0", left("c1", 0, 10)), ("2-0", left("c2", 40, 50)))
    assert (await profile(store)).visits == 1
    gap = said("room.left", "c3", T0_MS + 90_001, "s1", dwell_ms=10_000)
    await fold(store, ("3-0", gap))
    assert (await profile(store)).visits == 2


async def test_any_order_with_repeats_gives_the_counted_profiles(store: Redis) -> None:
    seed = 20260301
    rng = random.Random(seed)
    events = traffic(rng, people=60)
    wanted = expected_profiles(events)
    events += rng.sample(events, len(events) // 5)
    rng.shuffle(events)
    await fold(store, *((f"{n + 1}-0", event) for n, event in enumerate(events)))
    for subject, view in wanted.items():
        assert await profile(store, Subject(subject)) == view, f"seed {seed}"


async def test_what_fell_off_the_list_of_visits_never_counts_twice(store: Redis) -> None:
    """32 visits are remembered; a late stay before them may be lost, never doubled."""
    stays = [left(f"c{n}", n * 100, n * 100 + 10) for n in range(50)]
    await fold(store, *((f"{n + 1}-0", event) for n, event in enumerate(stays)))
    view = await profile(store)
    assert (view.dwell_ms, view.visits) == (500_000, 50)
    whole = left("all", 0, 4910)
    await fold(store, ("99-0", whole))
    view = await profile(store)
    forgotten_s = 18
    floor_s = (forgotten_s - 1) * 100 + 10
    assert view.dwell_ms == forgotten_s * 10_000 + (4910 - floor_s) * 1000
    assert view.visits == forgotten_s + 1
    early = left("late news", 0, 300)
    assert await fold(store, ("100-0", early)) == [FOLDED]
    assert (await profile(store)).dwell_ms == view.dwell_ms


async def test_a_key_of_the_wrong_type_changes_nothing(store: Redis) -> None:
    recent = recent_ids_key(ShopId(SHOP), S1)
    await store.set(recent, "not a zset")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await fold(store, ("1-0", said("message.sent", "m1", T0_MS, "s1")))
    assert await store.exists(PROFILE) == 0


async def test_only_the_owner_reads_and_recovers_first(store: Redis) -> None:
    await store.xgroup_create("lm1:{ev0}:s", "profiles", id="0", mkstream=True)
    await store.xadd("lm1:{ev0}:s", {"e": b"1"})

    async def read(token: str, start: str, lease_ms: int = 60_000) -> functions.ShardRead:
        return await functions.read(store, 0, token=token, lease_ms=lease_ms, count=10, start=start)

    assert (await read("A", functions.NEW)).taken
    assert (await read("B", functions.NEW)).owner == "A"
    assert len((await read("A", functions.NEW)).entries) == 1
    assert (await read("A", functions.NEW)).entries == []

    await functions.release(store, 0, "B")
    assert (await read("B", functions.NEW)).owner == "A", "only the owner gives it up"
    await functions.release(store, 0, "A")
    await store.xadd("lm1:{ev0}:s", {"e": b"2"})
    assert (await read("B", functions.NEW)).taken, "taking a shard reads nothing new"
    assert [e.data for e in (await read("B", functions.FIRST)).entries] == [b"1"]
    assert [e.data for e in (await read("B", functions.NEW)).entries] == [b"2"]
    assert (await read("A", functions.NEW)).owner == "B"

    known_dead = await functions.read(
        store, 0, token="A", lease_ms=60_000, count=10, start=functions.NEW, dead_owner="B"
    )
    assert known_dead.taken
    assert [e.data for e in (await read("A", functions.FIRST)).entries] == [b"1", b"2"]
