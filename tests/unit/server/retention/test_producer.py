"""The way out of a node: batches, the spool, a store that goes away and comes back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from server.retention.events import decode_untrusted
from server.retention.producer import Producer
from server.retention.spool import Spool, SpoolInUse
from server.retention.stream_keys import SHARDS_KEY, shard_of, stream_key
from signaling.engagement import Engagement
from signaling.errors import Refusal
from tests.support.engagements import T0_MS, said
from tests.support.store import StoreProcess
from tests.support.streams import entries


def message(key: object, subject: str = "s1") -> Engagement:
    return said("message.sent", str(key), T0_MS, subject)


@asynccontextmanager
async def client(process: StoreProcess) -> AsyncIterator[Redis]:
    made = Redis.from_url(process.url, retry=Retry(NoBackoff(), 0), socket_timeout=2.0)
    yield made
    await made.aclose()


async def stored(store: Redis, shards: int = 4) -> list[str]:
    """Natural keys in the streams, shard after shard."""
    keys = []
    for shard in range(shards):
        for _, fields in await entries(store, stream_key(shard)):
            keys.append(decode_untrusted(fields[b"e"])[0].natural_key)
    return keys


async def drained(producer: Producer) -> None:
    async with asyncio.timeout(20):
        await producer.wait_drained()


async def test_events_reach_the_stream_of_their_shard(store: Redis, tmp_path: Path) -> None:
    producer = Producer(store, spool_dir=tmp_path / "spool", now_ms=lambda: T0_MS + 9)
    await producer.start()
    for n in range(1000):
        producer.emit(message(n, f"s{n % 37}"))
    await producer.close()
    assert sorted(map(int, await stored(store))) == list(range(1000))
    for shard in range(4):
        keys = []
        for _, fields in await entries(store, stream_key(shard)):
            event, _ = decode_untrusted(fields[b"e"])
            assert shard_of(event.subject, 4) == shard
            assert event.received_ms == T0_MS + 9
            keys.append(int(event.natural_key))
        assert keys == sorted(keys), "in order within the shard"
    assert await store.smembers(SHARDS_KEY) == {b"0", b"1", b"2", b"3"}
    stats = producer.stats()
    assert (stats.emitted, stats.stored, stats.spooled, stats.shed) == (1000, 1000, 0, 0)


async def test_durable_events_are_in_the_stream_on_return(store: Redis, tmp_path: Path) -> None:
    producer = Producer(store, spool_dir=tmp_path / "spool")
    await producer.start()
    await producer.emit_durably([message("a"), message("b")])
    assert await stored(store) == ["a", "b"]
    await producer.emit_durably([])
    await producer.close()


async def test_while_the_store_is_away_the_spool_takes_over(
    own_store: StoreProcess, tmp_path: Path
) -> None:
    own_store.kill()
    async with client(own_store) as store:
        producer = Producer(store, spool_dir=tmp_path / "spool")
        await producer.start()
        await producer.emit_durably([message(n) for n in range(500)])
        producer.emit(said("room.heartbeat", "late", T0_MS, "s1"))
        await producer.emit_durably([message(500)])
        away = producer.stats()
        assert not away.store_is_up
        assert (away.stored, away.spooled, away.shed) == (0, 501, 1), "a late heartbeat is nothing"
        own_store.start()
        await drained(producer)
        await producer.emit_durably([message(501)])
        assert await stored(store) == [str(n) for n in range(502)], "in order"
        back = producer.stats()
        assert (back.stored, back.replayed, back.store_is_up) == (1, 501, True)
        await producer.close()


async def test_the_next_run_replays_the_spool(own_store: StoreProcess, tmp_path: Path) -> None:
    own_store.kill()
    async with client(own_store) as store:
        first = Producer(store, spool_dir=tmp_path / "spool")
        await first.start()
        first.emit(message("from before"))
        await first.close()
    own_store.start()
    async with client(own_store) as store:
        second = Producer(store, spool_dir=tmp_path / "spool")
        await second.start()
        await drained(second)
        assert await stored(store) == ["from before"]
        await second.close()


async def test_a_store_killed_while_producing_loses_nothing_acknowledged(
    own_store: StoreProcess, tmp_path: Path
) -> None:
    seed = 42
    rng = random.Random(seed)
    acknowledged: list[str] = []
    async with client(own_store) as store:
        producer = Producer(store, spool_dir=tmp_path / "spool")
        await producer.start()
        running = True

        async def speak(voice: int) -> None:
            n = 0
            while running:
                key = f"v{voice}-{n}"
                await producer.emit_durably([message(key, f"s{voice}")])
                acknowledged.append(key)
                n += 1

        async with asyncio.TaskGroup() as group:
            for voice in range(8):
                group.create_task(speak(voice))
            for _ in range(4):
                await asyncio.sleep(rng.uniform(0.05, 0.25))
                own_store.kill()
                await asyncio.sleep(rng.uniform(0.0, 0.3))
                await asyncio.to_thread(own_store.start)
            running = False
        await drained(producer)
        await producer.close()
        found = await stored(store)
    assert len(acknowledged) > 100
    missing = set(acknowledged) - set(found)
    assert not missing, f"seed {seed}"
    assert producer.stats().shed == 0


async def test_with_no_room_left_events_are_shed_and_counted(
    own_store: StoreProcess, tmp_path: Path
) -> None:
    own_store.kill()
    async with client(own_store) as store:
        producer = Producer(store, spool_dir=tmp_path / "spool", spool_max_bytes=3000)
        await producer.start()
        refused = 0
        for n in range(20):
            try:
                await producer.emit_durably([message(n)])
            except Refusal:
                refused += 1
        stats = producer.stats()
        assert 0 < refused == stats.shed < 20
        assert stats.spooled == 20 - refused
        assert stats.spool_bytes <= 3000
        await producer.close()


async def test_a_full_queue_sheds_heartbeats_first(store: Redis, tmp_path: Path) -> None:
    producer = Producer(store, spool_dir=tmp_path / "spool", queue_events=10)
    await producer.start()
    for n in range(6):
        producer.emit(message(n))
    producer.emit(said("room.heartbeat", "h", T0_MS, "s1"))
    assert producer.stats().shed == 1
    for n in range(6, 12):
        producer.emit(message(n))
    assert producer.stats().shed == 3
    await producer.close()
    assert await stored(store) == [str(n) for n in range(10)]


async def test_after_closing_nothing_is_taken(store: Redis, tmp_path: Path) -> None:
    producer = Producer(store, spool_dir=tmp_path / "spool")
    await producer.start()
    await producer.close()
    await producer.close()
    producer.emit(message(1))
    with pytest.raises(Refusal, match="store_unavailable"):
        await producer.emit_durably([message(2)])
    assert producer.stats().shed == 2


async def test_a_bad_prop_is_refused_at_once(store: Redis, tmp_path: Path) -> None:
    producer = Producer(store, spool_dir=tmp_path / "spool")
    await producer.start()
    with pytest.raises(TypeError):
        producer.emit(said("message.sent", "k", T0_MS, "s1", what=object()))
    await producer.emit_durably([message("fine")])
    await producer.close()


async def test_a_refusing_store_is_a_store_that_is_away(store: Redis, tmp_path: Path) -> None:
    await store.config_set("maxmemory", 1)
    producer = Producer(store, spool_dir=tmp_path / "spool")
    await producer.start()
    await producer.emit_durably([message("a")])
    assert producer.stats().spooled == 1
    await store.config_set("maxmemory", 0)
    await drained(producer)
    assert await stored(store) == ["a"]
    await producer.close()


async def test_a_spool_folder_in_use_is_a_clear_error(store: Redis, tmp_path: Path) -> None:
    taken = Spool(tmp_path / "spool")
    with pytest.raises(SpoolInUse):
        await Producer(store, spool_dir=tmp_path / "spool").start()
    taken.close()
