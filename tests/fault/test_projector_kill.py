"""Projector (and store) killed at random moments: profiles equal the independent count.

The comparison is with sums over the events themselves, never with another run of the projector:
two runs of the same mistake agree with each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from server.retention.producer import Producer
from server.retention.profile import Profiles
from server.retention.stream_keys import GROUP, dead_key, stream_key
from signaling.engagement import Engagement
from signaling.ids import ShopId, Subject
from tests.support.engagements import SHOP, expected_profiles, traffic
from tests.support.store import StoreProcess, own_store

__all__ = ["own_store"]

KILLS = 14
SHARDS = 4


@contextlib.asynccontextmanager
async def client(process: StoreProcess) -> AsyncIterator[Redis]:
    made = Redis.from_url(process.url, retry=Retry(NoBackoff(), 0), socket_timeout=5.0)
    yield made
    await made.aclose()


async def start_projector(url: str, *more: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.retention.projector", "--redis", url,
        "--batch", "40", *more, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def kill_at_work(projector: asyncio.subprocess.Process, store: Redis, after_s: float) -> None:
    """SIGKILL `after_s` seconds after it was seen holding entries that it had not acknowledged."""
    assert projector.stdout is not None
    while b"projector_started" not in await projector.stdout.readline():
        pass
    with contextlib.suppress(TimeoutError):  # too quick for us to see: killed idle, fine too
        async with asyncio.timeout(0.3):
            while await pending(store) == 0:
                pass
    await asyncio.sleep(after_s)
    projector.kill()
    await projector.wait()


async def pending(store: Redis) -> int:
    total = 0
    for shard in range(SHARDS):
        with contextlib.suppress(ResponseError):  # no group yet: nothing was read
            total += int((await store.xpending(stream_key(shard), GROUP))["pending"])
    return total


async def finish(url: str) -> dict[str, int]:
    """Runs a projector until all is folded; returns its counts."""
    last = await start_projector(url, "--once")
    output, _ = await asyncio.wait_for(last.communicate(), 60)
    assert last.returncode == 0
    stopped = msgspec.json.decode(output.splitlines()[-1])
    assert stopped["event"] == "projector_stopped"
    return dict(stopped)


async def check(store: Redis, said: list[Engagement], seed: int) -> None:
    profiles = Profiles(store)
    wrong = {}
    for subject, wanted in expected_profiles(said).items():
        view = await profiles.profile(ShopId(SHOP), Subject(subject))
        if view != wanted:
            wrong[subject] = (view, wanted)
    assert not wrong, f"seed {seed}: {len(wrong)} wrong profiles, e.g. {next(iter(wrong.items()))}"
    assert await pending(store) == 0
    for shard in range(SHARDS):
        assert await store.xlen(dead_key(shard)) == 0


def rounds(rng: random.Random) -> list[list[Engagement]]:
    """The traffic, somewhat out of order and with repeats, in one helping for each kill."""
    events = traffic(rng, people=160, visits=3)
    events += rng.sample(events, len(events) // 10)
    # Out of order within some distance, as nodes and retries make it.
    order = sorted(range(len(events)), key=lambda i: i + rng.uniform(0, 2000))
    mixed = [events[i] for i in order]
    size = -(-len(mixed) // KILLS)
    return [mixed[start : start + size] for start in range(0, len(mixed), size)]


async def test_a_projector_killed_at_random_counts_each_event_once(
    own_store: StoreProcess, tmp_path: Path
) -> None:
    seed = 37
    rng = random.Random(seed)
    said: list[Engagement] = []
    killed_holding_entries = 0
    async with client(own_store) as store:
        producer = Producer(store, shards=SHARDS, spool_dir=tmp_path / "spool")
        await producer.start()
        for helping in rounds(rng):
            await producer.emit_durably(helping)
            said += helping
            projector = await start_projector(own_store.url)
            await kill_at_work(projector, store, rng.uniform(0.0, 0.04))
            killed_holding_entries += await pending(store) > 0
        await producer.close()
        assert producer.stats().stored == len(said)
        await finish(own_store.url)
        await check(store, said, seed)
    assert killed_holding_entries >= 3, "the kills came too early or too late to prove anything"


@pytest.mark.timeout(180)
async def test_store_and_projector_killed_while_people_talk(
    own_store: StoreProcess, tmp_path: Path
) -> None:
    seed = 1997
    rng = random.Random(seed)
    said: list[Engagement] = []
    async with client(own_store) as store:
        producer = Producer(store, shards=SHARDS, spool_dir=tmp_path / "spool")
        await producer.start()

        async def talk(helpings: list[list[Engagement]]) -> None:
            for helping in helpings:
                for start in range(0, len(helping), 25):
                    await producer.emit_durably(helping[start : start + 25])
                    said.extend(helping[start : start + 25])
                    await asyncio.sleep(0.01)

        talking = asyncio.create_task(talk(rounds(rng)))
        while not talking.done():
            projector = await start_projector(own_store.url)
            await asyncio.sleep(rng.uniform(0.3, 0.9))
            if rng.random() < 0.5:
                own_store.kill()
                await asyncio.sleep(rng.uniform(0.0, 0.2))
                await asyncio.to_thread(own_store.start)
                await asyncio.sleep(rng.uniform(0.0, 0.3))
            projector.kill()
            await projector.wait()
        await talking
        async with asyncio.timeout(30):
            await producer.wait_drained()
        await producer.close()
        assert producer.stats().shed == 0
        await finish(own_store.url)
        await check(store, said, seed)
