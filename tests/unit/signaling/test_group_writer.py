from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from signaling.errors import Refusal
from signaling.group_writer import GroupWriter, Script
from signaling.lane import Lane
from tests.support.store import StoreProcess


@pytest.fixture
async def writer(redis_client: Redis) -> AsyncIterator[GroupWriter]:
    writer = GroupWriter(redis_client)
    await writer.start()
    yield writer
    await writer.close()


async def test_replies_belong_to_their_commands(writer: GroupWriter, shop: str) -> None:
    key = f"{shop}:n"
    replies = await asyncio.gather(*(writer.execute("INCR", key) for _ in range(1500)))
    assert replies == list(range(1, 1501))


async def test_one_bad_command_fails_alone(writer: GroupWriter, shop: str) -> None:
    replies = await asyncio.gather(
        writer.execute("SET", f"{shop}:s", "text"),
        writer.execute("INCR", f"{shop}:s"),
        writer.execute("GET", f"{shop}:s"),
        return_exceptions=True,
    )
    assert isinstance(replies[1], Refusal)
    assert (replies[1].code, replies[2]) == ("store_unavailable", b"text")


async def test_a_store_that_forgot_its_scripts_is_told_again(
    writer: GroupWriter, redis_client: Redis, shop: str
) -> None:
    script = Script.of("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    key = f"{shop}:n"
    assert await writer.run_script(script, [key], [2]) == 2
    await redis_client.script_flush()
    replies = await asyncio.gather(
        writer.run_script(script, [key], [3]),
        writer.execute("GET", f"{shop}:other"),
        writer.run_script(script, [key], [4]),
    )
    assert list(replies) == [5, None, 9]


async def test_a_full_queue_refuses(redis_client: Redis) -> None:
    writer = GroupWriter(redis_client, room=dict.fromkeys(Lane, 1))
    waiting = asyncio.ensure_future(writer.execute("PING"))
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await writer.execute("PING")
    assert refused.value.code == "store_unavailable"
    await writer.close()
    with pytest.raises(Refusal) as refused:
        await waiting
    assert refused.value.code == "shutting_down"


async def test_a_store_that_is_away_refuses_and_returns(own_store: StoreProcess) -> None:
    client = Redis.from_url(own_store.url)
    writer = GroupWriter(client)
    await writer.start()
    assert await writer.execute("PING")
    own_store.kill()
    with pytest.raises(Refusal) as refused:
        await writer.execute("PING")
    assert refused.value.code == "store_unavailable"
    own_store.start()
    assert await writer.execute("PING")
    await writer.close()
    await client.aclose()
