"""One shard's projector on a real store: folding, taking over, burying, trimming."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from redis.asyncio import Redis

from server.retention.events import PROPS, encode
from server.retention.owner import is_dead_owner, new_token
from server.retention.profile import Profiles
from server.retention.shard import ShardOptions, ShardProjector, StoreTrouble
from server.retention.stream_keys import GROUP, dead_key, owner_key, stream_key
from signaling.engagement import Engagement
from signaling.ids import ShopId, Subject
from signaling.store_keys import profile_key
from signaling.views import ProfileView
from tests.support.engagements import SHOP, T0_MS, expected_profiles, said, traffic
from tests.support.streams import entries
from tests.unit.server.retention.test_events import NEEDED

STREAM = stream_key(0)


class HandClock:
    """Wall time by hand."""

    def __init__(self) -> None:
        self.ms = T0_MS

    def __call__(self) -> int:
        return self.ms


async def projector(
    store: Redis, token: str = "A", clock: HandClock | None = None, **options: int
) -> ShardProjector:
    made = ShardProjector(
        store,
        0,
        token=token,
        options=ShardOptions(**{"batch": 50, "block_ms": 10, **options}),
        now_ms=clock or HandClock(),
    )
    await made.prepare()
    return made


async def drain(made: ShardProjector) -> None:
    while await made.step():
        pass


async def append(store: Redis, *events: Engagement) -> None:
    pipeline = store.pipeline(transaction=False)
    for event in events:
        pipeline.xadd(STREAM, {"e": encode(event, T0_MS)})
    await pipeline.execute()


async def view(store: Redis, subject: str = "s1") -> ProfileView:
    return await Profiles(store).profile(ShopId(SHOP), Subject(subject))


async def pending(store: Redis) -> int:
    return int((await store.xpending(STREAM, GROUP))["pending"])


@pytest.mark.parametrize("kind", sorted(PROPS))
async def test_every_type_folds_as_counted(store: Redis, kind: str) -> None:
    event = said(kind, "k1", T0_MS, "s1", **NEEDED.get(kind, {}))
    await append(store, event, event)
    made = await projector(store)
    await drain(made)
    assert await view(store) == expected_profiles([event])["s1"]
    assert (made.stats.folded, made.stats.repeated) == (1, 1)
    assert await pending(store) == 0


async def test_traffic_with_repeats_and_disorder(store: Redis) -> None:
    rng = random.Random(11)
    events = traffic(rng, people=30)
    wanted = expected_profiles(events)
    mixed = events + rng.sample(events, len(events) // 4)
    rng.shuffle(mixed)
    await append(store, *mixed)
    made = await projector(store)
    await drain(made)
    assert {s: await view(store, s) for s in wanted} == wanted
    assert made.stats.repeated == len(mixed) - len(events)
    assert made.stats.handled == len(mixed)


async def test_a_new_owner_folds_what_the_dead_one_left(store: Redis) -> None:
    events = [said("message.sent", f"m{n}", T0_MS, "s1") for n in range(120)]
    await append(store, *events)
    first = await projector(store, "A")
    assert await first.step(), "A takes the shard"
    await first.step()  # nothing is pending
    await first.step()  # 50 folded
    # A dies after it was given the next 50 and before it folded them:
    await first._read()
    assert await pending(store) == 50
    await store.delete(owner_key(0))  # its lease ends

    second = await projector(store, "B")
    await drain(second)
    assert (await view(store)).messages == 120
    assert second.stats.folded == 70
    assert await pending(store) == 0


async def test_a_stale_owner_can_only_repeat(store: Redis) -> None:
    events = [said("message.sent", f"m{n}", T0_MS, "s1") for n in range(100)]
    await append(store, *events)
    stale = await projector(store, "A")
    await stale.step()
    await stale.step()
    in_hand = (await stale._read()).entries
    await store.delete(owner_key(0))
    fresh = await projector(store, "B")
    await drain(fresh)
    await stale._handle(in_hand)
    assert stale.stats.redelivered == 50
    assert stale.stats.folded == 0
    assert not await stale.step(), "and reads nothing any more"
    assert stale.owner == "B"
    assert (await view(store)).messages == 100


async def test_a_crash_between_fold_and_acknowledge(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append(store, *(said("like.sent", f"l{n}", T0_MS, "s1", count=3) for n in range(40)))
    first = await projector(store, "A")
    await first.step()
    await first.step()
    in_hand = (await first._read()).entries

    async def die(*_: object) -> None:
        raise ConnectionError("killed here")

    monkeypatch.setattr(first, "_settle", die)
    with pytest.raises(ConnectionError):
        await first._handle(in_hand)
    await store.delete(owner_key(0))
    second = await projector(store, "B")
    await drain(second)
    assert (second.stats.redelivered, second.stats.folded) == (40, 0)
    assert (await view(store)).likes == 120
    assert await pending(store) == 0


async def test_bad_entries_are_kept_with_their_reason_and_stop_nobody(store: Redis) -> None:
    await append(store, said("message.sent", "m1", T0_MS, "s1"))
    bad = [
        await store.xadd(STREAM, {"e": b"\xc1garbage"}),
        await store.xadd(STREAM, {"e": encode(said("coupon.minted", "x", T0_MS, "s1"), T0_MS)}),
        await store.xadd(STREAM, {"e": encode(said("room.left", "x", T0_MS, "s1"), T0_MS)}),
    ]
    await append(store, said("message.sent", "m2", T0_MS, "s1"))
    made = await projector(store)
    await drain(made)
    assert (await view(store)).messages == 2
    dead = [fields for _, fields in await entries(store, dead_key(0))]
    assert [fields[b"entry"] for fields in dead] == bad
    reasons = [fields[b"reason"].split(b":")[0] for fields in dead]
    assert reasons == [b"not_msgpack", b"unknown_type", b"bad_props"]
    assert dead[0][b"e"] == b"\xc1garbage"
    assert await pending(store) == 0

    again = await projector(store)
    await drain(again)
    assert await store.xlen(dead_key(0)) == 3, "buried once"


async def test_an_entry_that_the_store_refuses_is_buried(store: Redis) -> None:
    await store.set(profile_key(ShopId(SHOP), Subject("s1")), "not a hash")
    await append(
        store, said("message.sent", "m1", T0_MS, "s1"), said("message.sent", "m2", T0_MS, "s2")
    )
    made = await projector(store)
    await drain(made)
    assert made.stats.buried == 1
    (_, fields), *_ = await entries(store, dead_key(0))
    assert fields[b"reason"].startswith(b"fold_failed: WRONGTYPE")
    assert (await view(store, "s2")).messages == 1


async def test_trouble_of_the_store_buries_nothing(store: Redis) -> None:
    await append(store, said("message.sent", "m1", T0_MS, "s1"))
    made = await projector(store)
    await made.step()
    await made.step()
    in_hand = (await made._read()).entries
    await store.function_flush()
    with pytest.raises(StoreTrouble):
        await made._handle(in_hand)
    assert await store.xlen(dead_key(0)) == 0
    assert await pending(store) == 1


async def test_entries_without_a_person_and_deleted_ones_are_acknowledged(store: Redis) -> None:
    await append(store, said("message.sent", "m1", T0_MS, "s1"))
    ((gone, _),) = await entries(store, STREAM)
    await append(store, said("room.opened", "show1", T0_MS, ""))
    made = await projector(store)
    await made.step()
    await made.step()
    await made._read()
    await store.xdel(STREAM, gone)
    made.recover()
    await drain(made)
    assert (made.stats.gone, made.stats.skipped) == (1, 1)
    assert await pending(store) == 0


async def test_trimming_keeps_what_any_group_still_needs(store: Redis) -> None:
    minute_ms = 60_000
    event = encode(said("message.sent", "m1", T0_MS, "s1"), T0_MS)
    pipeline = store.pipeline(transaction=False)
    for n in range(60 * 200):
        pipeline.xadd(STREAM, {"e": event}, id=f"{T0_MS + n // 200 * minute_ms}-{n % 200}")
    await pipeline.execute()
    clock = HandClock()
    clock.ms = T0_MS + 60 * minute_ms
    made = await projector(store, clock=clock, batch=2000, trim_margin_ms=10 * minute_ms)
    await store.xgroup_create(STREAM, "archive", id=f"{T0_MS + 20 * minute_ms}-0")
    await made.trim()
    assert await store.xlen(STREAM) == 12_000, "our own group has read nothing yet"
    await drain(made)
    clock.ms += 60_000
    await made.trim()
    left = [int(i.split(b"-")[0]) for i, _ in await entries(store, STREAM)]
    assert left[0] <= T0_MS + 10 * minute_ms, "the archive group stands at minute 20"
    assert 9_500 <= len(left) <= 10_200

    await store.xgroup_destroy(STREAM, "archive")
    await made.trim()
    left = [int(i.split(b"-")[0]) for i, _ in await entries(store, STREAM)]
    assert left[0] <= T0_MS + 49 * minute_ms
    assert len(left) <= 2_400, "ten minutes and a stream node"


async def test_waiting_ends_with_the_next_entry(store: Redis) -> None:
    made = await projector(store, block_ms=20_000)
    await drain(made)
    await append(store, said("message.sent", "m1", T0_MS, "s1"))
    await made.wait_new()  # already there: returns at once
    await drain(made)
    assert (await view(store)).messages == 1


def test_a_token_tells_whether_its_process_lives() -> None:
    token = new_token()
    assert not is_dead_owner(token)
    gone = subprocess.run(
        [sys.executable, "-c", "from server.retention.owner import new_token; print(new_token())"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert is_dead_owner(gone)
    place, pid, rest = gone.split(":")
    assert not is_dead_owner(f"another machine:{pid}:{rest}")
    assert not is_dead_owner(f"{place}:what:{rest}")
    assert not is_dead_owner("nonsense")
