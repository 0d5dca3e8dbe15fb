"""The same small suite against the embedded Valkey and Debian's redis-server."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.errors import StoreError
from server.process import ChildProcess
from server.settings import Settings
from server.settings_sources import load_settings
from server.store import BLOCK_LIMIT_S, Promise, Store, open_store
from server.store.client import CONNECTIONS, make_client

REDIS: Final = shutil.which("redis-server") or "/usr/bin/redis-server"
READY_WITHIN_S: Final = 20
PASSWORD: Final = "geheim"


@asynccontextmanager
async def redis_server(folder: Path, *extra: str) -> AsyncIterator[str]:
    """Debian's server with a durable file; yields its URL with the password."""
    path = folder / "redis.sock"
    argv = [REDIS, "--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", ""]
    argv += ["--requirepass", PASSWORD, "--appendonly", "yes", "--appendfsync", "always", *extra]
    process = await ChildProcess.start("redis", argv)
    try:
        await until_ready(process, f"unix://:{PASSWORD}@{path}")
        yield f"unix://:{PASSWORD}@{path}"
    finally:
        assert await process.stop(10) in {0, -signal.SIGTERM}


async def until_ready(process: ChildProcess, url: str) -> None:
    client = Redis.from_url(url)
    async with asyncio.timeout(READY_WITHIN_S):
        while process.alive:
            try:
                await client.ping()
                break
            except (RedisError, OSError):
                await asyncio.sleep(0.02)
    assert process.alive, "redis-server ended; tests/setup_host.sh installs it"
    await client.aclose()


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Store]:
    async with open_store(Settings(data_dir=folder)) as store:
        yield store


@asynccontextmanager
async def redis(folder: Path) -> AsyncIterator[Store]:
    async with redis_server(folder) as url:
        settings = Settings.model_validate({"data_dir": folder / "unused", "redis": url})
        async with open_store(settings) as store:
            yield store


def opened(url: str) -> AbstractAsyncContextManager[Store]:
    return open_store(Settings.model_validate({"redis": url}))


Make = Callable[[Path], AbstractAsyncContextManager[Store]]
MAKES = pytest.mark.parametrize("make", [embedded, redis])


@MAKES
async def test_answers_in_bytes_and_says_what_it_promises(make: Make, tmp_path: Path) -> None:
    async with make(tmp_path) as store:
        await store.ping()
        await store.client.set("a", "数")
        assert await store.client.get("a") == "数".encode()
        assert store.promise.name == "fsync"
        assert "an acknowledged write is on disk" in store.describe()
        assert PASSWORD not in store.describe()
        assert not store.died.done()


@MAKES
async def test_what_we_build_on_is_there(make: Make, tmp_path: Path) -> None:
    """Streams with groups, scripts, function libraries, hash fields set once."""
    async with make(tmp_path) as store:
        client = store.client
        await client.xadd("s", {"e": b"\x00\xff"})
        await client.xgroup_create("s", "g", id="0")
        found: Any = await client.xreadgroup("g", "c", {"s": ">"})
        assert found[0][1][0][1] == {b"e": b"\x00\xff"}
        script = client.register_script("return redis.call('INCR', KEYS[1])")
        assert await script(keys=["n"]) == 1
        await client.function_load(
            "#!lua name=t\nredis.register_function('t_one', function() return 1 end)", replace=True
        )
        assert await client.fcall("t_one", 0) == 1
        assert [await client.hsetnx("h", "f", value) for value in (1, 2)] == [1, 0]


@MAKES
async def test_many_callers_at_once_share_a_bounded_pool(make: Make, tmp_path: Path) -> None:
    async with make(tmp_path) as store:
        await asyncio.gather(*(store.client.incr("n") for _ in range(500)))
        assert await store.client.get("n") == b"500"
        assert len(await store.client.client_list()) <= CONNECTIONS


@MAKES
async def test_a_blocking_read_up_to_the_limit_is_no_error(make: Make, tmp_path: Path) -> None:
    async with make(tmp_path) as store:
        reading = asyncio.ensure_future(_read(store.client))
        await _until_reading(store.client)
        await store.client.xadd("s", {"e": "1"})
        async with asyncio.timeout(BLOCK_LIMIT_S):
            assert await reading


async def _read(client: Redis) -> object:
    return await client.xread({"s": "$"}, block=int(BLOCK_LIMIT_S * 1000))


async def _until_reading(client: Redis) -> None:
    async with asyncio.timeout(BLOCK_LIMIT_S):
        while all(entry["cmd"] != "xread" for entry in await client.client_list()):
            pass  # each turn asks the server, which is what we wait for


@MAKES
async def test_a_child_finds_it_through_its_environment(make: Make, tmp_path: Path) -> None:
    async with make(tmp_path) as store:
        await store.client.set("a", "1")
        settings = load_settings({}, store.child_environment())
        async with open_store(settings) as same:
            assert await same.client.get("a") == b"1"


async def test_a_weaker_promise_is_told(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--appendfsync", "everysec") as url, opened(url) as store:
        assert store.promise == Promise("everysec")
        assert "up to a second" in store.describe()


async def test_a_server_that_hides_its_configuration(tmp_path: Path) -> None:
    async with (
        redis_server(tmp_path, "--rename-command", "CONFIG", "") as url,
        opened(url) as store,
    ):
        assert store.promise == Promise("unknown")


async def test_a_wrong_password(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as url:
        for wrong in (url.replace(PASSWORD, "wrong"), url.replace(f":{PASSWORD}@", "")):
            with pytest.raises(StoreError, match="LIANMAI_REDIS") as caught:
                async with opened(wrong):
                    pytest.fail("it let us in")
            assert "wrong@" not in str(caught.value)


async def test_a_replica_is_refused(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--replicaof", "127.0.0.1", "1") as url:
        with pytest.raises(StoreError, match="read-only replica"):
            async with opened(url):
                pytest.fail("a replica takes no writes")


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot reach the store"):
        async with opened(f"unix://{tmp_path}/none.sock"):
            pytest.fail("nobody is there")


async def test_a_restarted_server_is_used_again(tmp_path: Path) -> None:
    """Pooled connections of before the restart are replaced without an error for the caller."""
    async with redis_server(tmp_path) as url:
        client = make_client(url)
        await client.set("a", "1")
    with pytest.raises((RedisError, OSError)):
        await client.get("a")
    async with redis_server(tmp_path):
        assert await client.get("a") == b"1"
    await client.aclose()
