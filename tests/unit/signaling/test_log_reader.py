from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from signaling.group_writer import GroupWriter
from signaling.log_reader import Entry, LogReader
from signaling.positions import START, parse_stream_id
from tests.support.store import StoreProcess


class Follower:
    """A reader on a store, and what it delivered by stream."""

    def __init__(self, client: Redis, node: str) -> None:
        self.client = client
        self.got: dict[str, list[bytes]] = {}
        self.restored = 0
        self._changed = asyncio.Event()
        self.writer = GroupWriter(client)
        self.reader = LogReader(
            client, self.writer, node=node, deliver=self._deliver, on_restored=self._restored
        )

    async def start(self) -> None:
        await self.writer.start()
        await self.reader.start()

    async def close(self) -> None:
        await self.reader.close()
        await self.writer.close()

    def _deliver(self, key: str, entries: list[Entry]) -> None:
        self.got.setdefault(key, []).extend(entry.data for entry in entries)
        self._changed.set()

    def _restored(self) -> None:
        self.restored += 1
        self._changed.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def follower(redis_client: Redis, shop: str) -> AsyncIterator[Follower]:
    follower = Follower(redis_client, shop)
    await follower.start()
    yield follower
    await follower.close()


async def add(client: Redis, key: str, value: bytes) -> bytes:
    entry_id = await client.xadd(key, {"e": value})
    assert isinstance(entry_id, bytes)
    return entry_id


async def test_streams_added_while_reading_are_followed_at_once(
    follower: Follower, redis_client: Redis, shop: str
) -> None:
    await asyncio.sleep(0)
    log, chat = f"{shop}:log", f"{shop}:chat"
    before = await add(redis_client, log, b"old")
    follower.reader.follow(log, parse_stream_id(before), chat, START)
    for value in (b"1", b"2"):
        await add(redis_client, log, value)
        await add(redis_client, chat, value)
    await follower.until(lambda: follower.got == {log: [b"1", b"2"], chat: [b"1", b"2"]})
    other, other_chat = f"{shop}:log2", f"{shop}:chat2"
    follower.reader.follow(other, START, other_chat, START)
    await add(redis_client, other, b"3")
    await follower.until(lambda: follower.got.get(other) == [b"3"])
    follower.reader.unfollow(log, chat)
    await add(redis_client, log, b"unseen")
    await add(redis_client, other, b"4")
    await follower.until(lambda: follower.got[other] == [b"3", b"4"])
    assert follower.got[log] == [b"1", b"2"]


async def test_more_than_one_read_can_carry_comes_in_order(
    follower: Follower, redis_client: Redis, shop: str
) -> None:
    log = f"{shop}:log"
    values = [str(n).encode() for n in range(1300)]
    pipeline = redis_client.pipeline(transaction=False)
    for value in values:
        pipeline.xadd(log, {"e": value})
    await pipeline.execute()
    follower.reader.follow(log, START, f"{shop}:chat", START)
    await follower.until(lambda: len(follower.got.get(log, ())) == 1300)
    assert follower.got[log] == values


async def test_reading_goes_on_where_it_was_after_the_store_died(own_store: StoreProcess) -> None:
    client = Redis.from_url(own_store.url)
    follower = Follower(client, "n")
    await follower.start()
    follower.reader.follow("log", START, "chat", START)
    await add(client, "log", b"1")
    await follower.until(lambda: follower.got.get("log") == [b"1"])
    own_store.kill()
    own_store.start()
    await follower.until(lambda: follower.restored >= 1)
    await add(client, "log", b"2")
    await follower.until(lambda: follower.got["log"] == [b"1", b"2"])
    await follower.close()
    await client.aclose()


async def test_the_newer_protocol_of_the_store_reads_the_same(store_url: str, shop: str) -> None:
    client = Redis.from_url(store_url, protocol=3)
    follower = Follower(client, shop)
    await follower.start()
    follower.reader.follow(f"{shop}:log", START, f"{shop}:chat", START)
    await add(client, f"{shop}:log", b"1")
    await follower.until(lambda: follower.got.get(f"{shop}:log") == [b"1"])
    await follower.close()
    await client.aclose()
